"""Two reviewers' decisions -> how far they agree beyond chance, and the rows on which everybody agrees.

Cohen's kappa (1960) with the large-sample standard error of Fleiss, Cohen and Everitt (1969). It knows nothing
of files.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from drawbar.errors import BadInputError
from drawbar.research.horizon.annotations import Annotation


@dataclass(frozen=True)
class Agreement:
    """Two reviewers on the pairs that both have decided."""

    pairs: int
    same: int
    kappa: float
    """1 = the same throughout, 0 = as by chance; NaN when both always gave one and the same answer."""
    standard_error: float
    table: Mapping[tuple[str, str], int]
    """(first's answer, second's answer) -> how often."""


def answer_of(row: Annotation) -> str:
    """What a reviewer said: yes, no, ambiguous or reject."""
    if row.status == "verified":
        return "no" if row.event_type == "none" else "yes"
    return {"ambiguous": "ambiguous", "rejected": "reject"}[row.status]


def agreement_of(first: Mapping[str, Annotation], second: Mapping[str, Annotation]) -> Agreement:
    """Compare two reviewers' decisions, by id. Raises BadInputError when they share no pair."""
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise BadInputError("the two reviewers have no pair in common; let both work through the same queue")
    answers = [(answer_of(first[id]), answer_of(second[id])) for id in shared]
    n = len(answers)
    table = Counter(answers)
    rows, columns = Counter(a for a, _ in answers), Counter(b for _, b in answers)
    names = sorted(rows.keys() | columns.keys())
    p = {(a, b): table[a, b] / n for a in names for b in names}
    observed = sum(p[a, a] for a in names)
    chance = sum(rows[a] * columns[a] for a in names) / n**2
    if chance >= 1:
        return Agreement(n, n, math.nan, math.nan, dict(table))
    kappa = (observed - chance) / (1 - chance)
    row, column = {a: rows[a] / n for a in names}, {a: columns[a] / n for a in names}
    diagonal = sum(p[a, a] * (1 - (column[a] + row[a]) * (1 - kappa)) ** 2 for a in names)
    rest = (1 - kappa) ** 2 * sum(p[a, b] * (column[a] + row[b]) ** 2 for a in names for b in names if a != b)
    variance = (diagonal + rest - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
    return Agreement(n, round(observed * n), kappa, math.sqrt(max(0.0, variance)), dict(table))


def settled(decisions: Sequence[Mapping[str, Annotation]]) -> tuple[list[Annotation], list[str]]:
    """Rows that every reviewer who decided them verified alike -> (those rows, ids of the disputed).

    One ambiguous or rejected answer, or a yes against a no, leaves the pair out. Where people differ only in how the
    motif returns, it counts as varied.
    """
    rows: list[Annotation] = []
    disputed: list[str] = []
    for id in sorted({id for each in decisions for id in each}):
        said = [each[id] for each in decisions if id in each]
        answers = {answer_of(row) for row in said}
        if answers in ({"yes"}, {"no"}):
            alike = len({row.event_type for row in said}) == 1
            rows.append(said[0] if alike else replace(said[0], event_type="varied"))
        elif len(answers) > 1:
            disputed.append(id)
    return rows, disputed
