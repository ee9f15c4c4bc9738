"""Concept sliders <-> rows of the bank: published directions with what they are made of, their card and their page.

A concept slider adds one vector or a few, at one layer or several; amount 1 is the same noticeable step for all of
them (a fixed number of standard deviations between takes on the slider's target). Ids are ``concept/NAME``. Knows
nothing of how one is made.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.database import Database
from drawbar.bank.records import BankInfo
from drawbar.bank.words import clean_text, key_of
from drawbar.bank.writing import to_json
from drawbar.errors import BadInputError, BankError
from drawbar.files.json_object import JsonMapping

PREFIX = "concept/"
AXES = ("harmony", "rhythm", "melody", "structure")
"""What a slider may own: change on purpose. The others it should leave alone."""
_MOST_PUSHES = 64
_NAME = re.compile(r"\w[\w +&'-]{0,58}\w|\w")


def is_concept(id: str) -> bool:
    """Whether an id names a concept slider."""
    return id.startswith(PREFIX)


@dataclass(frozen=True, eq=False)
class Push:
    """What amount 1 adds at one layer. Raises BadInputError for what cannot be added."""

    layer: int
    vector: NDArray[np.float32]
    """``[D]``, its norm included."""

    def __post_init__(self) -> None:
        if self.layer < 0 or self.vector.ndim != 1 or not np.isfinite(self.vector).all():
            raise BadInputError(f"a push at layer {self.layer}: its vector must be one finite row")
        if not np.linalg.norm(self.vector) > 0:
            raise BadInputError(f"a push at layer {self.layer} adds nothing: leave it out")


@dataclass(frozen=True, eq=False)
class ConceptSlider:
    """One of them. Raises BadInputError for a name, pushes or axes that cannot be used."""

    name: str
    pushes: tuple[Push, ...]
    """The strongest first; no layer twice."""
    arm: str = ""
    """How it was made: the winner of the comparison."""
    target: str = ""
    """The measure that it moves, ``judge:what``."""
    axes: tuple[str, ...] = ()
    """Of AXES: what it may change besides its target."""
    features: tuple[tuple[str, float], ...] = ()
    """(feature id, share) of what it is made of, the largest first; none where it was learned."""
    verdict: str = "untested"
    proof: float | None = None
    usable_range: tuple[float, float] | None = None
    card: JsonMapping | None = None
    page: JsonMapping = field(default_factory=dict)
    """JSON values: the other arms' figures, how long it took to make, what +1 means."""

    def __post_init__(self) -> None:
        if clean_text(self.name) != self.name or _NAME.fullmatch(self.name) is None:
            raise BadInputError(
                f"{self.name[:80]!r} cannot be a concept slider's name: use 1 to 60 letters, digits, blanks, + & ' - _"
            )
        layers = [push.layer for push in self.pushes]
        if not 0 < len(layers) <= _MOST_PUSHES or len(set(layers)) != len(layers):
            raise BadInputError(f"{self.id} pushes at layers {layers}: give at least one, each once")
        if not set(self.axes) <= set(AXES):
            raise BadInputError(f"{self.id} owns {', '.join(self.axes)}: use {', '.join(AXES)}")

    @property
    def id(self) -> str:
        """``concept/NAME``."""
        return PREFIX + self.name

    @property
    def fingerprint(self) -> str:
        """SHA-256 over layers and vectors: what tells one version of a slider from another."""
        found = hashlib.sha256()
        for push in self.pushes:
            found.update(str(push.layer).encode())
            found.update(np.ascontiguousarray(push.vector, "<f4").tobytes())
        return found.hexdigest()


def write_concept_sliders(database: Database, info: BankInfo, sliders: Iterable[ConceptSlider]) -> None:
    """Put them in place of those of the same names. Raises BadInputError for one of another width or model."""
    for one in sliders:
        for push in one.pushes:
            if push.vector.shape != (info.d_model,):
                raise BadInputError(
                    f"{one.id} has a vector of {push.vector.shape}, the bank's model has width {info.d_model}"
                )
        database.run(
            "INSERT OR REPLACE INTO concept_slider (name, name_key, arm, target, axes, features, verdict, proof, "
            "usable_low, usable_high, card, page, layers, vectors, fingerprint) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.name,
                key_of(one.name),
                clean_text(one.arm),
                clean_text(one.target),
                to_json("axes", list(one.axes)),
                to_json("features", [[id, float(share)] for id, share in one.features]),
                clean_text(one.verdict),
                one.proof,
                *(one.usable_range or (None, None)),
                None if one.card is None else to_json(f"card of {one.id}", dict(one.card)),
                to_json(f"page of {one.id}", dict(one.page)),
                to_json("layers", [push.layer for push in one.pushes]),
                b"".join(np.ascontiguousarray(push.vector, "<f4").tobytes() for push in one.pushes),
                one.fingerprint,
            ),
        )


def read_concept_sliders(database: Database, info: BankInfo) -> list[ConceptSlider]:
    """All of them: proven first, then by the strength of their evidence, then by name.

    Raises BankError for one that is not what its fingerprint says.
    """
    rows = database.rows(
        "SELECT name, arm, target, axes, features, verdict, proof, usable_low, usable_high, card, page, layers, "
        "vectors, fingerprint FROM concept_slider ORDER BY verdict = 'proven' DESC, proof IS NULL, proof DESC, name"
    )
    return [_slider(row, info) for row in rows]


def _slider(row: tuple[object, ...], info: BankInfo) -> ConceptSlider:
    name, arm, target, axes, features, verdict, proof, low, high, card, page, layers, vectors, mark = row
    try:
        numbers = [int(layer) for layer in json.loads(str(layers))]
        if not isinstance(vectors, bytes) or len(vectors) != 4 * info.d_model * len(numbers):
            raise ValueError("its vectors have another size")
        table = np.frombuffer(vectors, "<f4").reshape(len(numbers), info.d_model)
        ends = None if low is None or high is None else (float(str(low)), float(str(high)))
        if ends is not None and not (math.isfinite(ends[0]) and math.isfinite(ends[1])):
            raise ValueError("its usable range has no end")
        found = ConceptSlider(
            str(name),
            tuple(
                Push(layer, vector.astype(np.float32)) for layer, vector in zip(numbers, table, strict=True)
            ),
            str(arm),
            str(target),
            tuple(map(str, json.loads(str(axes)))),
            tuple((str(id), float(share)) for id, share in json.loads(str(features))),
            str(verdict),
            None if proof is None else float(str(proof)),
            ends,
            None if card is None else _mapping(json.loads(str(card))),
            _mapping(json.loads(str(page))),
        )
        if found.fingerprint != mark:
            raise ValueError("its vectors are not those of its fingerprint")
    except (ValueError, TypeError, BadInputError) as error:
        raise BankError(
            f"the concept slider {str(name)[:60]!r} is damaged ({error}): fetch the bank again"
        ) from error
    return found


def _mapping(value: object) -> JsonMapping:
    if not isinstance(value, Mapping):
        raise ValueError("a card or a page that is no record")
    return dict(value)
