"""Clips of audio with per-frame truth -> trained Detectors with their held-out AUROC beside them."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drawbar.audio_analysis.detector_network import STEP_FRAMES, DetectorNet
from drawbar.audio_analysis.detectors import Detectors, FactorReport, clip_truth, picture
from drawbar.audio_analysis.scoring import auroc, best_threshold
from drawbar.errors import BadInputError

Example = tuple[NDArray[np.float32], NDArray[np.generic]]
"""Audio [N] at 32 kHz, and truth [T, C] per 50 Hz frame (bool, or float with NaN where it is unknown)."""

Progress = Callable[[str, float], None]
"""Told what is being done and the share of it that is finished, 0 to 1."""


@dataclass(frozen=True)
class DetectorSettings:
    """How detectors are trained."""

    epochs: int = 12
    """Passes over the clips."""
    batch: int = 24
    """Clips per step."""
    crop_s: float = 6.0
    """Random crops of this length are shown."""
    learning_rate: float = 4e-3
    width: int = 96
    seed: int = 0
    limit_s: float = 480.0
    """Training stops after this many seconds at the latest, with the schedule brought to its end."""

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.width) < 1 or self.crop_s < 1.0 or self.learning_rate <= 0:
            raise BadInputError(f"detector settings out of range: {self}; counts >= 1, crops >= 1 s")


def train_detectors(
    examples: Iterable[Example],
    held_out: Iterable[Example],
    names: Sequence[str],
    settings: DetectorSettings | None = None,
    progress: Progress | None = None,
) -> Detectors:
    """Train on ``examples``, measure on ``held_out`` (other pieces!) and return both in one object.

    Raises:
        BadInputError: no examples, or truth that does not have one column per name.
    """
    settings = settings or DetectorSettings()
    tell = progress or (lambda _what, _share: None)
    started = time.monotonic()
    tell("listening to the training clips", 0.0)
    pictures, truths = _gather(examples, names)
    torch.manual_seed(settings.seed)
    net = DetectorNet(len(names), settings.width)
    _fit(net, pictures, truths, settings, tell)
    tell("measuring on held-out clips", 1.0)
    training: dict[str, object] = {
        "clips": len(pictures),
        "hours": sum(p.shape[1] for p in pictures) / 50 / 3600,
        "wall_s": round(time.monotonic() - started, 1),
        "settings": asdict(settings),
    }
    blank = {name: FactorReport(0.5, 0.5, 0, 0) for name in names}
    detectors = Detectors(net, blank, training)
    detectors.reports = measure_detectors(detectors, held_out)
    return detectors


def _gather(examples: Iterable[Example], names: Sequence[str]) -> tuple[list[Tensor], list[Tensor]]:
    """Half-precision mel pictures [80, T] and truths [C, T / 4]: 70 KB per 8 s clip."""
    pictures: list[Tensor] = []
    truths: list[Tensor] = []
    for audio, truth in examples:
        if truth.ndim != 2 or truth.shape[1] != len(names):
            raise BadInputError(
                f"truth of shape {truth.shape}: one column per factor is needed, {len(names)}"
            )
        mel = picture(torch.as_tensor(audio, dtype=torch.float32))
        steps = min(mel.shape[1], len(truth)) // STEP_FRAMES
        share = torch.as_tensor(np.asarray(truth[: steps * STEP_FRAMES], np.float32))
        pictures.append(mel[:, : steps * STEP_FRAMES].half())
        truths.append(share.reshape(steps, STEP_FRAMES, -1).mean(1).T.contiguous())
    if not pictures:
        raise BadInputError("no clips to train detectors on; give at least a few hundred")
    return pictures, truths


def _fit(
    net: DetectorNet, pictures: list[Tensor], truths: list[Tensor], settings: DetectorSettings, tell: Progress
) -> None:
    generator = torch.Generator().manual_seed(settings.seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=1e-2)
    weight = _positive_weight(truths)
    per_epoch = -(-len(pictures) // settings.batch)
    total = settings.epochs * per_epoch
    started, done = time.monotonic(), 0.0
    net.train()
    step = 0
    while done < 1.0:
        order = torch.randperm(len(pictures), generator=generator).tolist()
        for start in range(0, len(order), settings.batch):
            rate = settings.learning_rate * min(1.0, step / 30 + 0.03) * 0.5 * (1 + np.cos(np.pi * done))
            for group in optimiser.param_groups:
                group["lr"] = float(rate)
            mel, truth = _batch(pictures, truths, order[start : start + settings.batch], settings, generator)
            known = torch.isfinite(truth)
            loss = functional.binary_cross_entropy_with_logits(
                net(mel), truth.nan_to_num(), weight=known.float(), pos_weight=weight[:, None]
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step += 1
            done = max(step / total, (time.monotonic() - started) / settings.limit_s)
            tell(f"training detectors, loss {loss.item():.3f}", min(done, 1.0))
            if done >= 1.0:
                break
    net.eval()


def _positive_weight(truths: list[Tensor]) -> Tensor:
    share = torch.stack([truth.nanmean(dim=1).nan_to_num() for truth in truths]).mean(0).clamp(1e-3, 1 - 1e-3)
    return ((1 - share) / share).sqrt().clamp(0.5, 6.0)


def _batch(
    pictures: list[Tensor],
    truths: list[Tensor],
    rows: list[int],
    settings: DetectorSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Random crops, each played louder or softer, brighter or duller, and with a little noise."""
    steps = min(int(settings.crop_s * 50) // STEP_FRAMES, *(truths[row].shape[1] for row in rows))
    mels, answers = [], []
    for row in rows:
        at = int(torch.randint(truths[row].shape[1] - steps + 1, (1,), generator=generator))
        mels.append(pictures[row][:, at * STEP_FRAMES : (at + steps) * STEP_FRAMES].float())
        answers.append(truths[row][:, at : at + steps])
    mel = torch.stack(mels)
    gain = torch.randn(len(rows), 1, 1, generator=generator) * 0.12  # 0.12 in log10: 2.4 dB
    tilt = (
        torch.randn(len(rows), 1, 1, generator=generator)
        * 0.15
        * torch.linspace(-1, 1, mel.shape[1])[:, None]
    )
    noise = torch.randn(mel.shape, generator=generator) * 0.06
    return (mel + gain + tilt + noise).clamp_min(-5.0), torch.stack(answers)


def measure_detectors(detectors: Detectors, held_out: Iterable[Example]) -> dict[str, FactorReport]:
    """AUROC and threshold of every factor on clips of pieces that training has not seen, 200 or more of them.

    A clip counts for a factor that is present in over half of it, or in under 5 % of it.
    Raises BadInputError without clips.
    """
    scores, truth = [], []
    for audio, frames in held_out:
        scores.append(detectors.batch_scores(audio[None])[0])
        truth.append(clip_truth(np.nanmean(np.asarray(frames, np.float64), axis=0)))
    if not scores:
        raise BadInputError("no held-out clips: detectors without a measured AUROC judge nothing")
    all_scores, all_truth = np.stack(scores), np.stack(truth)
    reports = {}
    for column, name in enumerate(detectors.names):
        known = np.isfinite(all_truth[:, column])
        s, t = all_scores[known, column], all_truth[known, column] > 0.5
        reports[name] = FactorReport(auroc(s, t), best_threshold(s, t), int(t.sum()), int((~t).sum()))
    return reports
