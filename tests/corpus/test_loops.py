"""Composer version 2: phrases return as the very same samples, everything stands on frames, truth fits the notes."""

import hashlib

import numpy as np
import pytest

from drawbar.corpus import DEFAULT_SOUNDFONT, Piece, compose, render_audio
from drawbar.corpus.composer.chord_names import chord_name
from drawbar.corpus.composer.loops import PHRASE_BARS, PHRASE_FRAMES, TEMPI
from drawbar.errors import BadInputError

# Changes when the music changes: the embedded model is trained on exactly these pieces.
GOLDEN = "132e67bcb1f2b2c9167549551b626d73934ea34a2ca9a35da146bfc1124ac778"


@pytest.fixture(scope="module")
def pieces() -> list[Piece]:
    return [compose(seed, 30.0, version=2) for seed in range(80)]


def test_a_phrase_lasts_as_long_at_every_tempo() -> None:
    for tempo_bpm, bars in PHRASE_BARS.items():
        assert bars * 4 * 60 * 50 / tempo_bpm == PHRASE_FRAMES


def test_the_same_seed_gives_the_same_piece_on_every_platform() -> None:
    digest = hashlib.sha256()
    for seed in (0, 7, 123, 99_999):
        digest.update(compose(seed, 20.0, version=2).to_json().encode())
    assert digest.hexdigest() == GOLDEN


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(BadInputError, match="version 3"):
        compose(1, 10.0, version=3)


def test_every_note_starts_and_ends_on_a_frame_inside_the_piece(pieces: list[Piece]) -> None:
    for piece in pieces:
        for note in piece.notes:
            for at_s in (note.start_s, note.start_s + note.duration_s):
                assert at_s * 50 == pytest.approx(round(at_s * 50), abs=1e-3)
            assert 0 <= note.start_s < note.start_s + note.duration_s <= piece.seconds + 1e-6


def test_every_tempo_mode_and_form_comes_up(pieces: list[Piece]) -> None:
    assert {piece.tempo_bpm for piece in pieces} == set(TEMPI)
    assert {bool(piece.loop) for piece in pieces} == {True, False}
    assert {piece.mode for piece in pieces} == {"major", "minor"}
    assert len({roles for piece in pieces for roles in (section.roles for section in piece.sections)}) > 8


def test_the_loop_names_the_chords_of_the_first_phrase(pieces: list[Piece]) -> None:
    for piece in pieces:
        first = [chord_name(c.root, c.quality) for c in piece.chords[: len(piece.loop)]]
        assert tuple(first) == piece.loop


def test_a_role_plays_only_in_sections_that_have_it(pieces: list[Piece]) -> None:
    for piece in pieces:
        for section in piece.sections:
            heard = {n.part for n in piece.notes if section.start_s <= n.start_s < section.end_s - 1e-6}
            assert heard <= set(section.roles)


def notes_of(piece: Piece, phrase: int) -> list[tuple[int, int, int]]:
    """Frame in the phrase, pitch and velocity of every note that starts in it."""
    length = PHRASE_FRAMES
    return [
        (round(n.start_s * 50) % length, n.pitch, n.velocity)
        for n in piece.notes
        if round(n.start_s * 50) // length == phrase
    ]


@pytest.mark.skipif(not DEFAULT_SOUNDFONT.is_file(), reason="the General MIDI soundfont is not installed")
def test_a_phrase_returns_as_the_very_same_samples() -> None:
    piece = next(
        p for p in (compose(s, 24.0, version=2) for s in range(400))
        if p.loop and p.tempo_bpm == 125.0 and notes_of(p, 0) == notes_of(p, 1) == notes_of(p, 2)
    )  # fmt: skip
    audio, length = render_audio(piece), PHRASE_FRAMES * 640
    second, third = audio[length : 2 * length], audio[2 * length : 3 * length]
    tail = 32_000  # what rings over from the phrase before
    assert np.abs(second[tail:] - third[tail:]).max() < 1e-3
