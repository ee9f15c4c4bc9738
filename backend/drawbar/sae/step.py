"""One batch of normalised residuals [N, D] -> one optimiser step of one SAE, and a line of its log.

Three ways to choose what fires: k features a position (Gao et al. 2024), k a position on average over the
batch (Bussmann et al. 2024), one learnt threshold a feature (Rajamanoharan et al. 2024). It knows nothing
of where residuals come from.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError, NotFiniteError
from drawbar.files.json_object import JsonObject
from drawbar.sae.settings import SaeSettings
from drawbar.sae.sparse import autoencode
from drawbar.sae.topk import SAE

_BANDWIDTH = 0.3  # of jumprelu's gradient estimate, in units of normalised residuals
_RESAMPLED = 0.2  # encoder norm of a feature that starts anew, relative to the live ones


@dataclass(frozen=True)
class HistoryRow:
    """One line of the training log; everything in it is reproducible."""

    step: int
    fvu: float
    l0: float
    dead_share: float
    auxk_loss: float


@dataclass
class _Pass:
    """What one forward pass found."""

    guess: Tensor
    fired: Tensor
    l0: Tensor
    penalty: Tensor | float = 0.0
    nested: Tensor | None = None
    """Mean unexplained share over the prefixes; None where there are none."""


@dataclass
class Training:
    """All that changes from step to step."""

    sae: SAE
    settings: SaeSettings
    optimiser: torch.optim.Adam
    silent_for: Tensor
    """[F] residuals since each feature fired."""
    scale: float
    step: int = 0
    resampled: int = 0
    """Features that started anew so far."""
    history: list[HistoryRow] = field(default_factory=list)

    @classmethod
    def start(
        cls, first: Tensor, settings: SaeSettings, layer: int, fingerprint: str, device: str | torch.device
    ) -> "Training":
        """From the first residuals [N, D], whose mean and mean norm are the centre and the scale.

        Raises BadInputError for residuals without a scale.
        """
        x = first.to(device, torch.float32)
        norm = float(x.norm(dim=1).mean())
        if not (math.isfinite(norm) and norm > 0):
            raise BadInputError(
                f"the first residuals have a mean norm of {norm}: they must be finite and not all zero"
            )
        scale = math.sqrt(x.shape[1]) / norm
        sae = SAE(
            x.shape[1],
            settings.d_sae,
            settings.k,
            layer=layer,
            fingerprint=fingerprint,
            thresholds=settings.activation != "topk",
        )
        sae.initialise(torch.Generator().manual_seed(settings.seed), mean=(x * scale).mean(0).cpu())
        sae.to(device)
        if sae.threshold is not None:
            with torch.no_grad():
                sae.threshold.fill_(_level(sae.before(x * scale), settings.k))
        silent = torch.zeros(settings.d_sae, dtype=torch.int64, device=device)
        return cls(sae, settings, _optimiser(sae, settings), silent, scale)

    def step_on(self, x: Tensor, slow: Tensor | None = None, *, log: bool) -> HistoryRow | None:
        """One optimiser step on normalised residuals [N, D]; ``slow`` is their running mean, where it is used."""
        cfg = self.settings
        found = self._forward(x, slow)
        error = x - found.guess
        spread = (x - x.mean(0)).square().sum().clamp_min(1e-12)
        fvu = error.square().sum() / spread
        dead = self._dead()
        aux = self._aux_loss(x, error.detach(), dead)
        loss = (fvu if found.nested is None else found.nested) + cfg.aux_coefficient * aux + found.penalty
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update()
        self.silent_for += len(x)
        self.silent_for[found.fired] = 0
        self.step += 1
        if cfg.resample_every and self.step % cfg.resample_every == 0 and self.step < cfg.steps / 2:
            self._resample(error.detach())
        return self._row(fvu, found.l0, aux) if log else None

    def _forward(self, x: Tensor, slow: Tensor | None) -> _Pass:
        sae, cfg = self.sae, self.settings
        fired = torch.zeros(sae.d_sae, dtype=torch.bool, device=x.device)
        if cfg.activation == "topk":
            guess, values, indices = autoencode(
                x, sae.b_dec, (sae.W_enc, sae.b_enc), sae.W_dec, cfg.k, centred=sae.apply_b_dec_to_input
            )
            fires = values > 0
            fired[indices[fires]] = True
            return _Pass(guess, fired, fires.sum(1).float().mean())
        pre = sae.before(x)
        if cfg.activation == "batchtopk":
            level = _level(pre.detach(), cfg.k)
            active = pre.relu() * (pre.detach() >= level)
            self._follow(level)
            penalty: Tensor | float = 0.0
        else:
            active = _Jump.apply(pre.relu(), sae.threshold)  # type: ignore[no-untyped-call]
            mean = _Count.apply(pre, sae.threshold).sum(1).mean()  # type: ignore[no-untyped-call]
            penalty = cfg.sparsity * (mean / cfg.k - 1).square()
        fires = active.detach() > 0
        fired |= fires.any(0)
        l0 = fires.sum(1).float().mean()
        if not cfg.prefixes:
            return _Pass(sae.decode(active), fired, l0, penalty)
        guess, nested = self._nested(active, x, slow)
        return _Pass(guess, fired, l0, penalty, nested)

    def _nested(self, active: Tensor, x: Tensor, slow: Tensor | None) -> tuple[Tensor, Tensor]:
        """All features' guess, and the mean unexplained share over the prefixes, each against its own target."""
        cfg, w = self.settings, self.sae.W_dec
        guess, start = self.sae.b_dec.expand_as(x), 0
        shares = []
        for end in cfg.ends:
            guess = torch.addmm(guess, active[:, start:end], w[start:end])
            target = slow if slow is not None and end <= cfg.slow else x
            spread = (target - target.mean(0)).square().sum().clamp_min(1e-12)
            shares.append((target - guess).square().sum() / spread)
            start = end
        return guess, torch.stack(shares).mean()

    @torch.no_grad()
    def _follow(self, level: float) -> None:
        """Batchtopk's threshold afterwards: a running mean of what the batches' cut was."""
        if self.sae.threshold is not None:
            self.sae.threshold.mul_(0.99).add_(0.01 * level)

    def _dead(self) -> Tensor:
        return (self.silent_for >= self.settings.dead_after).nonzero().flatten()

    def _aux_loss(self, x: Tensor, error: Tensor, dead: Tensor) -> Tensor:
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
        sae, grad = self.sae, self.sae.W_dec.grad
        if grad is not None:  # only what turns a row, not what lengthens it
            grad.addcmul_((grad * sae.W_dec).sum(1, keepdim=True), sae.W_dec, value=-1)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.lr_at(self.step)
        self.optimiser.step()
        sae.W_dec.div_(torch.linalg.vector_norm(sae.W_dec, dim=1, keepdim=True).clamp_min_(1e-12))
        if sae.threshold is not None:
            sae.threshold.clamp_min_(0)

    @torch.no_grad()
    def _resample(self, error: Tensor) -> None:
        """Dead features start anew in the direction of badly explained residuals (Bricken et al. 2023)."""
        sae, dead = self.sae, self._dead()
        if len(dead) == 0:
            return
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
        weight = error.square().sum(1).cpu().double()
        chosen = torch.multinomial(weight / weight.sum(), len(dead), replacement=True, generator=generator)
        rows = functional.normalize(error[chosen.to(error.device)], dim=1)
        live = torch.ones(sae.d_sae, dtype=torch.bool, device=error.device)
        live[dead] = False
        norm = sae.W_enc[:, live].norm(dim=0).mean() if bool(live.any()) else rows.new_ones(())
        sae.W_dec[dead] = rows
        sae.W_enc[:, dead] = rows.T * norm * _RESAMPLED
        sae.b_enc[dead] = 0
        for parameter in (sae.W_dec, sae.W_enc, sae.b_enc):
            state = self.optimiser.state.get(parameter, {})
            for name in ("exp_avg", "exp_avg_sq"):
                if name in state:
                    state[name][(slice(None), dead) if parameter is sae.W_enc else dead] = 0
        self.silent_for[dead] = 0
        self.resampled += len(dead)

    def _row(self, fvu: Tensor, l0: Tensor, aux: Tensor) -> HistoryRow:
        value = float(fvu.detach())
        if not math.isfinite(value):
            raise NotFiniteError(
                f"SAE training at layer {self.sae.layer}, step {self.step}: the loss is {value}; lower lr "
                f"(now {self.settings.peak_lr:g}) or look for non-finite residuals"
            )
        dead = len(self._dead()) / self.sae.d_sae
        return HistoryRow(self.step, value, float(l0), dead, float(aux.detach()))

    def state(self) -> JsonObject:
        return {
            "settings": self.settings.to_dict(),
            "layer": self.sae.layer,
            "fingerprint": self.sae.fingerprint,
            "sae": self.sae.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "silent_for": self.silent_for,
            "scale": self.scale,
            "step": self.step,
            "resampled": self.resampled,
            "history": [vars(row) for row in self.history],
        }

    @classmethod
    def from_state(cls, state: JsonObject, settings: SaeSettings, device: str | torch.device) -> "Training":
        """Where :meth:`state` was called."""
        features, width = state["sae"]["W_dec"].shape
        sae = SAE(
            width,
            features,
            settings.k,
            layer=state["layer"],
            fingerprint=state["fingerprint"],
            thresholds="threshold" in state["sae"],
        )
        sae.load_state_dict(state["sae"])
        sae.to(device)
        optimiser = _optimiser(sae, settings)
        optimiser.load_state_dict(state["optimiser"])
        rows = [HistoryRow(**row) for row in state["history"]]
        silent = state["silent_for"].to(device)
        return cls(sae, settings, optimiser, silent, state["scale"], state["step"], state["resampled"], rows)


def _optimiser(sae: SAE, settings: SaeSettings) -> torch.optim.Adam:
    return torch.optim.Adam(sae.parameters(), lr=settings.peak_lr, betas=(0.9, 0.999), fused=True)


def _level(pre: Tensor, k: int) -> float:
    """The cut that k features a row exceed on average, never below zero."""
    flat = pre.detach().flatten()
    found = flat.kthvalue(max(1, len(flat) - k * len(pre) + 1)).values
    return max(0.0, float(found))


class _Jump(torch.autograd.Function):
    """a = z where z is above its feature's threshold; the threshold's gradient comes from a narrow window."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(z, threshold)
        return z * (z > threshold)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        z, threshold = ctx.saved_tensors
        near = ((z - threshold).abs() < _BANDWIDTH / 2).to(grad.dtype)
        return grad * (z > threshold), -(threshold / _BANDWIDTH) * (grad * near).sum(0)


class _Count(torch.autograd.Function):
    """1 where z is above its threshold, with the same window for the threshold's gradient."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(z, threshold)
        return (z > threshold).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        z, threshold = ctx.saved_tensors
        near = ((z - threshold).abs() < _BANDWIDTH / 2).to(grad.dtype)
        return None, -(grad * near).sum(0) / _BANDWIDTH
