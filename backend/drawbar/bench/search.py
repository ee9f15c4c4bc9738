"""A synthetic bank of many features -> how long one keystroke in the search box takes to give rows."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from drawbar.bank import Bank, FeatureRow, Query
from drawbar.bench.synthetic import synthetic_bank
from drawbar.files.json_object import JsonObject

TARGET_MS = {100_000: 50.0, 1_000_000: 100.0}
"""p95 of a keystroke for banks up to so many features."""

_TYPED = (
    *(
        "drums",
        "taiko drums",
        "detuned bell",
        "walking bass ",
        "piano chords in a minor",
        "café",
        "808",
        "c# maj",
    ),
    *(
        "slow synth pad",
        "distorted guitar solo",
        "percussion",
        "truth",
        "bright",
        "string ens",
        "3/14",
        "zzz",
    ),
    *("beeps and boops", "hi-hat", "lo-fi electric", "drum and bass", "m", "s", "a", "harmony texture"),
)


_HOSTILE = (
    *(
        '"',
        "'",
        '"drums',
        "drums AND",
        "NEAR(a b)",
        "a* OR *",
        "-drums",
        "label:drums",
        "^bass",
        "a + b",
        "(((",
        "%_",
    ),
    *(
        "\0\x1b[31m",
        "🥁🎻",
        "👩‍🎤 solo",
        "\ud800",
        "ﬀ ﷺ",
        "'; DROP TABLE feature; --",
        "{}[]<>|&;$",
        "c# d♯ e♭",
    ),
    *("drums " * 1700, '"' * 10_000, "x" * 10_000, "ä" * 10_000, "1/2 " * 2500, "🥁" * 2500),
)
"""Text that must give rows or none, but never an error; the last six are 10 kB long."""


def _keystrokes() -> Iterator[str]:
    for text in _TYPED:
        yield from (text[:end] for end in range(1, len(text) + 1))


class _Times(NamedTuple):
    """Milliseconds of each call: on the clock, and of this process alone (other work takes nothing from it)."""

    wall: list[float]
    cpu: list[float]


def _times_ms(bank: Bank, queries: list[Query], limit: int) -> _Times:
    """Each query as a keystroke: the count of matches and the first ``limit`` rows."""
    times = _Times([], [])
    for query in queries:
        start, used = time.perf_counter(), time.process_time()
        bank.find(query, limit=limit)
        times.wall.append(1000 * (time.perf_counter() - start))
        times.cpu.append(1000 * (time.process_time() - used))
    return times


def _scan(bank: Bank, word: str) -> tuple[int, list[FeatureRow]]:
    """The naive twin: every row read and compared, as a list without an index would."""
    rows = bank.search(limit=bank.count())
    found = [row for row in rows if any(w.startswith(word) for w in row.label.casefold().split())]
    return len(found), found[:100]


def _row(name: str, times: _Times) -> JsonObject:
    p50, p95, p99 = (float(np.percentile(times.wall, q)) for q in (50, 95, 99))
    row = {"what": name, "n": len(times.wall), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
    return row | {"max_ms": max(times.wall), "cpu_p95_ms": float(np.percentile(times.cpu, 95))}


def _one(name: str, call: Callable[[], object]) -> JsonObject:
    start, used = time.perf_counter(), time.process_time()
    call()
    wall, cpu = time.perf_counter() - start, time.process_time() - used
    return _row(name, _Times([1000 * wall], [1000 * cpu]))


def _measure(bank: Bank, limit: int) -> list[JsonObject]:
    """Fresh caches for every kind; within one kind the words typed before are remembered, as in life."""
    kinds: list[tuple[str, Callable[[str], Query]]] = [
        ("keystroke", Query),
        ("keystroke, layer and density filter", lambda text: Query(text, layer=3, min_density=0.001)),
        ("keystroke, labeller filter", lambda text: Query(text, author="truth")),
        ("keystroke, by label", lambda text: Query(text, sort="label")),
        ("keystroke, by density", lambda text: Query(text, sort="density")),
        ("keystroke, proven", lambda text: Query(text, shelf="proven")),
    ]
    rows = []
    for name, query in kinds:
        with Bank.open(bank.folder, edits=bank.folder / "edits") as fresh:
            fresh.find(query(""), limit=limit)
            rows.append(_row(name, _times_ms(fresh, [query(text) for text in _keystrokes()], limit)))
    return rows


def _peak_mb() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1024)


def run(features: int = 100_000, limit: int = 100, seed: int = 0) -> JsonObject:
    """Build the bank, type 24 searches letter by letter -> ``rows`` for the table, and the target.

    ``rows``: what, n, p50_ms, p95_ms, p99_ms, max_ms, cpu_p95_ms. Also the sizes and how long the building took.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bank"
        start = time.perf_counter()
        layers = (1, 3, 5)
        synthetic_bank(
            path, features=features, layers=layers, examples=0, directions=False, seed=seed
        ).close()
        built_s = time.perf_counter() - start
        size = sum(file.stat().st_size for file in path.iterdir())
        with Bank.open(path, edits=path / "edits") as bank:
            rows = [_one("open and first page", lambda: bank.find(Query(), limit=limit))]
            if features <= 200_000:
                rows += [_one("the same, naive: read all rows and compare", lambda: _scan(bank, "dru"))]
            judged = _measure(bank, limit)
            hostile = _times_ms(bank, [Query(text) for text in _HOSTILE], limit)
            judged += [_row("quotes, operators, emoji, 10 kB of text", hostile)]
            rows += judged
            rows += [
                _one("a page far down", lambda: bank.find(Query("s"), limit=limit, offset=features // 10))
            ]
            rows += [_one("did you mean", lambda: bank.nearest("detunde bel"))]
            rows += [_one("filters with counts", bank.facets)]
    target = min((ms for n, ms in TARGET_MS.items() if features <= n), default=None)
    return {
        "name": "search",
        "features": features,
        "rows": rows,
        "target_p95_ms": target,
        "reached": target is None or all(row["p95_ms"] <= target for row in judged),
        "bank_mb": size / 1e6,
        "built_s": built_s,
        "peak_memory_mb": _peak_mb(),
    }
