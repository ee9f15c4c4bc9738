"""A stream of residual batches [N, D] -> a trained SAE and the history of its training.

The loop knows nothing of where residuals come from. Inputs are normalised to a mean norm of sqrt(D); the
scale is folded into the weights that are returned. With a checkpoint path, a run that was killed
continues with the same numbers, provided that the stream can be rewound
(``state_dict``/``load_state_dict``) or replayed.
"""

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError, CheckpointError, NotFiniteError
from drawbar.sae.settings import SaeSettings
from drawbar.sae.sparse import decode_pairs, encode_pairs
from drawbar.sae.topk import SAE

__all__ = ["HistoryRow", "Rewindable", "TrainedSae", "train_sae"]


@dataclass(frozen=True)
class HistoryRow:
    """One line of the training log; everything in it is reproducible."""

    step: int
    fvu: float
    l0: float
    dead_share: float
    auxk_loss: float


@dataclass(frozen=True)
class TrainedSae:
    """A trained SAE (scale folded in), its log, and what the inputs were multiplied by while training."""

    sae: SAE
    history: tuple[HistoryRow, ...]
    scale: float
    activations_per_s: float


@runtime_checkable
class Rewindable(Protocol):
    """A stream that can say where it is and go back there."""

    def state_dict(self) -> dict[str, Any]:
        """Where it is."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go there."""
        ...


Progress = Callable[[int, int, HistoryRow], None]


def train_sae(
    batches: Iterator[Tensor],
    settings: SaeSettings,
    *,
    layer: int = 0,
    fingerprint: str = "",
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
) -> TrainedSae:
    """Train on ``settings.steps`` batches [N, D] of residuals in their own units.

    Args:
        batches: endless, or long enough; may be :class:`Rewindable`.
        settings: see there.
        layer: where the residuals come from.
        fingerprint: of the model that they come from.
        checkpoint: a file that is written every ``save_every`` steps and read if it is there.
        progress: called with (steps done, steps, last history row).
        device: where to train.

    Raises:
        BadInputError: the stream ended early or is not [N, D].
        NotFiniteError: a loss that is not finite.
        CheckpointError: the checkpoint belongs to other settings.
    """
    run = _resume(batches, settings, checkpoint, device) or _start(
        batches, settings, layer, fingerprint, device
    )
    started, first = time.perf_counter(), run.step
    for step in range(run.step, settings.steps):
        x = _next(run.pending, batches, step)
        row = run.step_on(x.to(device, torch.float32) * run.scale, log=_logs(step, settings))
        if row is not None:
            run.history.append(row)
            if progress is not None:
                progress(step + 1, settings.steps, row)
        if checkpoint is not None and (step + 1) % settings.save_every == 0:
            run.save(checkpoint, batches)
    if checkpoint is not None and run.step > first:
        run.save(checkpoint, batches)
    rate = (run.step - first) * settings.batch / max(time.perf_counter() - started, 1e-9)
    return TrainedSae(run.sae.folded(run.scale).requires_grad_(False), tuple(run.history), run.scale, rate)


def _logs(step: int, settings: SaeSettings) -> bool:
    return (step + 1) % settings.log_every == 0 or step + 1 == settings.steps


def _next(pending: list[Tensor], batches: Iterator[Tensor], step: int) -> Tensor:
    x = pending.pop() if pending else next(batches, None)
    if x is None:
        raise BadInputError(
            f"the residuals ended at step {step}: give more clips, more passes or fewer steps"
        )
    if x.ndim != 2:
        raise BadInputError(f"residual batches must be [N, D], not {tuple(x.shape)}")
    return x


@dataclass
class _Run:
    """All that changes from step to step."""

    sae: SAE
    settings: SaeSettings
    optimiser: torch.optim.Adam
    silent_for: Tensor  # [F] residuals since each feature fired
    scale: float
    step: int = 0
    history: list[HistoryRow] = field(default_factory=list)
    pending: list[Tensor] = field(default_factory=list)

    def step_on(self, x: Tensor, *, log: bool) -> HistoryRow | None:
        """One optimiser step on normalised residuals [N, D]."""
        sae, cfg = self.sae, self.settings
        values, indices, pre = encode_pairs(sae.centre(x), sae.W_enc, sae.b_enc, cfg.k)
        error = x - (decode_pairs(values, indices, sae.W_dec) + sae.b_dec)
        spread = (x - x.mean(0)).square().sum().clamp_min(1e-12)
        fvu = error.square().sum() / spread
        dead = self._dead()
        aux = self._aux_loss(pre, x, error.detach(), dead)
        loss = fvu + cfg.aux_coefficient * aux
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update()
        self._count_fired(values, indices, len(x))
        self.step += 1
        return self._row(fvu, values, aux) if log else None

    def _dead(self) -> Tensor:
        return (self.silent_for >= self.settings.dead_after).nonzero().flatten()

    def _aux_loss(self, pre: Tensor, x: Tensor, error: Tensor, dead: Tensor) -> Tensor:
        """How badly the dead features explain what is left over (Gao et al. 2024, appendix A.2)."""
        cfg, sae = self.settings, self.sae
        if cfg.k_aux == 0 or len(dead) == 0:
            return error.new_zeros(())
        k_aux = min(cfg.k_aux, len(dead))
        pre_dead = torch.addmm(sae.b_enc[dead], sae.centre(x), sae.W_enc[:, dead])
        if k_aux < len(dead):
            least = pre_dead.detach().topk(k_aux, dim=1, sorted=False).values.amin(1, keepdim=True)
            pre_dead = pre_dead * (pre_dead >= least)
        guess = pre_dead.relu() @ sae.W_dec[dead]
        loss = (guess - error).square().sum() / error.square().sum().clamp_min(1e-12)
        return loss * (k_aux / cfg.k_aux)

    @torch.no_grad()
    def _update(self) -> None:
        grad = self.sae.W_dec.grad
        if grad is not None:  # only what turns a row, not what lengthens it
            grad -= (grad * self.sae.W_dec).sum(1, keepdim=True) * self.sae.W_dec
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.lr_at(self.step)
        self.optimiser.step()
        self.sae.W_dec.copy_(functional.normalize(self.sae.W_dec, dim=1))

    @torch.no_grad()
    def _count_fired(self, values: Tensor, indices: Tensor, n: int) -> None:
        self.silent_for += n
        self.silent_for[indices[values > 0]] = 0

    def _row(self, fvu: Tensor, values: Tensor, aux: Tensor) -> HistoryRow:
        value = float(fvu.detach())
        if not math.isfinite(value):
            raise NotFiniteError(
                f"SAE training at layer {self.sae.layer}, step {self.step}: the loss is {value}; lower lr "
                f"(now {self.settings.peak_lr:g}) or look for non-finite residuals"
            )
        l0 = float((values > 0).sum(1).float().mean())
        return HistoryRow(self.step, value, l0, len(self._dead()) / self.sae.d_sae, float(aux.detach()))

    def save(self, path: Path, batches: Iterator[Tensor]) -> None:
        """Everything that a continued run needs, in one atomic file."""
        state = {
            "settings": self.settings.to_dict(),
            "layer": self.sae.layer,
            "fingerprint": self.sae.fingerprint,
            "sae": self.sae.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "silent_for": self.silent_for,
            "scale": self.scale,
            "step": self.step,
            "history": [vars(row) for row in self.history],
            "stream": batches.state_dict() if isinstance(batches, Rewindable) else None,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(path.suffix + ".tmp")
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _optimiser(sae: SAE, settings: SaeSettings) -> torch.optim.Adam:
    return torch.optim.Adam(sae.parameters(), lr=settings.peak_lr, betas=(0.9, 0.999), fused=True)


def _start(
    batches: Iterator[Tensor], settings: SaeSettings, layer: int, fingerprint: str, device: str | torch.device
) -> _Run:
    """A fresh run: the scale and the centre come from the first batch, which is then trained on."""
    first = _next([], batches, 0)
    x = first.to(device, torch.float32)
    norm = float(x.norm(dim=1).mean())
    if not (math.isfinite(norm) and norm > 0):
        raise BadInputError(
            f"the first residuals have a mean norm of {norm}: they must be finite and not all zero"
        )
    scale = math.sqrt(x.shape[1]) / norm
    sae = SAE(x.shape[1], settings.d_sae, settings.k, layer=layer, fingerprint=fingerprint)
    sae.initialise(torch.Generator().manual_seed(settings.seed), mean=(x * scale).mean(0).cpu())
    sae.to(device)
    silent = torch.zeros(settings.d_sae, dtype=torch.int64, device=device)
    return _Run(sae, settings, _optimiser(sae, settings), silent, scale, pending=[first])


def _resume(
    batches: Iterator[Tensor], settings: SaeSettings, path: Path | None, device: str | torch.device
) -> _Run | None:
    if path is None or not path.is_file():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["settings"] != settings.to_dict():
        raise CheckpointError(f"{path} was written with other settings; delete it or use another folder")
    features, width = state["sae"]["W_dec"].shape
    sae = SAE(width, features, settings.k, layer=state["layer"], fingerprint=state["fingerprint"])
    sae.load_state_dict(state["sae"])
    sae.to(device)
    optimiser = _optimiser(sae, settings)
    optimiser.load_state_dict(state["optimiser"])
    if isinstance(batches, Rewindable) and state["stream"] is not None:
        batches.load_state_dict(state["stream"])
    else:
        next(itertools.islice(batches, state["step"], state["step"]), None)
    rows = [HistoryRow(**row) for row in state["history"]]
    return _Run(sae, settings, optimiser, state["silent_for"].to(device), state["scale"], state["step"], rows)
