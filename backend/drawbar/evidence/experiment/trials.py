"""Conditions and pairs -> a plan in blocks, and what each block measured; written so that a kill loses one block.

A trial is one clip: a condition (what is added to the residual) played for one pair (prompt and seed). Blocks of a
fixed number of trials are generated together, because rounding may depend on the size of a batch. Knows no model.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from drawbar.bank.tensors import Array
from drawbar.errors import BadInputError, DrawbarError
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value

Floats = NDArray[np.float32]

KINDS = (
    "unsteered",  # the twins: nothing added
    "feature",  # a candidate
    "random",  # the pool
    "held-out random",  # random directions that are judged as if they were candidates
    "inactive feature",  # a feature that hardly ever fires
    "wrong layer",  # a candidate's direction at another layer
    "difference in means",  # the baseline to beat
    "pass-through",  # the residual replaced by its reconstruction
)


def digest_of(value: object) -> str:
    """SHA-256 of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Pair:
    """The unit of the statistics."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class Source:
    """A direction that can be added."""

    kind: str
    """One of KINDS."""
    id: str
    """``layer/index`` of a feature, ``random/4/17``, or the concept's name."""
    layer: int
    vector: Floats
    """``[D]``, unit length."""
    scale: float
    """The norm that amount 1 adds."""

    @property
    def digest(self) -> str:
        """Of the vector: tells a control from its candidate."""
        return hashlib.sha256(np.ascontiguousarray(self.vector, "<f4").tobytes()).hexdigest()


@dataclass(frozen=True)
class Condition:
    """One source at one amount."""

    kind: str
    id: str
    layer: int
    amount: float


@dataclass(frozen=True)
class Block:
    """Trials that are generated together."""

    number: int
    cells: tuple[tuple[int, int], ...]
    """(condition, pair)."""


@dataclass(frozen=True)
class Plan:
    """All trials of one stage, in order. Raises BadInputError for one that repeats a condition."""

    stage: str
    seconds: float
    batch: int
    pairs: tuple[Pair, ...]
    conditions: tuple[Condition, ...]
    settings: str = ""
    """Digest of everything else that the values depend on: model, judges, generation settings, directions."""

    def __post_init__(self) -> None:
        if len(set(self.conditions)) != len(self.conditions) or len(set(self.pairs)) != len(self.pairs):
            raise BadInputError(f"stage {self.stage}: a condition or a pair comes twice; give each once")
        if self.batch < 1 or self.seconds <= 0:
            raise BadInputError(f"batch {self.batch}, {self.seconds} s: both must be above 0")

    @cached_property
    def digest(self) -> str:
        return digest_of(asdict(self))

    @property
    def clips(self) -> int:
        return len(self.pairs) * len(self.conditions)

    def blocks(self) -> Iterator[Block]:
        """Cut into blocks of ``batch`` trials; the last may be smaller."""
        cells = [(c, p) for c in range(len(self.conditions)) for p in range(len(self.pairs))]
        for number, first in enumerate(range(0, len(cells), self.batch)):
            yield Block(number, tuple(cells[first : first + self.batch]))


class Trials:
    """One stage's folder: blocks that are done, as arrays."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self._rows: dict[Condition, int] = {c: i for i, c in enumerate(plan.conditions)}

    def path(self, block: Block) -> Path:
        return self.folder / f"{self.plan.stage}-{block.number:05d}.safetensors"

    def missing(self) -> list[Block]:
        """Blocks that are not done, or were done for another plan."""
        return [block for block in self.plan.blocks() if not self._done(block)]

    def _done(self, block: Block) -> bool:
        try:
            with safe_open(self.path(block), framework="numpy") as file:
                about = file.metadata() or {}
        except (OSError, SafetensorError):
            return False
        return about.get("plan") == self.plan.digest and about.get("block") == str(block.number)

    def write(
        self, block: Block, tokens: NDArray[np.uint16], values: Floats, measures: Sequence[str], threads: int
    ) -> None:
        """Keep a block: tokens ``[B, K, T]``, values ``[B, M]``; whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        about = {
            "plan": self.plan.digest,
            "block": str(block.number),
            "batch": str(len(block.cells)),
            "threads": str(threads),
            "measures": json.dumps(list(measures)),
        }
        arrays: dict[str, Array] = {
            "tokens": np.ascontiguousarray(tokens),
            "values": np.ascontiguousarray(values),
        }
        with atomic(self.path(block)) as part:
            save_file({name: np.ascontiguousarray(x) for name, x in arrays.items()}, part, about)

    def _read(self, block: Block, name: str) -> tuple[Array, dict[str, str]]:
        with safe_open(self.path(block), framework="numpy") as file:
            return file.get_tensor(name), dict(file.metadata() or {})

    @cached_property
    def _all(self) -> tuple[tuple[str, ...], Floats]:
        missing = self.missing()
        if missing:
            raise DrawbarError(
                f"stage {self.plan.stage} in {self.folder} lacks {len(missing)} blocks: run it again to go on"
            )
        found: Floats | None = None
        measures: tuple[str, ...] = ()
        for block in self.plan.blocks():
            values, about = self._read(block, "values")
            if found is None:
                measures = tuple(json_value(about["measures"]))
                shape = (len(self.plan.conditions), len(self.plan.pairs), len(measures))
                found = np.full(shape, np.nan, np.float32)
            for row, (condition, pair) in enumerate(block.cells):
                found[condition, pair] = values[row]
        assert found is not None  # a plan has conditions
        return measures, found

    @property
    def measures(self) -> tuple[str, ...]:
        return self._all[0]

    @property
    def values(self) -> Floats:
        """``[conditions, pairs, measures]``; NaN where a clip was not finite."""
        return self._all[1]

    def of(self, condition: Condition) -> Floats:
        """``[P, M]``. Raises BadInputError for a condition that was not played."""
        if condition not in self._rows:
            raise BadInputError(f"{condition} was not played in stage {self.plan.stage}")
        found: Floats = self.values[self._rows[condition]]
        return found

    def amounts(self, kind: str, id: str) -> dict[float, Floats]:
        """A source's amounts -> ``[P, M]`` each, rising."""
        found = {c.amount: self.of(c) for c in self.plan.conditions if (c.kind, c.id) == (kind, id)}
        return dict(sorted(found.items()))

    @property
    def spent_s(self) -> float:
        """Wall clock while blocks appeared; pauses of more than two minutes are none of it."""
        times = sorted(p.stat().st_mtime for b in self.plan.blocks() if (p := self.path(b)).is_file())
        return sum(min(b - a, 120.0) for a, b in pairwise(times))

    def tokens(self, condition: Condition, pair: int) -> NDArray[np.uint16]:
        """``[K, T]`` of one trial."""
        block, row = divmod(self._rows[condition] * len(self.plan.pairs) + pair, self.plan.batch)
        tokens, _ = self._read(Block(block, ()), "tokens")
        found: NDArray[np.uint16] = tokens[row]
        return found

    def rows(self) -> Iterator[tuple[Condition, Pair, int, int, Floats]]:
        """Every trial: condition, pair, block, size of the batch it was generated in, values ``[M]``."""
        for block in self.plan.blocks():
            values, about = self._read(block, "values")
            for row, (condition, pair) in enumerate(block.cells):
                yield (
                    self.plan.conditions[condition],
                    self.plan.pairs[pair],
                    block.number,
                    int(about["batch"]),
                    values[row],
                )
