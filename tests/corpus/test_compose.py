"""Seeds -> pieces that are repeatable, in range, in key, and true to what they claim about themselves."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import pytest

from drawbar.corpus import Motif, Note, Piece, compose
from drawbar.corpus.composer.harmony import SCALES, chord_pitch_classes
from drawbar.corpus.composer.instruments import BASSES, CHORD_INSTRUMENTS, DRUM_STYLES, LEADS, PATTERNS
from drawbar.errors import BadInputError

# Changes when the music changes: shipped clips, models and banks were made from exactly these pieces.
GOLDEN = "f0a616f87753a74bda88e1847f9eac5f32b369988d6dc7ecb682975f0b92bd2e"


@pytest.fixture(scope="module")
def pieces() -> list[Piece]:
    return [compose(seed, 30.0, version=1) for seed in range(200)]


def _digest() -> str:
    digest = hashlib.sha256()
    for seed in (0, 7, 123, 99_999, 1_000_003):
        digest.update(compose(seed, 20.0, version=1).to_json().encode())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_piece_in_another_process_and_on_every_platform() -> None:
    assert compose(5) == compose(5)
    assert _digest() == GOLDEN
    code = "from drawbar.corpus import compose; print(compose(7, 20.0, version=1).to_json())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == compose(7, 20.0, version=1).to_json()


def test_different_seeds_give_different_pieces(pieces: list[Piece]) -> None:
    assert len({piece.notes for piece in pieces}) == len(pieces)


def test_json_gives_the_same_piece_back(pieces: list[Piece]) -> None:
    for piece in pieces[:20]:
        assert Piece.from_json(piece.to_json()) == piece


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format":1}', '{"format":99}', "null", '{"format":1,"notes":3}']
)
def test_what_is_no_piece_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="not a composed piece"):
        Piece.from_json(text)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.5, 4000.0, float("nan")])
def test_an_impossible_length_is_refused(seconds: float) -> None:
    with pytest.raises(BadInputError, match="1 to 3600"):
        compose(1, seconds)


def test_two_hundred_seeds_use_every_factor(pieces: list[Piece]) -> None:
    assert min(p.tempo_bpm for p in pieces) <= 66
    assert max(p.tempo_bpm for p in pieces) >= 172
    assert all(60 <= p.tempo_bpm <= 180 for p in pieces)
    assert {(p.key, p.mode) for p in pieces} == {(k, m) for k in range(12) for m in ("major", "minor")}
    used = {(part.role, part.instrument) for p in pieces for part in p.parts}
    wanted = {"chords": CHORD_INSTRUMENTS, "lead": LEADS, "bass": BASSES, "drums": DRUM_STYLES}
    assert used == {(role, name) for role, names in wanted.items() for name in names}
    assert {p.pattern for p in pieces} == set(PATTERNS)
    assert {p.swing > 0.5 for p in pieces} == {True, False}
    assert {chord.inversion for p in pieces for chord in p.chords} >= {0, 1, 2}


def test_parts_are_as_common_as_promised_and_come_and_go(pieces: list[Piece]) -> None:
    shares = {
        role: sum(p.part(role) is not None for p in pieces) / 200
        for role in ("drums", "bass", "chords", "lead")
    }
    assert 0.5 < shares["drums"] < 0.72
    assert 0.6 < shares["bass"] < 0.8
    assert 0.75 < shares["chords"] < 0.95
    assert 0.6 < shares["lead"] < 0.8
    assert sum(len({s.roles for s in p.sections}) > 1 for p in pieces) > 100
    assert all(s.roles for p in pieces for s in p.sections)


def test_sections_are_four_to_eight_bars_and_follow_one_another(pieces: list[Piece]) -> None:
    for piece in pieces:
        bar_s = 240 / piece.tempo_bpm
        assert piece.sections[0].start_s == 0
        assert piece.sections[-1].end_s == piece.seconds
        for one, other in zip(piece.sections, piece.sections[1:], strict=False):
            assert one.end_s == other.start_s
            assert round((one.end_s - one.start_s) / bar_s) in (4, 8)


def test_notes_are_playable_and_inside_the_piece(pieces: list[Piece]) -> None:
    for piece in pieces:
        names = {part.name for part in piece.parts}
        assert list(piece.notes) == sorted(piece.notes, key=lambda n: (n.start_s, n.part, n.pitch))
        for note in piece.notes:
            assert note.part in names
            assert 1 <= note.velocity <= 127
            assert 24 <= note.pitch <= 108
            assert note.duration_s > 0
            assert 0 <= note.start_s < note.start_s + note.duration_s <= piece.seconds + 1e-3


def test_a_part_never_strikes_a_pitch_that_it_still_holds(pieces: list[Piece]) -> None:
    for piece in pieces[:60]:
        ends: dict[tuple[str, int], float] = {}
        for note in piece.notes:
            assert note.start_s >= ends.get((note.part, note.pitch), 0.0)
            ends[note.part, note.pitch] = note.start_s + note.duration_s


def test_chords_stay_in_the_key(pieces: list[Piece]) -> None:
    for piece in pieces:
        scale = {(piece.key + step) % 12 for step in SCALES[piece.mode]}
        leading = {(piece.key + 11) % 12} if piece.mode == "minor" else set()
        for chord in piece.chords:
            assert chord_pitch_classes(chord.root, chord.quality) <= scale | leading


def test_the_chord_part_plays_the_chords_it_names_with_the_inversion_it_names() -> None:
    checked = 0
    for seed in range(60):
        piece = compose(seed, 20.0, version=1)
        if piece.pattern != "held":
            continue
        for chord in piece.chords:
            struck = [n.pitch for n in _part(piece, "chords") if abs(n.start_s - chord.start_s) < 0.05]
            if struck:
                tones = chord_pitch_classes(chord.root, chord.quality)
                assert {pitch % 12 for pitch in struck} == tones
                assert (min(struck) - chord.root) % 12 == 0 or chord.inversion > 0
                checked += 1
    assert checked > 50


def test_swing_moves_the_off_beats_and_nothing_else() -> None:
    for seed in range(80):
        piece = compose(seed, 20.0, version=1)
        beats = [n.start_s * piece.tempo_bpm / 60 % 1 for n in _part(piece, "drums")]
        slack = 0.015 * piece.tempo_bpm / 60
        off = [b for b in beats if abs(b - 0.5) < slack]
        if piece.swing > 0.55 + slack:
            assert not off
    straight = [p for p in map(compose, range(40)) if p.swing == 0.5 and p.part("drums")]
    assert straight


def _part(piece: Piece, role: str) -> list[Note]:
    return [n for n in piece.notes if n.part == role]


def _sung(piece: Piece, motif: Motif) -> list[tuple[float, int]]:
    # Notes are moved by at most 12 ms from the beat.
    return [
        (n.start_s - motif.start_s, n.pitch)
        for n in _part(piece, "lead")
        if motif.start_s - 0.015 <= n.start_s < motif.end_s - 0.015
    ]


def _degree(piece: Piece, pitch: int) -> int:
    octave, step = divmod(pitch - piece.key, 12)
    return 7 * octave + SCALES[piece.mode].index(step)


def test_motifs_return_exactly_transposed_or_varied_as_claimed(pieces: list[Piece]) -> None:
    kinds = {"exact": 0, "transposed": 0, "varied": 0}
    for piece in pieces:
        if not piece.motifs:
            continue
        original = _sung(piece, piece.motifs[0])
        assert piece.motifs[0].kind == "original"
        assert len(original) >= 1
        for motif in piece.motifs[1:]:
            again = _sung(piece, motif)
            kinds[motif.kind] += 1
            same_times = len(again) == len(original) and all(
                abs(a - b) < 0.026 for (a, _), (b, _) in zip(again, original, strict=True)
            )
            pitches, before = [p for _, p in again], [p for _, p in original]
            if motif.kind == "exact":
                assert same_times
                assert pitches == before
            elif motif.kind == "transposed":
                assert same_times
                assert motif.steps != 0
                moved = [_degree(piece, p) - motif.steps for p in pitches]
                assert moved == [_degree(piece, p) for p in before]
            else:
                assert not (same_times and pitches == before)
                shared = sum(any(abs(a - b) < 0.026 and p == q for b, q in again) for a, p in original)
                assert shared >= 1
    assert min(kinds.values()) > 10


def test_half_of_the_leads_have_a_motif_that_returns_after_5_to_25_seconds(pieces: list[Piece]) -> None:
    leads = [p for p in pieces if p.part("lead")]
    returning = [p for p in leads if len(p.motifs) > 1]
    assert 0.35 < len(returning) / len(leads) < 0.65
    for piece in returning:
        for one, other in zip(piece.motifs, piece.motifs[1:], strict=False):
            assert 5.0 <= other.start_s - one.start_s <= 25.0
    assert sum(not p.motifs for p in leads) > 0.35 * len(leads)


def test_dynamics_are_in_the_velocities(pieces: list[Piece]) -> None:
    def mean(dynamics: str) -> float:
        found = [n.velocity for p in pieces if p.dynamics == dynamics for n in p.notes if n.part != "drums"]
        return sum(found) / len(found)

    assert mean("soft") + 15 < mean("medium") < mean("loud") - 15
    for piece in pieces:
        notes = _part(piece, "chords")
        if piece.curve == "growing" and len(notes) > 20 and notes[0].start_s < 5 and notes[-1].start_s > 25:
            tenth = len(notes) // 10
            early, late = notes[:tenth], notes[-tenth:]
            assert sum(n.velocity for n in late) / len(late) > sum(n.velocity for n in early) / len(early) + 5


def test_a_piece_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        compose(1).seed = 2  # type: ignore[misc]
