"""Pieces and a soundfont -> audio of the right length, level and content (needs the soundfont)."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from drawbar.corpus import DEFAULT_SOUNDFONT, SAMPLE_RATE_HZ, Piece, compose, render_audio
from drawbar.corpus.composer.instruments import DRUM_STYLES
from drawbar.corpus.composer.render import Renderer, level
from drawbar.errors import BadInputError

needs_soundfont = pytest.mark.skipif(
    not DEFAULT_SOUNDFONT.is_file(),
    reason=f"no soundfont at {DEFAULT_SOUNDFONT} (Debian: fluid-soundfont-gm)",
)


def test_a_missing_soundfont_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nothing\.sf2.*fluid-soundfont-gm.*--soundfont"):
        render_audio(compose(1, 2.0), tmp_path / "nothing.sf2")


def test_a_file_that_is_no_soundfont_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("tinysoundfont")
    (tmp_path / "fake.sf2").write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(BadInputError, match="not a soundfont"):
        render_audio(compose(1, 2.0), tmp_path / "fake.sf2")


def test_levelling_meets_its_target_without_clipping() -> None:
    rng = np.random.default_rng(0)
    quiet = (rng.standard_normal(64000) * 0.01).astype(np.float32)
    levelled = level(quiet, -17.0)
    assert abs(10 * np.log10(np.mean(levelled[:60000] ** 2)) + 17.0) < 0.3
    peaky = quiet.copy()
    peaky[::4000] = 1.0
    assert np.abs(level(peaky, -14.5)).max() <= 0.9
    assert not level(np.zeros(3200, np.float32), -17.0).any()


@needs_soundfont
def test_audio_has_the_length_and_level_promised() -> None:
    for seed in range(6):
        piece = compose(seed, 5.5)
        audio = render_audio(piece)
        assert audio.dtype == np.float32
        assert audio.shape == (round(5.5 * SAMPLE_RATE_HZ),)
        assert np.isfinite(audio).all()
        assert 0.1 < np.abs(audio).max() <= 0.9
        loudness = 10 * np.log10(np.mean(audio**2))
        assert -26 < loudness < -12, seed


@needs_soundfont
def test_rendering_twice_gives_the_same_samples() -> None:
    piece = compose(3, 4.0)
    first = render_audio(piece)
    render_audio(compose(8, 2.0))  # another piece in between leaves nothing behind
    np.testing.assert_array_equal(first, render_audio(piece))


@needs_soundfont
def test_every_part_of_every_piece_is_heard() -> None:
    renderer = Renderer.of(DEFAULT_SOUNDFONT)
    for seed in range(12):
        piece = compose(seed, 8.0)
        for part in piece.parts:
            alone = _only(piece, part.role)
            if alone.notes:
                assert np.sqrt(np.mean(renderer.dry(alone) ** 2)) > 1e-3, (seed, part)


@needs_soundfont
def test_every_drum_style_sounds_different() -> None:
    renderer = Renderer.of(DEFAULT_SOUNDFONT)
    base = next(p for p in (compose(s, 4.0) for s in range(99)) if p.part("drums") and p.dynamics == "medium")
    spectra = []
    for style in ("rock", "house", "hip hop", "march"):
        part = dataclasses.replace(base.parts[0], instrument=style, program=DRUM_STYLES[style].program)
        audio = renderer.dry(dataclasses.replace(_only(base, "drums"), parts=(part,)))
        spectrum = np.abs(np.fft.rfft(audio))[:40000].reshape(-1, 400).mean(axis=1)
        spectra.append(spectrum / np.linalg.norm(spectrum))
    for i, one in enumerate(spectra):
        for other in spectra[i + 1 :]:
            assert one @ other < 0.99


def _only(piece: Piece, role: str) -> Piece:
    return dataclasses.replace(
        piece,
        parts=tuple(p for p in piece.parts if p.role == role),
        notes=tuple(n for n in piece.notes if n.part == role),
    )
