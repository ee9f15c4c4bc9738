"""Directions that a user made from examples -> files that stay, and back as directions for the sliders.

A JSON file, tied to the site, names the safetensors file with its vector: whoever writes is killed before it is there,
or after. Their ids are ``mine/NAME``, and they go wherever a feature's id goes. Knows nothing of how one is found.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from drawbar import paths
from drawbar.bank.concept_sliders import is_concept
from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.files.atomic_write import atomic, write_text
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.lock import LOCK_NAME, Lock
from drawbar.files.reading import read_bytes, typed_json
from drawbar.musicgen.interfaces import SitedModel
from drawbar.steering.concepts import concept_direction
from drawbar.steering.directions import Direction, DirectionSource, check_site, directions_from_bank

PREFIX = "mine/"
_NAME = re.compile(r"\w[\w +&'-]{0,58}\w|\w")
_FORMAT = 2
_MAX_BYTES = 8 << 20
_WAIT_S = 10.0


@dataclass(frozen=True)
class _Facts:
    """What stands in the JSON file."""

    format: int
    fingerprint: str
    model_name: str
    layer: int
    scale: float
    rest: float
    about: JsonObject
    name: str = ""
    vectors: str = ""
    """The safetensors file's name; that of the JSON file in format 1."""


def is_own(id: str) -> bool:
    """Whether an id names a direction of the user's own."""
    return id.startswith(PREFIX)


@dataclass(frozen=True, eq=False)
class OwnDirection:
    """One of them. Raises BadInputError for a name or a vector that cannot be used."""

    name: str
    """1 to 60 letters, digits, blanks, ``+ & ' - _``."""
    fingerprint: str
    """SHA-256 over the model's weights: with the layer, the site."""
    model_name: str
    layer: int
    vector: NDArray[np.float32]
    """``[D]``, unit length."""
    scale: float
    """The norm that amount 1 adds."""
    rest: float = 0.0
    """Where what lacks it stands along the vector: the meter's zero, and what ``mute`` goes back to."""
    about: JsonMapping = field(default_factory=dict)
    """JSON values: the examples' names, and how well each layer told them apart."""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise BadInputError(
                f"{self.name[:80]!r} cannot be a direction's name: use 1 to 60 letters, digits, blanks, + & ' - _"
            )
        if self.layer < 0 or not (self.scale > 0 and math.isfinite(self.scale) and math.isfinite(self.rest)):
            raise BadInputError(
                f"{self.id}: layer {self.layer}, scale {self.scale}, rest {self.rest} are not of a direction"
            )
        self.direction()

    @property
    def id(self) -> str:
        """``mine/NAME``."""
        return PREFIX + self.name

    def direction(self) -> Direction:
        """For a mixer; the meter and the modes read the projection above ``rest``."""
        vector = torch.from_numpy(np.array(self.vector, np.float32))
        return Direction(self.id, self.layer, vector, self.scale, encoder=vector, bias=-self.rest)

    def require_site(self, fingerprint: str, model_name: str = "the loaded model") -> None:
        """Raises SiteMismatchError, naming both, unless it was made with these weights."""
        if fingerprint != self.fingerprint:
            raise SiteMismatchError(
                f"{self.id} belongs to {self.model_name} ({self.fingerprint[:12]}), layer {self.layer}, not to "
                f"{model_name} ({fingerprint[:12]}): load that model, or make it again from its examples with this one"
            )


class OwnDirections:
    """A folder of them, read anew at every call: another process may have added one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else paths.own_directions_dir()

    def save(self, own: OwnDirection, *, replace: bool = False) -> Path:
        """Write both files, whole and synced -> the JSON's path. Raises BadInputError for a name that is taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with Lock(self.folder / LOCK_NAME, "saving a direction", wait_s=_WAIT_S):
            taken = self._known(own.name)
            if taken is not None and not replace:
                raise BadInputError(
                    f"there is a direction mine/{taken} already, and takes may use it: choose another name, "
                    f"or remove it first (drawbar direction remove {taken!r})"
                )
            vectors = self.folder / f"{own.name}.{secrets.token_hex(4)}.safetensors"
            with atomic(vectors) as part:
                save_file({"vector": np.ascontiguousarray(own.vector, np.float32)}, part)
            values = {
                "format": _FORMAT,
                "name": own.name,
                "fingerprint": own.fingerprint,
                "model_name": own.model_name,
                "layer": own.layer,
                "scale": own.scale,
                "rest": own.rest,
                "about": dict(own.about),
                "vectors": vectors.name,
            }
            facts = self.folder / f"{own.name}.json"
            write_text(facts, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
            self._clear(own.name, but=vectors)
            if taken not in (None, own.name):  # the same but for capital letters
                self._forget(taken, but=facts)
        return facts

    def names(self) -> list[str]:
        """In alphabetical order."""
        return sorted((path.stem for path in self.folder.glob("*.json")), key=str.casefold)

    def load(self, name: str) -> OwnDirection:
        """One by its name or id. Raises BadInputError for one that is missing, damaged or newer than this program."""
        found = self._named(name)
        facts = self.folder / f"{found}.json"
        try:
            values = typed_json(_Facts, read_bytes(facts, _MAX_BYTES))
            if values.format > _FORMAT:
                raise BadInputError(f"{facts} was written by a newer Drawbar: update this one")
            vectors = load_file(self._vectors(found, values))
            return OwnDirection(
                found,
                values.fingerprint,
                values.model_name,
                values.layer,
                vectors["vector"],
                values.scale,
                values.rest,
                values.about,
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BadInputError(
                f"{facts} is damaged ({error}): remove {found!r} and make it again"
            ) from error

    def all(self, fingerprint: str | None = None) -> list[OwnDirection]:
        """All that can be read, or those of one model."""
        found = []
        for name in self.names():
            try:
                own = self.load(name)
            except BadInputError:
                continue
            if fingerprint in (None, own.fingerprint):
                found.append(own)
        return found

    def remove(self, name: str) -> str:
        """Delete one, damaged or not -> its name. Raises BadInputError for an unknown one.

        Makes no file, so that it works on a full disk.
        """
        found = self._named(name)
        self._forget(found)
        return found

    def _known(self, name: str) -> str | None:
        return next((known for known in self.names() if known.casefold() == name.casefold()), None)

    def _named(self, name: str) -> str:
        wanted = name.removeprefix(PREFIX).strip()
        found = self._known(wanted)
        if found is None:
            raise BadInputError(
                f"there is no direction {PREFIX}{wanted[:80]}; there are {', '.join(self.names()) or 'none'} "
                "(drawbar direction from-examples makes one)"
            )
        return found

    def _forget(self, name: str, but: Path | None = None) -> None:
        """The JSON file first: killed after it, nothing is listed whose vector is gone."""
        facts = self.folder / f"{name}.json"
        if but is not None and facts.exists() and facts.samefile(but):  # a disk may not tell a from A
            return
        try:
            vectors = self._vectors(name, typed_json(_Facts, read_bytes(facts, _MAX_BYTES)))
        except (OSError, ValueError):
            vectors = None
        facts.unlink(missing_ok=True)
        if vectors is None:
            self._clear(name)
        else:  # no other: somebody may be saving one of that name now
            vectors.unlink(missing_ok=True)

    def _vectors(self, name: str, facts: _Facts) -> Path:
        return self.folder / (Path(facts.vectors).name or f"{name}.safetensors")

    def _clear(self, name: str, but: Path | None = None) -> None:
        own = re.compile(rf"{re.escape(name)}(\.[0-9a-f]{{8}})?\.safetensors")
        for path in self.folder.iterdir():
            if own.fullmatch(path.name) and path != but:
                path.unlink(missing_ok=True)


def directions_for(
    model: SitedModel, bank: DirectionSource | None, ids: Sequence[str], store: OwnDirections | None = None
) -> list[Direction]:
    """Ids of a bank's features, of its concept sliders and of own directions -> their directions, for this model.

    Raises BadInputError (unknown ids, features without a bank) and SiteMismatchError.
    """
    features = [id for id in ids if not is_own(id) and not is_concept(id)]
    found: dict[str, Direction] = {}
    concepts = [id for id in ids if is_concept(id)]
    if features or concepts:
        if bank is None:
            raise BadInputError(
                f"feature {', '.join([*features, *concepts])}: no bank is open; open the bank that these belong to"
            )
        check_site(bank, model)
        found = {one.id: one for one in directions_from_bank(bank, features)}
        found |= {id: concept_direction(bank, id) for id in concepts}
    for id in ids:
        if is_own(id):
            own = (store or OwnDirections()).load(id)
            own.require_site(model.fingerprint, model.spec.name)
            found[id] = own.direction()
    return [found[id] for id in ids]
