"""Ways to make a slider: the effect map, blends, files of directions, and the harness that compares them."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from drawbar.audio_analysis.kept_of_twin import AXES, beat_f_measure, curves_of, kept, pitch_agreement
from drawbar.bank import Push
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.naturalness import unnatural
from drawbar.evidence.experiment.trials import Pair
from drawbar.evidence.methods.compare import Question, Score, against, score, step_amount, table_rows, winners
from drawbar.evidence.methods.effect_map import fit_map, near
from drawbar.evidence.methods.effect_table import EffectTable
from drawbar.evidence.methods.material import kin
from drawbar.evidence.methods.method import Steer, method_of_file
from drawbar.evidence.methods.owned_axes import owned_axes
from drawbar.evidence.methods.play import KEPT, SURPRISE, Played
from drawbar.evidence.statistics.responses import Floats

D, MEASURES = 16, ("detector:drums", "detector:bass", "detector:chords", "descriptor:loudness_db")
GUARDS = ("ce_0", "loudness_db", "silent_share", "clipped_share", "repetition", "finite")
PAIRS = tuple(Pair(f"prompt {n % 4}", n) for n in range(8))
TRUTH: Floats = np.random.default_rng(5).standard_normal((D, len(MEASURES)))


def unit(seed: int) -> Floats:
    drawn = np.random.default_rng(seed).standard_normal(D)
    found: Floats = drawn / np.linalg.norm(drawn)
    return found


def table(rows: int = 120, noise: float = 0.3) -> EffectTable:
    rng = np.random.default_rng(0)
    vectors = np.stack([unit(n) for n in range(rows)])
    effects = vectors @ TRUTH - 0.2 + noise * rng.standard_normal((rows, len(MEASURES)))
    return EffectTable(
        1,
        10.0,
        tuple(f"1/{n}+" for n in range(rows)),
        vectors,
        effects,
        np.full(effects.shape, noise),
        MEASURES,
    )


def test_the_map_predicts_directions_that_it_has_not_seen_and_a_shuffled_one_does_not() -> None:
    fitted = fit_map(table())
    assert np.median(fitted.skill) > 0.8
    assert np.median(np.abs(fit_map(table(), shuffled=1).skill)) < 0.4
    told, error = fitted.predict(unit(999)[None])[0], fitted.error(unit(999))
    assert np.abs(told - (unit(999) @ TRUTH - 0.2)).max() < 6 * error.max()


def test_a_solution_moves_the_target_more_and_the_rest_less_than_where_it_started() -> None:
    fitted = fit_map(table())
    start = max((unit(n) for n in range(40)), key=lambda v: float(v @ TRUTH[:, 0]))
    others = np.array([False, True, True, True])
    found = fitted.solve(0, start, others, nearness=0.5)
    assert found @ start >= 0.5 - 1e-9
    assert np.linalg.norm(found) == pytest.approx(1.0)

    def worth(vector: Floats) -> float:
        effect = vector @ TRUTH
        return float(effect[0] / (1 + np.abs(effect[1:]).mean()))

    assert worth(found) > worth(start)


def test_the_trust_region_is_an_arc_around_the_start() -> None:
    a, b = np.eye(D)[0], np.eye(D)[1]
    assert near(b, a, 0.8) @ a == pytest.approx(0.8)
    np.testing.assert_array_equal(near(a, a, 0.8), a)


def test_a_table_of_few_directions_is_refused() -> None:
    with pytest.raises(BadInputError, match="at least 20"):
        fit_map(table(10))


def played(effect: Floats, amounts: tuple[float, ...], *, surprise: float = 0.0, seed: int = 0) -> Played:
    """Clips of a slider that moves measures so per amount, in takes of spread 1."""
    rng = np.random.default_rng(seed)
    first = np.random.default_rng(1).standard_normal((8, len(MEASURES)))
    rows = []
    for amount in amounts:
        judged = first + amount * effect + 0.2 * rng.standard_normal(first.shape)
        guards = np.tile([4.0, -20.0, 0.0, 0.0, 0.1, 1.0], (8, 1))
        alike = np.tile([0.9, 0.5, 0.7, 0.8], (8, 1)) if amount else np.ones((8, 4))
        odd = surprise * abs(amount) + 0.01 * rng.standard_normal((8, 1))
        rows.append(np.concatenate([judged, guards, alike, odd], 1))
    names = (*MEASURES, *GUARDS, *KEPT, SURPRISE)
    return Played(names, PAIRS, amounts, np.stack(rows).astype(np.float32))


def asked(natural: float = 0.1) -> Question:
    return Question("drums", 0, np.array([False, True, True, True]), np.ones(4), natural)


def scored(name: str, effect: list[float], surprise: float = 0.0) -> Score:
    twins = played(np.zeros(4), (0.0,))
    return score(
        name,
        played(np.array(effect), (-1.0, 0.5, 1.0, 2.0), surprise=surprise),
        twins,
        asked(),
        MEASURES,
        GUARDS,
    )


def test_the_cleaner_method_wins_and_stands_beside_the_baseline() -> None:
    clean = scored("clean", [2.0, 0.1, 0.1, 0.0])
    scores = against([clean, scored("difference in means", [2.0, 2.0, -2.0, 1.0])], "difference in means")
    assert winners(scores)["drums"].method == "clean"
    assert scores[0].effect is not None
    assert scores[0].baseline is not None
    assert scores[0].effect > scores[0].baseline
    assert clean.specificity is not None
    assert clean.specificity.at_least(3)
    assert clean.anti_steerable == 0.0
    assert step_amount(clean, 1.0) == pytest.approx(0.5, rel=0.2)
    assert clean.harmed_axis == "melody"  # a drums slider owns the rhythm
    assert table_rows(scores)[0][0] == "clean"


def test_what_moves_it_the_wrong_way_wins_nothing() -> None:
    wrong = scored("wrong", [-1.0, 0.0, 0.0, 0.0])
    assert winners([wrong]) == {}
    assert wrong.anti_steerable == 1.0
    with pytest.raises(BadInputError, match="does not raise"):
        step_amount(wrong, 1.0)


def test_a_slider_ends_where_clips_are_no_longer_natural() -> None:
    assert scored("odd", [1.0, 0.0, 0.0, 0.0], surprise=0.08).usable[1] == 1.0
    assert scored("fine", [1.0, 0.0, 0.0, 0.0], surprise=0.01).usable[1] == 2.0
    assert unnatural(np.full(8, 0.5) + 0.01 * np.arange(8), np.zeros(8), 0.3)
    assert not unnatural(np.random.default_rng(0).standard_normal(8), np.zeros(8), 0.3)


class _Spec:
    name, n_layers, d_model = "tiny", 2, D


def test_somebody_elses_directions_come_from_a_file_or_a_function(tmp_path: Path) -> None:
    rows = {"drums@1": unit(0).astype(np.float32), "drums@0": 2 * unit(1).astype(np.float32)}
    save_file(rows, tmp_path / "theirs.safetensors")
    method = method_of_file(tmp_path / "theirs.safetensors", ["drums", "bass"], _Spec())  # type: ignore[arg-type]
    assert [push.layer for push in method.steers["drums"].pushes] == [0, 1]  # the stronger first
    assert "bass" not in method.steers
    (tmp_path / "theirs.py").write_text(
        "import numpy as np\n\ndef directions(concepts):\n    return {c: [(1, np.ones(16))] for c in concepts}\n"
    )
    method = method_of_file(tmp_path / "theirs.py", ["drums"], _Spec())  # type: ignore[arg-type]
    assert method.steers["drums"].pushes[0].layer == 1
    save_file({"drums": np.ones(16, np.float32)}, tmp_path / "bad.safetensors")
    with pytest.raises(BadInputError, match="CONCEPT@LAYER"):
        method_of_file(tmp_path / "bad.safetensors", ["drums"], _Spec())  # type: ignore[arg-type]
    save_file({"drums@7": np.ones(16, np.float32)}, tmp_path / "deep.safetensors")
    with pytest.raises(BadInputError, match="2 layers"):
        method_of_file(tmp_path / "deep.safetensors", ["drums"], _Spec())  # type: ignore[arg-type]


def test_a_steer_is_pushes_or_words() -> None:
    with pytest.raises(BadInputError):
        Steer()
    assert Steer(words="with drums").prompt("piano", 1.0) == "piano with drums"
    assert Steer(words="with drums").prompt("piano", -1.0) == "piano"
    half = Steer((Push(0, np.ones(D, np.float32)),)).scaled(0.5)
    assert half.pushes[0].vector[0] == 0.5


def test_what_is_kept_of_a_twin_is_all_of_itself_and_less_of_another() -> None:
    rate = 16_000
    time = np.arange(4 * rate) / rate
    clicks = (np.arange(len(time)) % (rate // 2) < 200) * np.random.default_rng(0).standard_normal(len(time))

    def clip(notes: list[float], beat: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        sung = np.concatenate([np.sin(2 * np.pi * hz * time[:rate]) for hz in notes])
        found: np.ndarray[tuple[int], np.dtype[np.float32]] = (0.2 * sung + beat * clicks).astype(np.float32)
        return found

    one, other = (
        curves_of(clip([220, 262, 330, 440], 0.3), rate),
        curves_of(clip([233, 392, 311, 247], 0.3), rate),
    )
    assert kept(one, one) == pytest.approx(np.ones(4), abs=1e-5)
    share = dict(zip(AXES, kept(other, one), strict=True))
    assert share["harmony"] < 0.5
    assert share["melody"] < 0.3
    assert share["rhythm"] > 0.9


def test_beats_and_pitches_are_compared_within_their_tolerance() -> None:
    beats = np.arange(0.5, 4, 0.5)
    assert beat_f_measure(beats + 0.05, beats) == 1.0
    assert beat_f_measure(beats[::2], beats) == pytest.approx(2 * 4 / 11)
    assert np.isnan(beat_f_measure(beats, np.zeros(0)))
    theirs = np.array([220, 220, 0, 440], np.float32)
    assert pitch_agreement(np.array([221, 440, 100, 0], np.float32), theirs) == pytest.approx(1 / 3)


def test_each_concept_says_which_axes_it_owns() -> None:
    assert owned_axes("drums:jazz") == ("rhythm",)
    assert owned_axes("chords:piano") == ()
    assert owned_axes("taiko drums") == ("rhythm",)
    assert owned_axes("key:a") == ("harmony", "melody", "structure")


def test_kinds_of_the_target_are_no_side_effects() -> None:
    assert kin("detector:drums:jazz", "detector:drums")
    assert kin("detector:drums", "detector:drums:jazz")
    assert not kin("detector:drums:jazz", "detector:drums:rock")
    assert not kin("detector:bass", "detector:drums")
