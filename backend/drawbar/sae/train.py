"""A stream of residual batches [N, D] -> trained SAEs and the history of their training.

The loop knows nothing of where residuals come from. Several SAEs can be trained on one stream, each on its
own columns. Inputs are normalised to a mean norm of sqrt(D); the scale is folded into the weights that are
returned. With a checkpoint path, a run that was killed continues with the same numbers, provided that the
stream can be rewound (``state_dict``/``load_state_dict``) or replayed.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from drawbar.errors import BadInputError, CheckpointError
from drawbar.files.atomic_write import atomic
from drawbar.sae.settings import SaeSettings
from drawbar.sae.step import HistoryRow, Training
from drawbar.sae.topk import SAE


@dataclass(frozen=True)
class SaeJob:
    """One SAE to train on a shared stream."""

    settings: SaeSettings
    layer: int = 0
    fingerprint: str = ""
    columns: tuple[int, int] | None = None
    """Its residuals within a batch [N, ...]: the first column and the one behind the last; None is all."""
    slow_columns: tuple[int, int] | None = None
    """Where their running mean stands; needed where the settings have slow features."""

    def __post_init__(self) -> None:
        if self.settings.slow and (self.columns is None or self.slow_columns is None):
            raise BadInputError(
                f"slow={self.settings.slow}: say in which columns of a batch the residuals and their mean stand"
            )

    def slow_of(self, batch: Tensor) -> Tensor | None:
        """The running mean of the job's residuals [N, D]; None where it is not used."""
        if self.slow_columns is None or not self.settings.slow:
            return None
        return batch[:, self.slow_columns[0] : self.slow_columns[1]]

    def of(self, batch: Tensor) -> Tensor:
        """The job's residuals [N, D]."""
        return batch if self.columns is None else batch[:, self.columns[0] : self.columns[1]]


@dataclass(frozen=True)
class TrainedSae:
    """A trained SAE (scale folded in), its log, and what the inputs were multiplied by while training."""

    sae: SAE
    history: tuple[HistoryRow, ...]
    scale: float
    activations_per_s: float
    resampled: int = 0


@runtime_checkable
class Rewindable(Protocol):
    """A stream that can say where it is and go back there."""

    def state_dict(self) -> dict[str, object]: ...

    def load_state_dict(self, state: dict[str, object]) -> None: ...


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
        NotFiniteError: residuals or a loss that are not finite.
        CheckpointError: the checkpoint belongs to other settings.
    """
    job = SaeJob(settings, layer, fingerprint)
    return train_saes(batches, [job], checkpoint=checkpoint, progress=progress, device=device)[0]


def train_saes(
    batches: Iterator[Tensor],
    jobs: Sequence[SaeJob],
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
) -> list[TrainedSae]:
    """Train several SAEs on one stream of batches [N, ...]; as :func:`train_sae`, which has one.

    Raises:
        BadInputError: as there; or jobs of different steps, batches or intervals.
    """
    first = jobs[0].settings
    if any((j.settings.steps, j.settings.batch) != (first.steps, first.batch) for j in jobs):
        raise BadInputError("SAEs that share a stream must have equal steps and batch")
    pending: list[Tensor] = []
    runs = _resume(batches, jobs, checkpoint, device)
    if runs is None:
        pending = [_next([], batches, 0)]
        runs = [
            Training.start(job.of(pending[0]), job.settings, job.layer, job.fingerprint, device)
            for job in jobs
        ]
    started, at = time.perf_counter(), runs[0].step
    for step in range(at, first.steps):
        x = _next(pending, batches, step).to(device, torch.float32)
        for run, job in zip(runs, jobs, strict=True):
            slow = job.slow_of(x)
            row = run.step_on(
                job.of(x) * run.scale,
                None if slow is None else slow * run.scale,
                log=_logs(step, job.settings),
            )
            if row is not None:
                run.history.append(row)
        if progress is not None and _logs(step, first):
            progress(step + 1, first.steps, runs[0].history[-1])
        if checkpoint is not None and (step + 1) % first.save_every == 0:
            _save(checkpoint, runs, batches)
    if checkpoint is not None and runs[0].step > at:
        _save(checkpoint, runs, batches)
    rate = (first.steps - at) * first.batch / max(time.perf_counter() - started, 1e-9)
    return [
        TrainedSae(
            run.sae.folded(run.scale).requires_grad_(False),
            tuple(run.history),
            run.scale,
            rate,
            run.resampled,
        )
        for run in runs
    ]


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


def _save(path: Path, runs: Sequence[Training], batches: Iterator[Tensor]) -> None:
    """Everything that a continued run needs, in one atomic file."""
    state = {
        "runs": [run.state() for run in runs],
        "stream": batches.state_dict() if isinstance(batches, Rewindable) else None,
    }
    with atomic(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def _resume(
    batches: Iterator[Tensor], jobs: Sequence[SaeJob], path: Path | None, device: str | torch.device
) -> list[Training] | None:
    if path is None or not path.is_file():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    wanted = [(job.settings.to_dict(), job.layer) for job in jobs]
    if [(run["settings"], run["layer"]) for run in state.get("runs", [])] != wanted:
        raise CheckpointError(f"{path} was written with other settings; delete it or use another folder")
    runs = [
        Training.from_state(found, job.settings, device)
        for found, job in zip(state["runs"], jobs, strict=True)
    ]
    if isinstance(batches, Rewindable) and state["stream"] is not None:
        batches.load_state_dict(state["stream"])
    else:
        next(itertools.islice(batches, runs[0].step, runs[0].step), None)
    return runs
