"""Two reviewers -> kappa as published tables have it, and only what everybody verified alike is kept."""

import math
from dataclasses import replace

import pytest

from drawbar.errors import BadInputError
from drawbar.research.horizon.agreement import agreement_of, settled
from drawbar.research.horizon.annotations import Annotation, annotation_id
from drawbar.research.horizon.events import Window

SAID = {
    "yes": ("verified", "exact"),
    "varied": ("verified", "varied"),
    "no": ("verified", "none"),
    "ambiguous": ("ambiguous", "exact"),
    "reject": ("rejected", "exact"),
}


def _rows(answers: list[str], reviewer: str) -> dict[str, Annotation]:
    rows = {}
    for n, answer in enumerate(answers):
        motif, again = Window(n, n + 5), Window(n + 20, n + 25)
        status, kind = SAID[answer]
        name = annotation_id("t", motif, again)
        row = Annotation(name, "t", "CC0-1.0", motif, again, kind)
        rows[name] = replace(row, status=status, reviewer=reviewer, at="2026-01-01T00:00:00+00:00")
    return rows


def test_kappa_of_a_known_table() -> None:
    """Fifty pairs, 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: kappa 0.4 by hand (0.7 observed, 0.5 by chance)."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = agreement_of(_rows(first, "ann"), _rows(second, "bob"))
    assert (found.pairs, found.same) == (50, 35)
    assert found.kappa == pytest.approx(0.4)
    assert found.standard_error == pytest.approx(0.127, abs=0.002)
    assert found.table["no", "yes"] == 10


def test_perfect_agreement_is_one_and_one_answer_throughout_says_nothing() -> None:
    mixed = ["yes", "no", "ambiguous", "reject"]
    assert agreement_of(_rows(mixed, "a"), _rows(mixed, "b")).kappa == pytest.approx(1.0)
    same = agreement_of(_rows(["yes"] * 4, "a"), _rows(["yes"] * 4, "b"))
    assert math.isnan(same.kappa)
    assert same.same == 4


def test_reviewers_without_a_pair_in_common_are_refused() -> None:
    with pytest.raises(BadInputError, match="no pair in common"):
        agreement_of(_rows(["yes"], "a"), {})


def test_only_what_everybody_verified_alike_is_settled_and_doubt_never_raises() -> None:
    first = _rows(["yes", "yes", "no", "ambiguous", "reject", "yes", "yes"], "ann")
    second = _rows(["yes", "no", "no", "yes", "reject", "varied"], "bob")
    rows, disputed = settled([first, second])
    assert sorted(row.event_type for row in rows) == ["exact", "exact", "none", "varied"]
    assert len(disputed) == 2
    assert all(row.event().verified for row in rows)
