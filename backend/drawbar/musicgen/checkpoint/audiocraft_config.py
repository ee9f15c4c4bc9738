"""The ``xp.cfg`` text of an audiocraft file -> its values by dotted name, references resolved, checked when asked for.

Knows no model: which names there are is its callers' business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import plain_value, shortened
from drawbar.musicgen.untrusted_files import read_tensor_file

_REFERENCE = re.compile(r"\$\{\s*([\w.]+)\s*\}")
"""OmegaConf writes ``channels: ${channels}`` for a value that stands elsewhere."""


_MOST_CHARACTERS, _LARGEST = 1 << 20, 1 << 40
"""Far beyond every export; YAML writes numbers of any length."""


class XpConfig:
    """Settings of one audiocraft experiment."""

    def __init__(self, text: str, file: Path) -> None:
        self.file = file
        try:
            if len(text) > _MOST_CHARACTERS:
                raise ValueError(f"it is longer than {_MOST_CHARACTERS:,} characters")
            values = plain_value(yaml.safe_load(text))
        except RecursionError:
            raise CheckpointError(
                f"xp.cfg in {file} is nested too deep: export it from audiocraft again"
            ) from None
        except (
            yaml.YAMLError,
            ValueError,
            LookupError,
            AttributeError,
            TypeError,
        ) as error:  # PyYAML's own, too
            reason = shortened((str(error).splitlines() or ["?"])[0], 200)
            raise CheckpointError(
                f"xp.cfg in {file} is not YAML of plain values ({reason}): export it from audiocraft again"
            ) from error
        if not isinstance(values, dict):
            raise CheckpointError(f"xp.cfg in {file} holds no settings: export it from audiocraft again")
        self._values: JsonObject = values

    def get(self, name: str, default: Any = None) -> Any:
        """The value at a dotted name; ``default`` where there is none or it is null."""
        value = self._find(name, 0)
        return default if value is None else value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number. Raises CheckpointError where it is missing or something else."""
        value = self.get(name, default)
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or abs(value) > _LARGEST:
            raise self._wrong(name, value, "a whole number belongs")
        return int(value)

    def real(self, name: str, default: float) -> float:
        """A number. Raises CheckpointError for anything else, or one that is not finite."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST:
            raise self._wrong(name, value, "a number belongs")
        return float(value)

    def numbers(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """A list of whole numbers. Raises CheckpointError for anything else."""
        value = self.get(name, default)
        if not isinstance(value, (list, tuple)) or not all(
            type(item) is int and abs(item) <= _LARGEST for item in value
        ):
            raise self._wrong(name, value, "whole numbers belong")
        return tuple(value)

    def section(self, name: str) -> JsonMapping:
        """A group of settings; empty where there is none."""
        value = self.get(name, {})
        if not isinstance(value, dict):
            raise self._wrong(name, value, "settings belong")
        return value

    def _wrong(self, name: str, value: object, belongs: str) -> CheckpointError:
        return CheckpointError(
            f"xp.cfg in {self.file} has {name} = {shortened(value)} where {belongs}: export it again"
        )

    def only(self, allowed: Mapping[str, tuple[Any, ...]], what: str) -> None:
        """Raises NotSupportedError for a setting with another value than these (None = it may be missing)."""
        for name, values in allowed.items():
            value = self._find(name, 0)
            if value not in values:
                raise NotSupportedError(
                    f"{what} has {name} = {shortened(value)} in its xp.cfg; supported: "
                    f"{', '.join(str(v) for v in values if v is not None)}"
                )

    def _find(self, name: str, depth: int) -> Any:
        value: Any = self._values
        for part in name.split("."):
            if isinstance(value, str):
                value = self._resolved(value, depth)
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        return self._resolved(value, depth) if isinstance(value, str) else value

    def _resolved(self, value: str, depth: int) -> Any:
        reference = _REFERENCE.fullmatch(value.strip())
        if reference is None:
            return value
        if depth > 8:
            raise CheckpointError(f"xp.cfg in {self.file} refers to itself at {value}: export it again")
        return self._find(reference[1], depth + 1)


def read_state(file: Path) -> tuple[JsonMapping, XpConfig | None]:
    """An exported audiocraft file -> what it holds, and its settings (None if it only names another model).

    Raises CheckpointError for a file that audiocraft did not export.
    """
    package = read_tensor_file(file)
    if isinstance(package.get("pretrained"), str):
        return package, None
    state, text = package.get("best_state"), package.get("xp.cfg")
    if not isinstance(state, Mapping) or not isinstance(text, str):
        found = ", ".join(sorted(shortened(name) for name in package)[:6]) or "nothing"
        raise CheckpointError(
            f"{file} holds no best_state and xp.cfg but {found}: it is no export of audiocraft's; "
            "give a MusicGen folder"
        )
    return package, XpConfig(text, file)
