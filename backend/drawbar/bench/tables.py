"""Synthetic features of many banks in a Parquet table -> how long a search over all of them takes.

The same kinds of query as for one bank; the first answer to each reads from disk what the second finds in the system's
cache, and both are told.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drawbar.bank.search import Filters
from drawbar.bank.tables import FeatureTables, TableWriter
from drawbar.bank.tables.columns import schema
from drawbar.bank.tensors import Array
from drawbar.files.json_object import JsonObject

if TYPE_CHECKING:
    import pyarrow as pa

_HOW = [
    "warm",
    "cold",
    "bright",
    "dark",
    "slow",
    "fast",
    "detuned",
    "hollow",
    "distorted",
    "muted",
    "plucked",
    "bowed",
    "breathy",
    "metallic",
    "wooden",
]
_WHAT = [
    "piano",
    "guitar",
    "bass",
    "drums",
    "taiko",
    "bell",
    "choir",
    "strings",
    "organ",
    "flute",
    "trumpet",
    "synth",
    "pad",
    "lead",
    "kick",
    "snare",
    "hat",
    "harp",
]
_PER_BANK = 500_000
_VERDICTS = ("untested", "weak", "proven")
_UNNAMED = 0.3  # share of features

QUERIES: tuple[tuple[str, Filters], ...] = (
    ("", {}),
    ("dru", {}),
    ("warm pia", {}),
    ("t", {}),
    ("taiko drums", {"layer": 7}),
    ("bell", {"shelf": "proven"}),
    ("", {"shelf": "unnamed"}),
    ("3/1", {}),
    ("choir", {"min_density": 0.5, "sort": "strength"}),
    ("", {"sort": "density"}),
    ("zzz", {}),
)


def write(folder: Path, rows: int, seed: int = 0) -> None:
    """A table of so many rows, bank after bank."""
    with TableWriter(folder) as writer:
        for first in range(0, rows, _PER_BANK):
            count = min(_PER_BANK, rows - first)
            writer.add(_bank(f"bank-{first // _PER_BANK}", count, np.random.default_rng(seed + first)))


def _bank(name: str, n: int, draw: np.random.Generator) -> "pa.Table":
    import pyarrow as pa

    def chosen(codes: Array, values: tuple[str, ...]) -> "pa.Array":
        return pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(values)).dictionary_decode()

    def lists(lengths: Array, values: "pa.Array") -> "pa.Array":
        return pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), values)

    named = draw.random(n) >= _UNNAMED
    how, what = draw.integers(0, len(_HOW), n), draw.integers(0, len(_WHAT), n)
    labels = ("", *(f"{a} {b}" for a in _HOW for b in _WHAT))
    label = chosen(np.where(named, 1 + how * len(_WHAT) + what, 0), labels)
    words = np.stack([how, len(_HOW) + what], 1)[named].reshape(-1)
    place = np.arange(n)
    columns = {
        "bank": chosen(np.zeros(n, np.int32), (name,)),
        "layer": (place % 48).astype(np.int32),
        "index": (place // 48).astype(np.int32),
        "label": label,
        "author": chosen(named.astype(np.int32), ("", "descriptors")),
        "score": np.where(named, draw.random(n), np.nan),
        "density": draw.random(n) ** 4,
        "p99": draw.random(n) * 30,
        "verdict": chosen(draw.choice(3, n, p=[0.9, 0.08, 0.02]), _VERDICTS),
        "proof": np.full(n, np.nan),
        "consistency": draw.random(n),
        "tags": lists(np.zeros(n, np.int64), pa.array([], pa.string())),
        "authors": lists(
            named.astype(np.int64), chosen(np.zeros(int(named.sum()), np.int32), ("descriptors",))
        ),
        "words": lists(2 * named.astype(np.int64), chosen(words, (*_HOW, *_WHAT))),
        "alike": place,
    }
    return pa.table(columns, schema=schema())


def measure(folder: Path, *, limit: int = 100, again: int = 5) -> Iterator[JsonObject]:
    """A row for each query: matches, first answer, and the median of the next ones."""
    tables = FeatureTables(folder)
    for text, filters in QUERIES:
        times = []
        for _ in range(1 + again):
            started = time.perf_counter()
            total = len(tables.search(text, limit=limit, **filters))
            times.append(1000 * (time.perf_counter() - started))
        found = tables.count(text, **filters)
        yield {
            "query": " ".join([repr(text), *(f"{name}={value}" for name, value in filters.items())]),
            "matches": found,
            "rows": total,
            "first_ms": round(times[0], 1),
            "next_ms": round(float(np.median(times[1:])), 1),
        }


def run(rows: int = 10_000_000, folder: Path | None = None) -> JsonObject:
    """Write a table (or take the one that is there) and search it."""
    with tempfile.TemporaryDirectory(prefix="drawbar-tables-") as temporary:
        place = folder or Path(temporary)
        started = time.perf_counter()
        if not (place / "table.json").is_file():
            write(place, rows)
        written = time.perf_counter() - started
        size = sum(path.stat().st_size for path in place.iterdir())
        measured = list(measure(place))
    return {
        "features": rows,
        "written_s": round(written, 1),
        "megabytes": round(size / 1e6, 1),
        "rows": measured,
    }
