"""The shipped clips -> still what the composer writes, and their sound is what their annotations say."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from drawbar.corpus import Annotations, Piece, annotate, compose

CLIPS = Path(__file__).parents[1] / "data" / "composed"
NAMES = [entry["name"] for entry in json.loads((CLIPS / "index.json").read_text())]


def _audio(name: str) -> npt.NDArray[np.float32]:
    audio, rate = soundfile.read(CLIPS / f"{name}.ogg", dtype="float32")
    assert rate == 32000
    return np.asarray(audio, np.float32)


def _frames_db(audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    blocks = audio[: len(audio) // 640 * 640].reshape(-1, 640).astype(np.float64)
    level: npt.NDArray[np.float64] = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    return level


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_is_what_the_composer_still_writes(name: str) -> None:
    piece = Piece.from_json((CLIPS / f"{name}.json").read_text())
    assert piece == compose(piece.seed, piece.seconds, version=1)
    stored = Annotations.load(CLIPS / f"{name}.npz")
    np.testing.assert_array_equal(stored.concepts, annotate(piece).concepts)
    assert _audio(name).shape == (round(piece.seconds * 32000),)


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_is_loud_enough_and_never_silent_or_clipped(name: str) -> None:
    audio = _audio(name)
    assert np.abs(audio).max() < 1.0
    assert -24 < 10 * np.log10(np.mean(audio**2)) < -12
    level = _frames_db(audio)
    assert np.mean(level < -50) < 0.05


def test_the_clips_differ_in_what_plays() -> None:
    playing = [
        frozenset(np.flatnonzero(Annotations.load(CLIPS / f"{n}.npz").concepts[:, :4].any(0))) for n in NAMES
    ]
    assert len(set(playing)) > 1
    drums = [Annotations.load(CLIPS / f"{n}.npz").of("drums").mean() for n in NAMES]
    assert min(drums) == 0.0
    assert max(drums) > 0.9


def test_energy_rises_where_the_annotations_put_a_hit() -> None:
    rises, others = [], []
    for name in NAMES:
        truth, level = Annotations.load(CLIPS / f"{name}.npz"), _frames_db(_audio(name))
        hit = (truth.of("hit:kick") | truth.of("hit:snare"))[: len(level)]
        onsets = np.flatnonzero(hit[1:] & ~hit[:-1]) + 1
        onsets = onsets[(onsets > 2) & (onsets < len(level) - 2)]
        rise = np.array([level[t : t + 2].max() - level[t - 2 : t].mean() for t in range(2, len(level) - 2)])
        rises += list(rise[onsets - 2])
        others += list(rise[~hit[2:-2]])
    assert np.mean(rises) > np.mean(others) + 2.0


def test_the_clips_stay_small() -> None:
    assert sum(path.stat().st_size for path in CLIPS.iterdir() if path.is_file()) < 600_000
