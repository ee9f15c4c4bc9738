"""A bank's tables and safetensors files -> rows, feature pages, vectors and examples."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.database import Database, Row
from drawbar.bank.edits import HIDDEN, STARRED, UserEdits
from drawbar.bank.listing import PROVEN
from drawbar.bank.records import Example, Feature, FeatureRow, Histogram, Label, Quantiles, parse_id
from drawbar.bank.tensors import TensorReader
from drawbar.bank.words import clean_text
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject

PEOPLE = "people"
"""The method of labels that persons gave."""

_ROW = """
SELECT l.rank, f.layer, f.idx, l.label, l.author, l.score, f.density, f.p99, f.verdict, f.tags,
       f.consistency
FROM listing l JOIN feature f ON f.n = l.feature
"""
_PAGE = """
SELECT n, density, clip_density, p50, p90, p99, p999, usable_low, usable_high,
       histogram, correlations, neighbours, coactive, duplicates, temporal, evidence
FROM feature WHERE layer = ? AND idx = ?
"""
_EXAMPLE = """
SELECT c.name, c.licence, c.first_row, c.frames, c.start_frame, e.bin, e.first_row, e.peak
FROM example e JOIN clip c ON c.n = e.clip WHERE e.feature = ? AND (? IS NULL OR e.bin = ?) ORDER BY e.n
"""


def read_rows(database: Database, edits: UserEdits, places: Sequence[int]) -> list[FeatureRow]:
    """The browser's rows at the given places, in the given order."""
    ranks = [int(place) + 1 for place in places]
    found: dict[int, FeatureRow] = {}
    for first in range(0, len(ranks), 500):
        part = ranks[first : first + 500]
        sql = f"{_ROW} WHERE l.rank IN ({','.join('?' * len(part))})"
        found |= {row[0]: _row(edits, row[1:]) for row in database.rows(sql, part)}
    return [found[rank] for rank in ranks]


def _row(edits: UserEdits, values: Row) -> FeatureRow:
    layer, index, label, author, score, density, p99, verdict, tags, consistency = values
    feature = f"{layer}/{index}"
    if feature in edits.labels:
        (label, author), score = edits.labels[feature][0], None
    label, author = clean_text(label), clean_text(author)
    return FeatureRow(
        id=feature,
        layer=layer,
        index=index,
        label=label,
        label_author=author,
        label_score=score,
        density=density,
        p99=p99,
        shelf=PROVEN if verdict == PROVEN else "named" if label else "unnamed",
        starred=feature in edits.marks[STARRED],
        verdict=clean_text(verdict),
        tags=tuple(map(clean_text, json.loads(tags))),
        consistency=consistency,
    )


def read_labels(database: Database, edits: UserEdits, feature: str, number: int) -> list[Label]:
    """Every label of a feature: the user's, other people's, then by score."""
    own = [Label(text, author, PEOPLE) for text, author in edits.labels.get(feature, [])]
    sql = """SELECT text, author, method, score, evidence FROM label WHERE feature = ?
             ORDER BY method = 'people' DESC, author = 'truth' DESC, score DESC, n"""
    rows = database.rows(sql, (number,))
    return own + [
        Label(clean_text(text), clean_text(author), clean_text(method), score, json.loads(e))
        for text, author, method, score, e in rows
    ]


def read_feature(database: Database, edits: UserEdits, row: FeatureRow) -> Feature:
    """All that the bank knows about one feature."""
    values = database.row(_PAGE, (row.layer, row.index))
    if values is None:
        raise BadInputError(f"the bank has no feature {row.id}")
    number, density, clip_density, p50, p90, p99, p999, low, high, *texts = values
    parsed: list[Any] = [None if text is None else json.loads(text) for text in texts]
    histogram, correlations, neighbours, coactive, duplicates, temporal, evidence = parsed
    return Feature(
        row=row,
        labels=read_labels(database, edits, row.id, number),
        quantiles=Quantiles(p50, p90, p99, p999),
        density=density,
        clip_density=clip_density,
        histogram=Histogram(tuple(histogram.get("edges", ())), tuple(histogram.get("counts", ()))),
        correlations=correlations,
        neighbours=[(other, cosine) for other, cosine in neighbours],
        temporal=temporal,
        usable_range=None if low is None or high is None else (low, high),
        evidence=evidence,
        coactive=tuple((other, r) for other, r in coactive),
        duplicates=tuple((other, r) for other, r in duplicates),
        hidden=row.id in edits.marks[HIDDEN],
        shelves=tuple(sorted(name for name, ids in edits.shelves.items() if row.id in ids)),
    )


def read_vectors(reader: TensorReader, ids: Sequence[str]) -> JsonObject:
    """The SAE rows of ``ids``, in that order, float32; ``b_dec`` is {layer: [D]}. Raises BadInputError."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for position, feature in enumerate(ids):
        layer, index = parse_id(feature)
        wanted.setdefault(layer, []).append((position, index))
    found: dict[str, list[tuple[int, NDArray[np.float32]]]] = {}
    names = ("W_dec", "W_enc", "b_enc", "scale", "threshold")
    shapes = reader.shapes()
    for layer, pairs in wanted.items():
        known = reader.all(f"{layer}.index") if f"{layer}.index" in shapes else np.zeros(0, np.int64)
        asked = np.array([index for _, index in pairs], np.int64)
        rows = np.searchsorted(known, asked)
        if missing := [i for i, r in zip(asked, rows, strict=True) if r >= len(known) or known[r] != i]:
            raise BadInputError(f"the bank has no direction for feature {layer}/{missing[0]}")
        for name in names:
            values = reader.take(f"{layer}.{name}", rows.tolist()).astype(np.float32)
            found.setdefault(name, []).extend((p, v) for (p, _), v in zip(pairs, values, strict=True))
    d_model = next((shape[1] for name, shape in shapes.items() if name.endswith(".W_dec")), 0)
    vectors: JsonObject = {
        name: np.array([v for _, v in sorted(found.get(name, []), key=lambda pair: pair[0])], np.float32)
        for name in names
    }
    for name in ("W_dec", "W_enc"):
        vectors[name] = vectors[name].reshape(len(ids), d_model)
    return vectors | {"b_dec": {layer: reader.all(f"{layer}.b_dec").astype(np.float32) for layer in wanted}}


def read_examples(
    database: Database, reader: TensorReader, feature: str, wanted_bin: str | None
) -> list[Example]:
    """A feature's examples, in the order in which they were written."""
    number = database.value("SELECT n FROM feature WHERE layer = ? AND idx = ?", parse_id(feature))
    if number is None:
        raise BadInputError(f"the bank has no feature {feature}")
    return [_example(reader, *values) for values in database.rows(_EXAMPLE, (number, wanted_bin, wanted_bin))]


def _example(
    reader: TensorReader,
    clip: str,
    licence: str,
    tokens_at: int,
    frames: int,
    start: int,
    bin_name: str,
    shares_at: int,
    peak: float,
) -> Example:
    kept = reader.slice("activations", shares_at, shares_at + frames)
    shares = kept.astype(np.float32) / (255 if kept.dtype == np.uint8 else 1)  # older banks: float16
    tokens = np.ascontiguousarray(reader.slice("tokens", tokens_at, tokens_at + frames).T)
    return Example(
        tokens,
        start,
        start + frames,
        shares * np.float32(peak),
        bin_name,
        clean_text(clip),
        clean_text(licence),
    )
