from dataclasses import replace

from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.verdicts import Outcome, SideOutcome, judge

HOW = StatisticsSettings()
NOTHING = SideOutcome(p=0.6, q=0.9, any_p=0.5, noticeable=None, contradicted=False, beyond=False)
PASSES = SideOutcome(p=0.005, q=0.01, any_p=0.01, noticeable=0.5, contradicted=False, beyond=False)


def _verdict(up: SideOutcome, down: SideOutcome = NOTHING, judged: bool = True, usable: bool = True) -> str:
    return judge(Outcome(True, judged, usable, (up, down)), HOW).name


def test_one_side_that_passes_among_all_is_enough() -> None:
    assert _verdict(PASSES) == "proven"
    assert _verdict(NOTHING, PASSES) == "proven"


def test_a_second_judge_that_says_the_opposite_is_heard() -> None:
    against = replace(PASSES, contradicted=True)
    found = judge(Outcome(True, True, True, (against, NOTHING)), HOW)
    assert found.name == "weak"
    assert "second judge" in found.why
    assert _verdict(against, PASSES) == "proven"  # the other side stands by itself


def test_passing_alone_is_weak() -> None:
    found = judge(Outcome(True, True, True, (replace(PASSES, q=0.2), NOTHING)), HOW)
    assert (found.name, found.why) == ("weak", "passes alone, not among all candidates")


def test_moving_something_else_is_weak_and_says_so() -> None:
    other = replace(NOTHING, any_p=0.01)
    found = judge(Outcome(True, True, True, (other, NOTHING)), HOW)
    assert (found.name, found.why) == ("weak", "moves something else than its label says")


def test_an_effect_only_where_quality_is_gone_is_harmful() -> None:
    late = replace(NOTHING, beyond=True)
    assert _verdict(late) == "harmful"
    assert _verdict(late, usable=False) == "harmful"
    assert _verdict(late, PASSES) == "proven"
    assert _verdict(late, replace(PASSES, q=0.2)) == "weak"  # the other side has a noticeable effect inside
    assert _verdict(replace(late, p=0.02, noticeable=None)) == "harmful"


def test_the_rest_is_not_shown_with_its_reason() -> None:
    assert judge(Outcome(True, True, True, (NOTHING, NOTHING)), HOW).why == "no more than random directions"
    assert judge(Outcome(True, True, False, (NOTHING, NOTHING)), HOW).why == "no dose keeps the quality"
    found = judge(Outcome(False, False, False, ()), HOW)
    assert found.name == "not shown"
    assert "not confirmed" in found.why
