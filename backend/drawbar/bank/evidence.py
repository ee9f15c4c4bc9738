"""Verdicts, cards and every trial behind them -> rows of the bank; and back, for a report.

A trial is one clip: what was added (condition), the prompt and the seed (pair), the block that it was generated in,
and what judges and guards measured, in half precision. Knows nothing of how any of it was measured.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from drawbar.bank.database import Database
from drawbar.bank.records import Floats
from drawbar.bank.writing import number_of, to_json
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping

CONCEPTS = "concept_sliders"
"""The document that tells of concept sliders; it stays when the features' evidence is written anew."""
_VERDICTS = ("proven", "weak", "not shown", "harmful", "untested")


@dataclass(frozen=True)
class FeatureEvidence:
    """What is known of one slider. Raises BadInputError for a verdict that does not exist."""

    feature: str
    verdict: str
    proof: float | None = None
    """Sorts within a verdict, higher first."""
    usable_range: tuple[float, float] | None = None
    card: JsonMapping | None = None

    def __post_init__(self) -> None:
        if self.verdict not in _VERDICTS:
            raise BadInputError(
                f"verdict {self.verdict!r} of {self.feature}: use one of {', '.join(_VERDICTS)}"
            )


@dataclass(frozen=True)
class Trial:
    """One clip and what was measured on it."""

    stage: str
    kind: str
    id: str
    layer: int
    amount: float
    prompt: str
    seed: int
    block: int
    batch: int
    """Clips that were generated together with it: rounding may depend on that."""
    values: Floats
    """``[M]``, in the order of the document ``measures``."""


@dataclass(frozen=True)
class Evidence:
    """What ``drawbar prove`` hands to a bank."""

    features: tuple[FeatureEvidence, ...]
    documents: JsonMapping
    """``summary``, ``preregistration``, ``selection``, ``measures``: JSON values."""
    trials: Iterable[Trial]


def write_evidence(database: Database, evidence: Evidence) -> None:
    """Put evidence in place of what was there; features that it does not name become untested."""
    for table in ("trial", "trial_condition", "trial_pair"):
        database.run(f"DELETE FROM {table}")
    database.run("DELETE FROM evidence WHERE name <> ?", (CONCEPTS,))
    database.run(
        "UPDATE feature SET verdict = 'untested', proof = NULL, usable_low = NULL, usable_high = NULL, "
        "evidence = NULL"
    )
    database.run_many(
        "UPDATE feature SET verdict = ?, proof = ?, usable_low = ?, usable_high = ?, evidence = ? WHERE n = ?",
        [
            (
                one.verdict,
                one.proof,
                *(one.usable_range or (None, None)),
                None if one.card is None else to_json(f"card of {one.feature}", dict(one.card)),
                number_of(database, one.feature),
            )
            for one in evidence.features
        ],
    )
    database.run_many(
        "INSERT INTO evidence (name, value) VALUES (?, ?)",
        [(name, to_json(name, value)) for name, value in sorted(evidence.documents.items())],
    )
    _write_trials(database, evidence.trials)


def _write_trials(database: Database, trials: Iterable[Trial]) -> None:
    conditions: dict[tuple[object, ...], int] = {}
    pairs: dict[tuple[object, ...], int] = {}
    rows = []
    for one in trials:
        condition = conditions.setdefault(
            (one.stage, one.kind, one.id, one.layer, one.amount), len(conditions) + 1
        )
        pair = pairs.setdefault((one.prompt, one.seed), len(pairs) + 1)
        values = np.asarray(one.values, "<f2").tobytes()
        rows.append((condition, pair, one.block, one.batch, values))
    database.run_many(
        "INSERT INTO trial_condition (n, stage, kind, id, layer, amount) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, *key) for key, number in conditions.items()],
    )
    database.run_many(
        "INSERT INTO trial_pair (n, prompt, seed) VALUES (?, ?, ?)",
        [(number, *key) for key, number in pairs.items()],
    )
    database.run_many(
        'INSERT INTO trial (condition, pair, block, batch, "values") VALUES (?, ?, ?, ?, ?)', rows
    )


def write_document(database: Database, name: str, value: object) -> None:
    """One JSON document in place of the one of that name."""
    database.run("INSERT OR REPLACE INTO evidence (name, value) VALUES (?, ?)", (name, to_json(name, value)))


def read_document(database: Database, name: str) -> Any:
    """One JSON document of the evidence; None where there is none."""
    text = database.value("SELECT value FROM evidence WHERE name = ?", (name,))
    return None if text is None else json.loads(text)


def read_trials(database: Database, *, kind: str | None = None, id: str | None = None) -> list[Trial]:
    """Trials in the order in which they were planned, all or those of one kind and source."""
    where, given = [], []
    for column, value in (("kind", kind), ("id", id)):
        if value is not None:
            where.append(f"c.{column} = ?")
            given.append(value)
    rows = database.rows(
        'SELECT c.stage, c.kind, c.id, c.layer, c.amount, p.prompt, p.seed, t.block, t.batch, t."values" '
        "FROM trial t JOIN trial_condition c ON c.n = t.condition JOIN trial_pair p ON p.n = t.pair "
        f"{'WHERE ' + ' AND '.join(where) if where else ''} ORDER BY t.condition, t.pair",
        given,
    )
    return [
        Trial(
            stage,
            source,
            name,
            layer,
            amount,
            prompt,
            seed,
            block,
            batch,
            np.frombuffer(values, "<f2").astype("f4"),
        )
        for stage, source, name, layer, amount, prompt, seed, block, batch, values in rows
    ]
