"""Pieces -> annotations that agree with the notes, frame by frame."""

from pathlib import Path

import numpy as np
import pytest

from drawbar.corpus import CONCEPTS, SCALARS, Annotations, annotate, compose
from drawbar.errors import BadInputError

ROLES = ("drums", "bass", "chords", "lead")


@pytest.mark.parametrize(("seconds", "frames"), [(30.0, 1500), (6.0, 300), (1.01, 51), (12.34, 617)])
def test_there_is_one_row_per_frame_of_20_ms(seconds: float, frames: int) -> None:
    truth = annotate(compose(3, seconds))
    assert truth.concepts.shape == (frames, len(CONCEPTS))
    assert truth.concepts.dtype == np.bool_
    assert set(truth.scalars) == set(SCALARS)
    assert all(v.shape == (frames,) and v.dtype == np.float32 for v in truth.scalars.values())
    assert all(np.isfinite(v).all() for v in truth.scalars.values())


def test_concept_names_are_unique() -> None:
    assert len(set(CONCEPTS)) == len(CONCEPTS)


def test_a_role_is_true_where_its_notes_sound_and_false_far_from_them() -> None:
    for seed in range(25):
        piece = compose(seed, 20.0)
        truth = annotate(piece)
        for role in ROLES:
            column = truth.of(role)
            notes = [n for n in piece.notes if n.part == role]
            near = np.zeros(len(column), bool)
            for note in notes:
                first, last = int(note.start_s * 50), round((note.start_s + note.duration_s) * 50)
                assert column[first : max(first + 1, last)].all()
                near[max(0, first - 60) : last + 60] = True
            assert not column[~near].any()


def test_a_role_is_silent_in_sections_without_it() -> None:
    for seed in range(40):
        piece = compose(seed, 25.0)
        truth = annotate(piece)
        for section in piece.sections:
            middle = slice(round((section.start_s + 1.5) * 50), round((section.end_s - 1.5) * 50))
            for role in set(ROLES) - set(section.roles):
                assert not truth.of(role)[middle].any(), (seed, role, section)


def test_an_instrument_is_true_exactly_where_its_role_is() -> None:
    for seed in range(25):
        piece = compose(seed, 10.0)
        truth = annotate(piece)
        for role in ROLES:
            ours = [name for name in CONCEPTS if name.startswith(f"{role}:")]
            part = piece.part(role)
            for name in ours:
                playing = part is not None and name == f"{role}:{part.instrument}"
                expected = truth.of(role) if playing else np.zeros_like(truth.of(role))
                np.testing.assert_array_equal(truth.of(name), expected)


def test_keys_chords_and_patterns_are_claimed_only_while_heard() -> None:
    for seed in range(25):
        piece = compose(seed, 20.0)
        truth = annotate(piece)
        pitched = truth.of("bass") | truth.of("chords") | truth.of("lead")
        np.testing.assert_array_equal(truth.of("mode:major") | truth.of("mode:minor"), pitched)
        quality = [n for n in CONCEPTS if n.startswith("chord:") and n != "chord:inverted"]
        count = np.sum([truth.of(name) for name in quality], axis=0)
        assert count.max() <= 1
        assert not (truth.of("chord:inverted") & ~truth.of("chords")).any()
        np.testing.assert_array_equal(truth.of(f"pattern:{piece.pattern}"), truth.of("chords"))


def test_opposites_are_never_true_together() -> None:
    for seed in range(40):
        truth = annotate(compose(seed, 10.0))
        for one, other in (
            ("register:high", "register:low"), ("density:busy", "density:sparse"),
            ("tempo:fast", "tempo:slow"), ("dynamics:loud", "dynamics:soft"), ("mode:major", "mode:minor"),
        ):  # fmt: skip
            assert not (truth.of(one) & truth.of(other)).any()


def test_a_motifs_return_is_part_of_the_motif_and_of_the_lead() -> None:
    returns = 0
    for seed in range(60):
        truth = annotate(compose(seed, 30.0))
        assert not (truth.of("motif:return") & ~truth.of("motif")).any()
        assert not (truth.of("motif") & ~truth.of("lead")).any()
        returns += int(truth.of("motif:return").any())
    assert returns > 10


def test_kicks_are_marked_at_their_onset() -> None:
    piece = next(p for p in map(compose, range(50)) if p.part("drums") and p.sections[0].roles[0] == "drums")
    truth = annotate(piece)
    for note in piece.notes:
        if note.part == "drums" and note.pitch == 36:
            assert truth.of("hit:kick")[int(note.start_s * 50)]


def test_scalars_follow_the_notes() -> None:
    busy = [annotate(p) for p in map(compose, range(60)) if p.density == "busy"]
    sparse = [annotate(p) for p in map(compose, range(60)) if p.density == "sparse"]
    dense = [float(a.scalars["note_density_hz"].mean()) for a in busy]
    thin = [float(a.scalars["note_density_hz"].mean()) for a in sparse]
    assert np.mean(dense) > 2 * np.mean(thin)
    piece = compose(2, 10.0)
    assert (annotate(piece).scalars["tempo_bpm"] == piece.tempo_bpm).all()


def test_annotations_survive_the_disk(tmp_path: Path) -> None:
    truth = annotate(compose(4, 5.0))
    truth.save(tmp_path / "a.npz")
    back = Annotations.load(tmp_path / "a.npz")
    assert back.names == truth.names
    np.testing.assert_array_equal(back.concepts, truth.concepts)
    for name in SCALARS:
        np.testing.assert_array_equal(back.scalars[name], truth.scalars[name])


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_damaged_annotations_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(BadInputError, match="holds no annotations"):
        Annotations.load(tmp_path / "a.npz")
