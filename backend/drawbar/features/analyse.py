"""A sound file or audio -> which features of a bank it activates, how strongly and when.

Any format, rate, channel count and length: files are read and run in chunks, in bounded memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.bank import Bank, FeatureRow
from drawbar.corpus.audio import stream_audio
from drawbar.errors import AudioFileError, BadInputError
from drawbar.features.encode_audio import BankEncoder, Fired, ListeningModel, chunk_frames, fired_frames

_SMOOTH_FRAMES = 25  # 0.5 s: what counts as one stretch of firing
_FRAME_S = 0.02
_FLOOR = 0.05  # of the feature's p99: less is not shown as firing


@dataclass(frozen=True)
class AnalysisRow:
    """One feature in one sound."""

    row: FeatureRow
    mean: float
    """Mean activation over all frames."""
    max: float
    """Highest activation."""
    density: float
    """Share of the frames in which it fires."""
    salience: float
    """What rows are ranked by: mean / p99 * log2(1 + density here / density in the bank's corpus)."""
    when: tuple[tuple[float, float], ...]
    """(start_s, end_s) of the stretches in which it is strong."""

    def to_dict(self) -> dict[str, object]:
        return {
            "id": self.row.id,
            "label": self.row.label,
            "mean": round(self.mean, 5),
            "max": round(self.max, 5),
            "density": round(self.density, 5),
            "salience": round(self.salience, 5),
            "when": [[round(start, 2), round(end, 2)] for start, end in self.when],
        }


@dataclass(frozen=True)
class Analysis:
    """The strongest features of one sound."""

    seconds: float
    rows: tuple[AnalysisRow, ...]
    curves: NDArray[np.float32]
    """[len(rows), T] activation at each frame."""

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON (without the curves)."""
        return {"seconds": round(self.seconds, 3), "rows": [row.to_dict() for row in self.rows]}


def analyse(
    source: str | Path | NDArray[np.float32],
    model: ListeningModel,
    bank: Bank,
    top: int = 20,
    *,
    progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Find the features that stand out in a file, or in mono audio [N] at the model's rate.

    Args:
        source: a file that libsndfile reads, or samples.
        model: the model that the bank was made from.
        bank: its features.
        top: rows to return.
        progress: called with the seconds done.

    Raises:
        AudioFileError: a file that cannot be read, or audio that is empty or not finite.
        SiteMismatchError: the bank belongs to another model.
        BadInputError: top below 1.
    """
    if top < 1:
        raise BadInputError(f"top={top}: ask for at least one feature")
    bank.require_site(model.fingerprint)
    encoder = BankEncoder(bank)
    codec = model.codec
    size = chunk_frames(model)[0] * codec.samples_per_frame
    samples = 0

    def blocks() -> Iterator[NDArray[np.float32]]:
        nonlocal samples
        for block in _blocks(source, codec.sample_rate_hz, size):
            samples += len(block)
            yield block

    fired = list(fired_frames(blocks(), model, encoder, progress))
    return _summary(fired, encoder, samples / codec.sample_rate_hz, top)


def _blocks(
    source: str | Path | NDArray[np.float32], rate_hz: int, size: int
) -> Iterator[NDArray[np.float32]]:
    if isinstance(source, str | Path):
        yield from stream_audio(source, rate_hz, block_s=size / rate_hz)
        return
    audio = np.asarray(source, dtype=np.float32)
    if audio.ndim != 1 or audio.size < rate_hz // 10 or not np.isfinite(audio).all():
        raise AudioFileError(
            f"audio of shape {audio.shape}: give finite mono samples [N], at least 0.1 s of them"
        )
    for start in range(0, len(audio), size):
        yield audio[start : start + size]


def _summary(fired: list[Fired], encoder: BankEncoder, seconds: float, top: int) -> Analysis:
    features = len(encoder.ids)
    total, peak, count = np.zeros(features), np.zeros(features), np.zeros(features)
    frames = 0
    for part in fired:
        on = part.values > 0
        columns, values = part.columns[on], part.values[on].astype(np.float64)
        total += np.bincount(columns, values, features)
        count += np.bincount(columns, minlength=features)
        np.maximum.at(peak, columns, values)
        frames += len(part.values)
    mean, density = total / max(frames, 1), count / max(frames, 1)
    usual = np.array([max(row.density, 1e-6) for row in encoder.rows])
    scale = np.array([row.p99 if row.p99 > 0 else 1.0 for row in encoder.rows])
    salience = mean / scale * np.log2(1 + density / usual)
    chosen = [int(i) for i in np.argsort(-salience, kind="stable")[:top] if count[i] > 0]
    curves = _curves(fired, chosen, frames)
    rows = tuple(
        AnalysisRow(
            encoder.rows[i],
            float(mean[i]),
            float(peak[i]),
            float(density[i]),
            float(salience[i]),
            intervals(curve, _FLOOR * float(scale[i])),
        )
        for i, curve in zip(chosen, curves, strict=True)
    )
    return Analysis(seconds, rows, curves)


def _curves(fired: list[Fired], chosen: list[int], frames: int) -> NDArray[np.float32]:
    out = np.zeros((len(chosen), frames), dtype=np.float32)
    start = 0
    for part in fired:
        end = start + len(part.values)
        for row, column in enumerate(chosen):
            out[row, start:end] = np.where(part.columns == column, part.values, 0).sum(1)
        start = end
    return out


def intervals(curve: NDArray[np.float32], floor: float) -> tuple[tuple[float, float], ...]:
    """Stretches (start_s, end_s) where the 0.5 s mean of a curve [T] tops half its highest, and the floor."""
    if not curve.size:
        return ()
    box = np.ones(min(_SMOOTH_FRAMES, curve.size)) / min(_SMOOTH_FRAMES, curve.size)
    smooth = np.convolve(curve, box, mode="same")
    on = smooth > max(floor, 0.5 * float(smooth.max()))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(np.int8), [0]])))
    spans = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start - merged[-1][1] < _SMOOTH_FRAMES:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple((start * _FRAME_S, end * _FRAME_S) for start, end in merged)
