"""The evidence card in the window: read exactly, said plainly, and what it does not know is not made up."""

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from drawbar_desktop.state.evidence import BASELINE, RANDOM, Card, caveats, marks_of, read_card, sentences
from tests.desktop.fakes import CARD


@pytest.fixture
def card() -> Card:
    return read_card(CARD)


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(CARD) | changes


def test_a_card_is_read_whole(card: Card) -> None:
    assert [dose.amount for dose in card.doses] == [-2, -1, -0.5, 0.5, 1, 2]
    assert (card.judge, card.measure, card.label_judged, card.side) == (
        "detector",
        "detector:drums",
        True,
        "up",
    )
    assert set(card.controls) == {RANDOM, BASELINE, "wrong layer"}
    assert card.controls[RANDOM][0].low == pytest.approx(-0.6)
    assert card.side_effects[0] == ("descriptor:centroid_hz", -0.4)
    assert card.up.usable == 1.5
    assert card.down.seeds_needed == 31
    assert card.broken == {2.0}
    assert card.preservation == (1.4, 1.1)
    assert card.second is not None
    assert card.second.agrees


def test_nothing_another_version_and_damage_are_told_apart() -> None:
    assert read_card(None).empty
    newer = read_card({"format": 9, "doses": "?"})
    assert newer.notes == ("Its evidence has format 9, which this version does not read.",)
    assert "damaged" in read_card({"format": 1, "judge": "drums detector"}).notes[0]
    assert "damaged" in read_card(changed(doses="none")).notes[0]


def test_what_is_null_is_unknown_not_zero() -> None:
    known = read_card(
        changed(
            slope=None,
            interval=[None, 1.0],
            second_judge=None,
            doses=[
                {"amount": 1, "effect": None, "low": None, "high": None},
                {"amount": 2, "effect": 0.5, "low": None, "high": None},
            ],
            auc={"effect_preservation": 1.0, "difference_in_means": None},
        )
    )
    assert known.slope is None
    assert known.interval is None
    assert known.second is None
    assert known.preservation is None
    assert [(d.amount, d.low, d.high) for d in known.doses] == [(2.0, 0.5, 0.5)]


def test_a_mark_stands_only_where_an_effect_is_shown_before_the_sound_breaks(card: Card) -> None:
    assert marks_of(card, "proven") == (0.76,)
    assert marks_of(card, "not shown") == ()
    assert marks_of(replace(card, up=replace(card.up, noticeable=1.6)), "proven") == ()
    down = replace(card.down, noticeable=0.5)
    assert marks_of(replace(card, down=down), "weak") == (0.76,)
    assert marks_of(replace(card, down=replace(down, p=0.01)), "weak") == (-0.5, 0.76)


def test_a_sentence_says_what_is_proven_and_what_is_not(card: Card) -> None:
    said = sentences(card, "proven", "drums")
    assert said[0] == (
        "Proven: turned up, what the detector hears of drums rises by 1.3 sd per 1 (0.94 to 1.7), "
        "further than with random directions of its size (q 0.021)."
    )
    assert "Turned down it is not shown to do anything (q 0.44)." in said
    broken = sentences(replace(card, down=replace(card.down, usable=0.0)), "proven", "drums")
    assert "Turned down it costs quality at every amount tested, so nothing is shown there." in broken
    assert "A second judge (descriptor) agrees." in said
    assert said[-1] == "For the same loss of the rest it moves more than a difference of means."
    other = sentences(read_card(changed(label_judged=False)), "proven", "warm pads")
    assert any("warm pads" in text and "not put to a judge" in text for text in other)
    unnamed = sentences(read_card(changed(label_judged=False)), "proven", "")
    assert not any("The label" in text for text in unnamed)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("weak", "Weak: turned up, "),
        ("not shown", "Not shown: tested, but what the detector hears of drums moves no further"),
        ("harmful", "Harmful: the sound breaks (cross-entropy at +2) before an effect comes."),
        ("untested", "Untested: nobody has measured"),
    ],
)
def test_every_verdict_has_its_sentence(card: Card, verdict: str, words: str) -> None:
    assert sentences(card, verdict, "drums")[0].startswith(words)


def test_what_was_only_screened_is_not_called_untested() -> None:
    assert sentences(Card(), "not shown", "x")[0].startswith("Not shown: a first short test")
    assert sentences(Card(), "untested", "x")[0].startswith("Untested")
    assert sentences(Card(), "proven", "x") == ["Proven, says the bank, but it holds no dose-response."]


def test_own_directions_have_their_own_caveat() -> None:
    row = SimpleNamespace(id="mine/grit", verdict="untested", label_score=0.6)
    feature: Any = SimpleNamespace(row=row, usable_range=None, labels=[], density=0.0, temporal={})
    found = caveats(feature, Card())
    assert "Made from your examples: untested beyond telling them apart." in found
    assert not any("when it fires" in text for text in found)
