"""Composed corpora on disk: complete, resumable, honest about what they are (no soundfont needed)."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from drawbar.corpus import (
    Annotations,
    Piece,
    Renderer,
    compose,
    dataset,
    prompt_for,
    read_manifest,
    split_of,
    write_corpus,
)
from drawbar.errors import BadInputError, CancelledError


@pytest.fixture
def font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the soundfont: every piece is a sine at its key."""

    def sine(piece: Piece, _soundfont: Path) -> npt.NDArray[np.float32]:
        times = np.arange(round(piece.seconds * 32000)) / 32000
        tone: npt.NDArray[np.float32] = (0.3 * np.sin(2 * np.pi * (220 + 20 * piece.key) * times)).astype(
            np.float32
        )
        return tone

    monkeypatch.setattr(dataset, "render_audio", sine)
    monkeypatch.setattr(Renderer, "of", lambda _soundfont: None)
    path = tmp_path / "FluidR3_GM.sf2"
    path.write_bytes(b"font")
    return path


def test_a_corpus_holds_audio_pieces_annotations_and_a_manifest(tmp_path: Path, font: Path) -> None:
    seen: list[tuple[int, int]] = []
    rows = write_corpus(
        tmp_path / "c", pieces=3, seconds=2.0, seed=10, soundfont=font, progress=lambda *at: seen.append(at)
    )
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert read_manifest(tmp_path / "c") == rows
    assert [row.seed for row in rows] == [10, 11, 12]
    for row in rows:
        piece = Piece.from_json((tmp_path / "c" / row.piece).read_text())
        assert piece == compose(row.seed, 2.0)
        assert row.prompt == prompt_for(piece)
        assert Annotations.load(tmp_path / "c" / row.annotations).concepts.shape[0] == 100
        assert soundfile.info(tmp_path / "c" / row.audio).frames == 64000
        assert "MIT" in row.licence
    assert not list((tmp_path / "c").rglob("*.part"))


def test_a_stopped_run_goes_on_where_it_stopped(tmp_path: Path, font: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        write_corpus(tmp_path / "c", pieces=4, seconds=1.0, soundfont=font, progress=stop)
    with pytest.raises(BadInputError, match="no finished corpus"):
        read_manifest(tmp_path / "c")
    kept = tmp_path / "c/audio/0000000.flac"
    before = kept.stat().st_mtime_ns
    write_corpus(tmp_path / "c", pieces=4, seconds=1.0, soundfont=font)
    assert kept.stat().st_mtime_ns == before
    write_corpus(tmp_path / "whole", pieces=4, seconds=1.0, soundfont=font)
    for path in sorted((tmp_path / "whole").rglob("*.*")):
        again = tmp_path / "c" / path.relative_to(tmp_path / "whole")
        if path.suffix == ".npz":  # a zip keeps the time of writing
            assert (Annotations.load(path).concepts == Annotations.load(again).concepts).all()
        else:
            assert path.read_bytes() == again.read_bytes()


def test_a_corpus_can_grow_but_not_change(tmp_path: Path, font: Path) -> None:
    write_corpus(tmp_path / "c", pieces=1, seconds=1.0, soundfont=font)
    assert len(write_corpus(tmp_path / "c", pieces=2, seconds=1.0, soundfont=font)) == 2
    with pytest.raises(BadInputError, match="another corpus"):
        write_corpus(tmp_path / "c", pieces=2, seconds=2.0, soundfont=font)


@pytest.mark.parametrize(
    ("pieces", "seconds", "seed"), [(0, 5.0, 0), (-3, 5.0, 0), (2_000_000, 5.0, 0), (1, 0.1, 0), (1, 5.0, -1)]
)
def test_impossible_numbers_are_refused_before_anything_is_written(
    tmp_path: Path, font: Path, pieces: int, seconds: float, seed: int
) -> None:
    with pytest.raises(BadInputError, match="cannot be composed"):
        write_corpus(tmp_path / "c", pieces=pieces, seconds=seconds, seed=seed, soundfont=font)
    assert not (tmp_path / "c").exists()


def test_without_a_soundfont_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="fluid-soundfont-gm"):
        write_corpus(tmp_path / "c", pieces=1, soundfont=tmp_path / "none.sf2")
    assert not (tmp_path / "c").exists()


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"id": 1}) + "\n")
    with pytest.raises(BadInputError, match="damaged"):
        read_manifest(tmp_path)


def test_a_seed_belongs_to_one_split_for_ever() -> None:
    splits = [split_of(seed) for seed in range(200)]
    assert splits.count("train") == 180
    assert splits.count("valid") == splits.count("test") == 10
