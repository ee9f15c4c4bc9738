"""The gate looks at sign and size of every criterion; what is missing is an error, not a pass."""

from copy import deepcopy
from typing import Any

import pytest

from drawbar.errors import ControlError
from drawbar.research.horizon.controls import CONTROLS
from drawbar.research.horizon.gate import acts, audible, foresees, passed, verdict


def _feature(**changes: Any) -> dict[str, Any]:
    margin = {"value": 0.1, "low": 0.04, "high": 0.16, "p": 0.001}
    feature: dict[str, Any] = {
        "id": "2/14",
        "margins": {"controls": {name: {"held": dict(margin)} for name in CONTROLS}},
        "long_over_local": {"value": 0.08, "low": 0.02, "high": 0.14},
        "rises_before_events": True,
    }
    return feature | changes


def _played(ablate: float = -0.1, up: float = 0.1, p: float = 0.01) -> dict[str, Any]:
    return {
        "controls": {"random features": {"ablate": [1]}, "local feature": {"ablate": 1}, "bypass": {"x": 1}},
        "effects": {
            way: {"value": value, "low": value - 0.05, "high": value + 0.05}
            for way, value in (("ablate", ablate), ("scale up", up))
        },
        "selectivity": {way: {"p": p, "p_against": 1 - p} for way in ("ablate", "scale up")},
    }


def test_a_feature_that_does_everything_passes() -> None:
    assert passed(foresees(_feature(), least_margin=0.02))
    assert passed(acts(_feature(), _played(), alpha=0.05))
    assert audible([{"silent": True}, {"silent": False}]).passed


@pytest.mark.parametrize("name", CONTROLS)
def test_each_control_must_be_beaten_and_must_be_there(name: str) -> None:
    weak = deepcopy(_feature())
    weak["margins"]["controls"][name]["held"] = {"value": 0.1, "low": -0.01, "high": 0.2, "p": 0.1}
    assert not passed(foresees(weak, least_margin=0.02))
    worse = deepcopy(_feature())
    worse["margins"]["controls"][name]["held"] = {"value": -0.1, "low": -0.2, "high": -0.05, "p": 1.0}
    assert not passed(foresees(worse, least_margin=0.02))
    small = deepcopy(_feature())
    small["margins"]["controls"][name]["held"] = {"value": 0.01, "low": 0.005, "high": 0.02, "p": 0.001}
    assert not passed(foresees(small, least_margin=0.02))
    gone = deepcopy(_feature())
    del gone["margins"]["controls"][name]
    with pytest.raises(ControlError, match=name):
        foresees(gone, least_margin=0.02)


def test_it_must_know_more_of_far_than_of_near() -> None:
    same = _feature(long_over_local={"value": 0.01, "low": -0.03, "high": 0.05})
    assert not passed(foresees(same, least_margin=0.02))


def test_an_effect_in_the_wrong_sense_is_none() -> None:
    assert not passed(acts(_feature(), _played(ablate=0.1, up=-0.1), alpha=0.05))
    falls = _feature(
        rises_before_events=False
    )  # silent before returns: taking it away should make them likelier
    assert not passed(acts(falls, _played(p=0.99), alpha=0.05))
    assert passed(acts(falls, _played(ablate=0.1, up=-0.1, p=0.99), alpha=0.05))


def test_an_effect_that_random_features_have_too_is_not_selective() -> None:
    criteria = acts(_feature(), _played(p=0.3), alpha=0.05)
    assert [criterion.passed for criterion in criteria] == [True, False]


def test_a_feature_that_nobody_acted_on_has_not_acted() -> None:
    assert not passed(acts(_feature(), None, alpha=0.05))


@pytest.mark.parametrize("control", ["random features", "local feature", "bypass"])
def test_an_intervention_without_its_controls_is_an_error(control: str) -> None:
    played = _played()
    played["controls"][control] = {}
    with pytest.raises(ControlError, match=control):
        acts(_feature(), played, alpha=0.05)


def test_silence_cannot_be_listened_to() -> None:
    assert not audible([{"silent": True}]).passed
    assert not audible([]).passed
    assert not passed([])


def test_the_verdict_may_be_no_evidence_and_then_says_what_could_have_been_seen() -> None:
    none = verdict([{"id": "2/14", "foresees": False, "passed": False}], 0.083)
    assert none["verdict"] == "no evidence"
    assert "0.08" in none["text"]
    assert (
        verdict([{"id": "2/14", "foresees": True, "passed": False}], 0.1)["verdict"]
        == "foresight without effect"
    )
    assert verdict([{"id": "2/14", "foresees": True, "passed": True}], 0.1)["candidates"] == ["2/14"]
