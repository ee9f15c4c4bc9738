"""Seed and kind -> a planted motif: where the record says so, the notes are; and what compose writes stays."""

import itertools

import pytest

from drawbar.corpus import Note
from drawbar.corpus.composer.planting import PLANTS, Occurrence, Planted, plant
from drawbar.errors import BadInputError

SEEDS = range(700_000, 700_012)


def _lead(planted: Planted, at: Occurrence) -> list[Note]:
    """The lead's notes of an occurrence; players begin up to 12 ms early."""
    bounds = at.start_s - 0.03, at.end_s - 0.03
    return [n for n in planted.piece.notes if n.part == "lead" and bounds[0] <= n.start_s < bounds[1]]


def _shape(planted: Planted, at: Occurrence) -> list[tuple[float, int]]:
    return [(round(n.start_s - at.start_s, 1), n.pitch) for n in _lead(planted, at)]


def _close(one: list[tuple[float, int]], other: list[tuple[float, int]], semitones: int) -> bool:
    return len(one) == len(other) and all(
        abs(a - b) <= 0.11 and q - p == semitones for (a, p), (b, q) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("kind", ["exact", "transposed"])
def test_an_exact_or_transposed_return_has_the_notes_of_the_original(kind: str) -> None:
    for seed in SEEDS:
        planted = plant(seed, 45.0, kind)
        first, *later = planted.occurrences
        assert first.kind == "original"
        assert later
        for again in later:
            assert again.kind == kind
            assert (again.semitones != 0) == (kind == "transposed")
            assert _close(_shape(planted, first), _shape(planted, again), again.semitones)


def test_a_varied_return_shares_most_notes_but_not_all() -> None:
    for seed in SEEDS:
        planted = plant(seed, 45.0, "varied")
        first, *later = planted.occurrences
        original = _shape(planted, first)
        for again in later:
            heard = _shape(planted, again)
            assert not _close(original, heard, 0)
            kept = sum(any(abs(a - b) <= 0.11 and p == q for b, q in heard) for a, p in original)
            assert kept >= len(original) / 3


def test_returns_begin_eight_to_twenty_five_seconds_after_the_time_before() -> None:
    for seed in SEEDS:
        times = plant(seed, 60.0, "exact").occurrences
        gaps = [b.start_s - a.start_s for a, b in itertools.pairwise(times)]
        assert all(8.0 - 1e-3 <= gap <= 25.0 + 1e-3 for gap in gaps)
        assert all(3.8 <= at.end_s - at.start_s <= 8.1 for at in times)
        assert times[-1].end_s <= 60.0


def test_none_is_heard_once_and_texture_never() -> None:
    for seed in SEEDS:
        assert [o.kind for o in plant(seed, 45.0, "none").occurrences] == ["original"]
        assert plant(seed, 45.0, "texture").occurrences == ()


def test_a_texture_keeps_its_instruments_and_its_chords_from_beginning_to_end() -> None:
    for seed in SEEDS:
        piece = plant(seed, 45.0, "texture").piece
        assert len({section.roles for section in piece.sections}) == 1
        loop_s = 16 * 60 / piece.tempo_bpm
        chords = {round(c.start_s, 2): (c.root, c.quality) for c in piece.chords}
        again = {round(c.start_s + loop_s, 2): (c.root, c.quality) for c in piece.chords}
        shared = chords.keys() & again.keys()
        assert shared
        assert all(chords[at] == again[at] for at in shared)


def test_the_same_seed_gives_the_same_piece_and_every_kind_another() -> None:
    pieces = {kind: plant(700_003, 45.0, kind) for kind in PLANTS}
    assert pieces["exact"] == plant(700_003, 45.0, "exact")
    assert len({p.piece.notes for p in pieces.values()}) == len(PLANTS)


@pytest.mark.parametrize(("seconds", "kind"), [(10.0, "exact"), (float("nan"), "exact"), (45.0, "hidden")])
def test_what_cannot_be_planted_is_refused(seconds: float, kind: str) -> None:
    with pytest.raises(BadInputError):
        plant(1, seconds, kind)
