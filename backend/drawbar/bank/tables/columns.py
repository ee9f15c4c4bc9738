"""What a part of a feature table holds: its columns, its order, and the words that lead to its rows.

A part is two files. ``features-N.parquet`` has one row a feature, in the standard order, so that the first rows that
match are the best. ``words-N.parquet`` has one row a word, sorted, with the rows that have it.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import MissingDependencyError

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "table.json"
GROUP_ROWS = 1 << 14
"""Rows that are read together where single ones are wanted."""


def require_arrow() -> None:
    """Raises MissingDependencyError where the extra is not installed."""
    if find_spec("pyarrow") is None:
        raise MissingDependencyError(
            "feature tables need pyarrow: install the extra: pip install 'drawbar[cluster]'"
        )


def schema() -> "pa.Schema":
    """The columns of a part."""
    import pyarrow as pa

    return pa.schema(
        [
            ("bank", pa.string()),
            ("layer", pa.int32()),
            ("index", pa.int32()),
            ("label", pa.string()),
            ("author", pa.string()),
            ("score", pa.float64()),
            ("density", pa.float64()),
            ("p99", pa.float64()),
            ("verdict", pa.string()),
            ("proof", pa.float64()),
            ("consistency", pa.float64()),
            ("tags", pa.list_(pa.string())),
            ("authors", pa.list_(pa.string())),
            ("words", pa.list_(pa.string())),
            ("alike", pa.int64()),
        ]
    )


def standard_order(table: "pa.Table") -> NDArray[np.int64]:
    """Proven first (named before unnamed), then proof, label, score, consistency; what ties, by its name."""
    keys = order_keys(table)
    found: NDArray[np.int64] = np.lexsort([keys[name] for name in reversed(list(keys))])
    return found


def order_keys(table: "pa.Table") -> "dict[str, NDArray[np.float64]]":
    """Numbers that rise in the standard order, the first ones first."""

    def down(name: str) -> NDArray[np.float64]:
        """Falling; what is unknown comes last."""
        values: NDArray[np.float64] = table[name].to_numpy().astype(np.float64)
        return np.where(np.isnan(values), np.inf, -values)

    proven = np.asarray(table["verdict"].to_numpy(zero_copy_only=False) == "proven")
    bare = np.asarray(table["label"].to_numpy(zero_copy_only=False) == "")
    return {
        "proven": (~proven).astype(np.float64),
        "proven unnamed": (proven & bare).astype(np.float64),
        "proof": down("proof"),
        "unnamed": bare.astype(np.float64),
        "score": down("score"),
        "consistency": down("consistency"),
        "layer": table["layer"].to_numpy().astype(np.float64),
        "index": table["index"].to_numpy().astype(np.float64),
    }


def part_files(folder: Path, part: int) -> tuple[Path, Path]:
    """Features and words."""
    return folder / f"features-{part:05d}.parquet", folder / f"words-{part:05d}.parquet"
