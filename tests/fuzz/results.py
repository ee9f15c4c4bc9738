"""What became of the inputs of many runs -> one table: kinds by outcomes, in a document between two marks."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from drawbar.errors import BadInputError

BEGIN, END = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"
FINE = ("used", "refused")


def findings(counts: Mapping[str, int]) -> int:
    """How many inputs broke a promise."""
    return sum(number for kind, number in counts.items() if kind not in FINE)


def add(path: Path, name: str, first: int, counts: Mapping[str, int]) -> None:
    """One batch of a kind, from its first seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": name, "first": first, **counts}) + "\n")


def read(path: Path) -> dict[str, Counter[str]]:
    """The counts of every kind, over all runs; a batch that was tried again counts as it came out last."""
    batches: dict[tuple[str, int], dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        batch = json.loads(line)
        batches[batch.pop("kind"), batch.pop("first")] = batch
    kinds: dict[str, Counter[str]] = {}
    for (name, _), counts in batches.items():
        kinds.setdefault(name, Counter()).update(counts)
    return kinds


def table(kinds: Mapping[str, Mapping[str, int]]) -> str:
    """Markdown: one row a kind, one for their sum."""
    total: Counter[str] = Counter()
    rows = ["| kind | inputs | used | refused | findings |", "|---|---:|---:|---:|---|"]
    for name, counts in [*sorted(kinds.items()), ("all", total)]:
        total.update(counts if counts is not total else {})
        found = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()) if kind not in FINE and n)
        rows.append(
            f"| {name} | {sum(counts.values()):,} | {counts.get('used', 0):,} | {counts.get('refused', 0):,} "
            f"| {found or 0} |"
        )
    return "\n".join(rows)


def write_table(document: Path, path: Path) -> None:
    """Put the table of all runs between the marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise BadInputError(f"{document} has no {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n{table(read(path))}\n{END}{after}", encoding="utf-8")
