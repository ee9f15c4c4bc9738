import json
from dataclasses import replace

import numpy as np
import pytest

from drawbar.errors import BadInputError, ControlError
from drawbar.evidence.statistics.analysis import Study, analyse
from drawbar.evidence.statistics.concept_tests import ConceptTest
from drawbar.evidence.statistics.controls import Control, Slider
from drawbar.evidence.statistics.responses import Responses
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.synthetic_studies import SyntheticSettings, guard_responses, synthetic_study
from drawbar.evidence.statistics.verdict_cards import Finding

HOW = StatisticsSettings(draws=100)
WORLD = SyntheticSettings(sliders=6, directions=240, judged=1.0, affected=0.5, effect=2.5)


def _study(world: SyntheticSettings = WORLD, seed: int = 0) -> Study:
    return synthetic_study(world, seed)[0]


def _changed(study: Study, place: int, slider: Slider) -> Study:
    sliders = (*study.sliders[:place], slider, *study.sliders[place + 1 :])
    return replace(study, sliders=sliders)


def _with_control(study: Study, kind: str, **changes: object) -> Study:
    slider = study.sliders[0]
    control: Control = replace(slider.controls[kind], **changes)  # type: ignore[arg-type]
    return _changed(study, 0, replace(slider, controls={**slider.controls, kind: control}))


def _card(finding: Finding) -> dict[str, object]:
    assert finding.card is not None
    return finding.card


def test_real_effects_are_proven_and_nothing_else() -> None:
    study, real = synthetic_study(WORLD, 0)
    found = analyse(study, HOW)
    assert {f.id for f in found.findings if f.verdict.name == "proven"} == set(real)
    assert found.summary["proven"] == 3
    assert found.summary["candidates"] == 6
    slope = _card(found.findings[0])["slope"]
    assert isinstance(slope, float)
    assert slope == pytest.approx(2.5, rel=0.4)  # per amount, in standard deviations of noisy takes
    assert found.findings[0].usable == (-2.0, 2.0)
    assert found.findings[0].proof is not None
    assert found.findings[0].proof > 1


def test_the_card_and_the_summary_are_plain_json_with_the_agreed_fields() -> None:
    found = analyse(_study(), HOW)
    card = json.loads(json.dumps(_card(found.findings[0]), allow_nan=False))
    assert card["format"] == 1
    assert card["judge"] == "detector"
    assert [dose["amount"] for dose in card["doses"]] == [-2, -1, -0.5, 0.5, 1, 2]
    assert set(card["up"]) >= {
        *("slope", "interval", "p", "q", "usable", "noticeable", "saturation", "seeds_needed"),
    }
    assert set(card["controls"]) == {
        *("random directions", "inactive feature", "wrong layer", "pass-through", "difference in means"),
    }
    crowd = card["controls"]["random directions"]["doses"]
    assert all(dose["low"] <= dose["effect"] <= dose["high"] for dose in crowd)
    assert card["measure"] not in card["side_effects"]
    assert card["p"] == card[card["side"]]["p"]
    assert {"effect_preservation", "difference_in_means", "up", "down", "matched"} == set(card["auc"])
    summary = json.loads(json.dumps(found.summary, allow_nan=False))
    assert summary["proven"] + summary["weak"] + summary["not_shown"] + summary["harmful"] == 6
    assert summary["resolution"] == {"smallest_p": pytest.approx(1 / 241), "tests": 12, "needed_together": 1}


def test_the_same_study_gives_the_same_answer() -> None:
    first, again = analyse(_study(), HOW), analyse(_study(), HOW)
    assert first.summary == again.summary
    assert [f.card for f in first.findings] == [f.card for f in again.findings]


def test_who_was_not_confirmed_counts_with_p_1() -> None:
    """The denominator never shrinks: with many more candidates the same p is no longer enough."""
    study = _study()
    absent = tuple(Slider(f"1/{n}", 0, 1.0, f"absent {n}") for n in range(200))
    found = analyse(replace(study, sliders=(*study.sliders, *absent)), HOW)
    assert found.summary["candidates"] == 206
    assert found.summary["confirmed"] == 6
    assert found.summary["resolution"]["needed_together"] == 35
    assert found.summary["proven"] == 0
    assert found.findings[0].verdict.name == "weak"
    assert found.findings[-1].verdict.name == "not shown"
    assert found.findings[-1].card is None


def test_an_unlabelled_slider_is_judged_by_whatever_moved_most() -> None:
    world = replace(WORLD, judged=0.0)
    study = _study(world)
    finding = analyse(study, HOW).findings[0]
    card = _card(finding)
    assert finding.verdict.name == "proven"
    assert card["label_judged"] is False
    assert card["measure"] == "detector:m0"
    assert "difference in means" not in card["controls"]  # type: ignore[operator]


def test_who_wrote_the_label_never_judges() -> None:
    study = _study()
    slider = study.sliders[0]
    with pytest.raises(BadInputError, match="belongs to who labelled it"):
        analyse(_changed(study, 0, replace(slider, barred=frozenset({"detector"}))), HOW)
    silent = replace(slider, target=None, barred=frozenset({"detector"}))
    finding = analyse(_changed(study, 0, silent), HOW).findings[0]
    assert finding.verdict.name == "not shown"
    assert not finding.some_measure


def test_a_read_back_proves_nothing() -> None:
    study = _study(replace(WORLD, judged=0.0))
    names = ("readback:0/0", *study.sliders[0].responses.measures[1:])  # type: ignore[union-attr]

    def renamed(responses: Responses | None) -> Responses | None:
        return None if responses is None else replace(responses, measures=names)

    sliders = tuple(
        replace(
            s,
            responses=renamed(s.responses),
            controls={
                k: replace(c, responses=replace(c.responses, measures=names)) for k, c in s.controls.items()
            },
        )
        for s in study.sliders
    )
    pools = {0: replace(study.pools[0], measures=names)}
    finding = analyse(replace(study, sliders=sliders, pools=pools), HOW).findings[0]
    assert _card(finding)["measure"] != "readback:0/0"
    assert "readback:0/0" not in _card(finding)["side_effects"]  # type: ignore[operator]


def test_a_slider_that_breaks_before_it_has_an_effect_is_harmful() -> None:
    study = _study()
    slider = study.sliders[0]
    responses = slider.responses
    assert responses is not None
    guards = guard_responses(responses.prompts, responses.seeds, responses.amounts, breaks=0.5)
    finding = analyse(_changed(study, 0, replace(slider, guards=guards)), HOW).findings[0]
    assert finding.verdict.name == "harmful"
    assert finding.usable == (0.0, 0.0)
    assert _card(finding)["p"] == 1.0


def test_only_usable_doses_count() -> None:
    study = _study()
    slider = study.sliders[0]
    responses = slider.responses
    assert responses is not None
    wild = {a: v + (1000 if abs(a) == 2 else 0) for a, v in responses.doses.items()}
    guards = guard_responses(responses.prompts, responses.seeds, responses.amounts, breaks=2.0)
    tame = analyse(_changed(study, 0, replace(slider, guards=guards)), HOW).findings[0]
    other = replace(slider, guards=guards, responses=replace(responses, doses=wild))
    found = analyse(_changed(study, 0, other), HOW).findings[0]
    assert _card(found)["slope"] == _card(tame)["slope"]
    assert _card(found)["p"] == _card(tame)["p"]


def test_doses_beyond_the_pool_are_not_compared_and_that_is_said() -> None:
    study = _study()
    pool = study.pools[0]
    short = replace(pool, norms=pool.norms[:2], values=pool.values[:, :2])
    finding = analyse(replace(study, pools={0: short}), HOW).findings[1]  # scale 1: amount 2 is norm 2
    assert any("stronger than the random pool at +2, -2" in note for note in _card(finding)["notes"])  # type: ignore[attr-defined]


def test_a_control_that_is_missing_is_an_error() -> None:
    study = _study()
    for kind in study.sliders[0].controls:
        left = {k: c for k, c in study.sliders[0].controls.items() if k != kind}
        with pytest.raises(ControlError, match=f"no control '{kind}'"):
            analyse(_changed(study, 0, replace(study.sliders[0], controls=left)), HOW)


def test_a_control_that_is_the_slider_itself_is_an_error() -> None:
    study = _study()
    with pytest.raises(ControlError, match="is the slider itself"):
        analyse(_with_control(study, "inactive feature", digest=study.sliders[0].digest), HOW)
    with pytest.raises(ControlError, match="take another layer"):
        analyse(_with_control(study, "wrong layer", layer=0), HOW)
    same_direction = _with_control(study, "wrong layer", digest=study.sliders[0].digest)
    analyse(same_direction, HOW)  # the same direction elsewhere is what that control is


def test_a_control_of_another_norm_is_an_error() -> None:
    study = _study()
    with pytest.raises(ControlError, match="play both at the same norm"):
        analyse(_with_control(study, "wrong layer", scale=2.0), HOW)
    with pytest.raises(ControlError, match="at no norm"):
        analyse(_with_control(study, "inactive feature", scale=0.01), HOW)
    with pytest.raises(ControlError, match="has no norm"):
        analyse(_with_control(study, "inactive feature", scale=None), HOW)


def test_a_concept_is_proven_by_any_of_its_sliders() -> None:
    study = _study()
    concepts = (
        ConceptTest("zero", "detector:m0", ("0/5", "0/0"), 0.99, 0.95),
        ConceptTest("seven", "detector:m7", ("0/1", "0/5"), 0.96, 0.91),
        ConceptTest("nobody", "detector:m6", (), 0.96, 0.91),
    )
    found = analyse(replace(study, concepts=concepts), HOW).summary
    rows = {row["concept"]: row for row in found["concept_rows"]}
    assert found["concepts"] == 3
    assert found["concepts_proven"] == 1
    assert rows["zero"]["proven"] is True
    assert rows["zero"]["slider"] == "0/0"
    assert rows["zero"]["q"] < 0.05
    assert rows["seven"]["proven"] is False
    assert rows["nobody"]["slider"] is None
    with pytest.raises(BadInputError, match="9/9"):
        analyse(replace(study, concepts=(ConceptTest("x", "detector:m0", ("9/9",), 1, 1),)), HOW)


def test_a_second_judge_that_says_the_opposite_turns_proven_into_weak() -> None:
    study = _study()
    slider = study.sliders[0]
    responses = slider.responses
    assert responses is not None
    doses = {a: v - 4 * a * np.eye(8)[7] for a, v in responses.doses.items()}
    against = replace(slider, second="detector:m7", responses=replace(responses, doses=doses))
    found = analyse(_changed(study, 0, against), HOW)
    assert found.findings[0].verdict.name == "weak"
    assert found.findings[0].second is not None
    assert found.findings[0].second["contradicts"] is True
    assert found.summary["judges_agreement"] == {"compared": 1, "agree": 0, "contradict": 1}


def test_held_out_random_directions_are_counted_like_candidates() -> None:
    study = _study()
    held = synthetic_study(replace(WORLD, affected=0.0, judged=0.0), 0)[0].sliders
    found = analyse(replace(study, held_out=tuple(replace(s, controls={}) for s in held)), HOW).summary
    assert found["null"]["directions"] == 6
    assert found["null"]["proven"] == round(found["null"]["rate"] * 6)


def test_a_study_that_makes_no_sense_is_refused() -> None:
    study = _study()
    with pytest.raises(BadInputError, match="nothing to compare"):
        analyse(replace(study, sliders=()), HOW)
    with pytest.raises(BadInputError, match="comes twice"):
        analyse(replace(study, sliders=(*study.sliders, study.sliders[0])), HOW)
    elsewhere = replace(study.sliders[0], layer=3)
    with pytest.raises(BadInputError, match="layer 3 has no pool"):
        analyse(_changed(study, 0, elsewhere), StatisticsSettings(controls=()))


def test_takes_that_are_not_finite_are_left_out_and_end_the_range() -> None:
    study = _study()
    slider = study.sliders[0]
    responses, guards, pool = slider.responses, slider.guards, study.pools[0]
    assert responses is not None
    assert guards is not None
    doses = {a: v.copy() for a, v in responses.doses.items()}
    doses[2.0][3] = np.nan
    doses[-2.0][:] = np.nan
    felt = {a: v.copy() for a, v in guards.doses.items()}
    felt[2.0][3, -1] = felt[-2.0][:, -1] = 0.0
    values = pool.values.copy()
    values[5, 2] = np.nan
    values[7] = np.nan
    values[:, 2, :, 4] = np.nan  # a measure that could not be taken of any direction at the highest norm
    broken = replace(slider, responses=replace(responses, doses=doses), guards=replace(guards, doses=felt))
    changed = replace(_changed(study, 0, broken), pools={0: replace(pool, values=values)})
    finding = analyse(changed, HOW).findings[0]
    card = json.loads(json.dumps(_card(finding), allow_nan=False))
    assert finding.usable == (-1.0, 1.0)
    assert card["doses"][0]["effect"] is None
    assert card["guards"][-1]["broken"] == ["not finite"]
    assert finding.verdict.name == "proven"
