"""A JSON or TOML file of settings -> the settings record of a stage; what it leaves out keeps its default."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value, read_text, shortened, toml_value, typed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MAX_BYTES = 1 << 20
Settings = TypeVar("Settings", bound="DataclassInstance")


def read_config(path: Path | None) -> JsonObject:
    """A JSON object or a TOML file; empty without one. Raises BadInputError."""
    if path is None:
        return {}
    kind, read = ("TOML", toml_value) if path.suffix.lower() == ".toml" else ("JSON", json_value)
    try:
        given = read(read_text(path, _MAX_BYTES))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{path}: not a readable {kind} file ({error}); write the settings as one object"
        ) from error
    if not isinstance(given, dict):
        raise BadInputError(f"{path}: holds {type(given).__name__}; write the settings as one JSON object")
    return given


def settings_from(kind: type[Settings], given: Mapping[str, object]) -> Settings:
    """A (nested) settings record from JSON values; what is None keeps its default. Raises BadInputError."""
    try:
        return typed(kind, _known(kind, given))
    except BadInputError:
        raise
    except (ValueError, ArithmeticError, LookupError) as error:  # of a record's own checks, too
        raise BadInputError(f"settings that do not fit: {error}") from error


def _known(kind: type[Any], given: Mapping[str, object]) -> JsonObject:
    """The values that are given, once every name is one that there is."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise BadInputError(
            f"unknown settings {shortened(', '.join(unknown), 200)}; there are {', '.join(fields)}"
        )
    values: JsonObject = {}
    for name, value in given.items():
        nested: object = fields[name].default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested) and value is not None:
            if not isinstance(value, Mapping):
                raise BadInputError(f"setting {name}: {shortened(value)} must be a JSON object of settings")
            value = _known(nested, value)
        if value is not None:
            values[name] = value
    return values
