"""Audio -> which instruments and drum styles are heard in it, per clip and per 80 ms step.

The judges of the evidence: small nets trained on composed audio after a codec round trip (so that a codec's
own sound is no clue), never on residuals. Each factor stores its held-out AUROC and its threshold. They know
nothing of models.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from drawbar.audio_analysis.detector_network import MEL_HOP, MEL_N_FFT, N_MELS, STEP_FRAMES, DetectorNet
from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ, log_mel
from drawbar.errors import BadInputError, CheckpointError
from drawbar.files.reading import json_value

STEP_RATE_HZ = 50 / STEP_FRAMES
_FORMAT = 1
_LONG_S = 60.0  # longer audio is judged in pieces of this length


@dataclass(frozen=True)
class FactorReport:
    """How well one factor is heard on held-out composed clips."""

    auroc: float
    """NaN (null in the file) where the held-out clips had no positive or no negative."""
    threshold: float
    positives: int
    negatives: int


def picture(audio: Tensor) -> Tensor:
    """``audio`` [..., N] at 32 kHz -> log10 mel [..., 80, N // 640] (no column beyond the last frame)."""
    mel = log_mel(audio, SAMPLE_RATE_HZ, n_fft=MEL_N_FFT, hop=MEL_HOP, n_mels=N_MELS)
    return mel[..., : max(1, audio.shape[-1] // MEL_HOP)]


class Detectors:
    """A trained net, the names of its factors, and what each is worth."""

    def __init__(
        self, net: DetectorNet, reports: dict[str, FactorReport], training: dict[str, object]
    ) -> None:
        self._net = net.eval()
        self.reports = reports
        self.training = training

    @property
    def names(self) -> tuple[str, ...]:
        """The factors, in the order of the logits."""
        return tuple(self.reports)

    @torch.inference_mode()
    def logits(self, audio: ArrayLike | Tensor) -> NDArray[np.float32]:
        """``audio`` [N] or [B, N], 32 kHz -> logits [S, C] or [B, S, C], 12.5 steps per second.

        Raises:
            BadInputError: audio that is empty or not finite.
        """
        return self._over(audio, self._net)

    @torch.inference_mode()
    def embeddings(self, audio: ArrayLike | Tensor) -> NDArray[np.float32]:
        """``audio`` [N] or [B, N], 32 kHz -> the net's last layer [S, W] or [B, S, W], for distances of sets.

        Raises:
            BadInputError: audio that is empty or not finite.
        """
        return self._over(audio, self._net.embed)

    def _over(self, audio: ArrayLike | Tensor, answer: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        samples = torch.as_tensor(np.asarray(audio), dtype=torch.float32)
        if samples.ndim not in (1, 2) or not samples.numel() or not torch.isfinite(samples).all():
            raise BadInputError(
                f"audio of shape {tuple(samples.shape)}: detectors need finite 32 kHz samples [N] or [B, N]"
            )
        flat, size = samples.reshape(-1, samples.shape[-1]), int(_LONG_S * SAMPLE_RATE_HZ)
        pieces = [flat[:, at : at + size] for at in range(0, flat.shape[1], size)]
        out = torch.cat([answer(picture(piece)) for piece in pieces], dim=-1).transpose(1, 2)
        found: NDArray[np.float32] = out.reshape(*samples.shape[:-1], *out.shape[1:]).numpy()
        return found

    def curves(self, audio: ArrayLike | Tensor) -> dict[str, NDArray[np.float32]]:
        """Probability of each factor over time, [S] at 12.5 Hz."""
        chance = 1 / (1 + np.exp(-self.logits(np.asarray(audio).reshape(-1))))
        return {name: chance[:, index].astype(np.float32) for index, name in enumerate(self.names)}

    def scores(self, audio: ArrayLike | Tensor) -> dict[str, float]:
        """Clip score 0-1 of each factor: the share of the clip in which it is heard (mean probability)."""
        return {name: float(curve.mean()) for name, curve in self.curves(audio).items()}

    def batch_scores(self, audio: ArrayLike | Tensor) -> NDArray[np.float32]:
        """``audio`` [B, N] -> clip scores [B, C]."""
        chance: NDArray[np.float32] = (1 / (1 + np.exp(-self.logits(audio)))).mean(axis=1)
        return chance

    def heard(self, audio: ArrayLike | Tensor) -> dict[str, bool]:
        return {name: score > self.reports[name].threshold for name, score in self.scores(audio).items()}

    def save(self, folder: str | Path) -> None:
        """Write ``detectors.safetensors`` (fp16) and ``detectors.json`` into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            name: value.half() for name, value in self._net.state_dict().items() if value.is_floating_point()
        }
        save_file(state, folder / "detectors.safetensors")
        (folder / "detectors.safetensors").chmod(0o644)
        about = {
            "format": _FORMAT,
            "width": self._net.head.in_channels,
            "factors": {
                name: vars(r) | ({} if math.isfinite(r.auroc) else {"auroc": None})
                for name, r in self.reports.items()
            },
            "training": self.training,
        }
        (folder / "detectors.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Detectors":
        """Read what :meth:`save` wrote.

        Raises:
            CheckpointError: files that are missing, damaged or of another format.
        """
        folder = Path(folder)
        try:
            about = json_value((folder / "detectors.json").read_text(encoding="utf-8"))
            if about["format"] != _FORMAT:
                raise ValueError(f"format {about['format']}, this version reads {_FORMAT}")
            reports = {
                name: FactorReport(**r)
                if r["auroc"] is not None
                else FactorReport(**{**r, "auroc": math.nan})
                for name, r in about["factors"].items()
            }
            net = DetectorNet(len(reports), int(about["width"]))
            state = {
                name: value.float() for name, value in load_file(folder / "detectors.safetensors").items()
            }
            counters = {name for name in net.state_dict() if name.endswith("num_batches_tracked")}
            missing, surplus = net.load_state_dict(state, strict=False)
            if set(missing) - counters or surplus:
                raise ValueError(f"weights do not fit: {sorted(set(missing) - counters)}, {surplus}")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder}: no readable detectors there ({error}); make them with `python -m drawbar.bundled`"
            ) from error
        return cls(net, reports, about.get("training", {}))


def clip_truth(share: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of a clip in which each factor is present -> 1 (over a half), 0 (under 5 %) or NaN."""
    shares = np.asarray(share, np.float64)
    return np.where(shares > 0.5, 1.0, np.where(shares < 0.05, 0.0, np.nan))
