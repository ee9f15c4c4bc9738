"""A JSON file of settings -> the settings record of a stage; what it leaves out keeps its default."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def read_config(path: Path | None) -> JsonObject:
    """A JSON object from a file; empty without one. Raises BadInputError."""
    if path is None:
        return {}
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{path}: not a readable JSON file ({error}); write the settings as one object"
        ) from error
    if not isinstance(given, dict):
        raise BadInputError(f"{path}: holds {type(given).__name__}; write the settings as one JSON object")
    return given


def settings_from(kind: type[Settings], given: Mapping[str, object]) -> Settings:
    """A (nested) settings record from JSON values; what is None keeps its default."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise BadInputError(f"unknown settings {', '.join(unknown)}; there are {', '.join(fields)}")
    values: JsonObject = {}
    for name, value in given.items():
        if value is None:
            continue
        nested: object = fields[name].default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested):
            if not isinstance(value, Mapping):
                raise BadInputError(f"setting {name}: {value!r} must be a JSON object of settings")
            value = settings_from(nested, value)
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except TypeError as error:
        raise BadInputError(f"settings that do not fit: {error}") from error
