"""A JSON value and a JSON Schema -> what is wrong with the value, by place; nothing when it fits.

The part of JSON Schema 2020-12 that the schemas here use; a word it does not know is an error, never ignored.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from drawbar.files.json_object import JsonMapping, JsonObject

Schema = JsonMapping

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_SILENT = {"$schema", "$defs", "title", "description"}


def faults(value: Any, schema: Schema) -> list[str]:
    """Every way in which `value` differs from `schema`, as ``place: what``. Raises ValueError for an unknown word."""
    return list(_check(value, schema, schema, "row"))


def _check(value: Any, schema: Schema, root: Schema, place: str) -> Iterator[str]:
    for word, wanted in schema.items():
        if word in _SILENT:
            continue
        if word == "$ref":
            yield from _check(value, _follow(wanted, root), root, place)
        elif word == "anyOf":
            if all(any(_check(value, option, root, place)) for option in wanted):
                yield f"{place}: fits none of {len(wanted)} forms"
        elif word in ("properties", "additionalProperties", "required"):
            continue
        elif word in _RULES:
            fault = _RULES[word](value, wanted)
            if fault:
                yield f"{place}: {fault}"
        else:
            raise ValueError(f"the schema word {word!r} is not known here")
    if isinstance(value, dict):
        yield from _members(value, schema, root, place)


def _members(value: JsonObject, schema: Schema, root: Schema, place: str) -> Iterator[str]:
    known: Schema = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}: {name} is missing"
    for name, part in value.items():
        if name in known:
            yield from _check(part, known[name], root, f"{place}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{place}: {name} is not known"


def _follow(reference: str, root: Schema) -> Schema:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def _type(value: Any, name: str) -> str:
    fits = isinstance(value, _TYPES[name]) and not (isinstance(value, bool) and name in ("number", "integer"))
    return "" if fits else f"is a {type(value).__name__}, not a {name}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_RULES: dict[str, Callable[[Any, Any], str]] = {
    "type": _type,
    "const": lambda value, wanted: "" if value == wanted else f"is {value!r}, not {wanted!r}",
    "enum": lambda value, wanted: "" if value in wanted else f"is {value!r}, not one of {', '.join(wanted)}",
    "pattern": lambda value, wanted: (
        f"{value!r} does not look like {wanted}"
        if isinstance(value, str) and not re.search(wanted, value)
        else ""
    ),
    "minLength": lambda value, wanted: "is empty" if isinstance(value, str) and len(value) < wanted else "",
    "maxLength": lambda value, wanted: (
        f"is longer than {wanted} characters" if isinstance(value, str) and len(value) > wanted else ""
    ),
    "minimum": lambda value, wanted: f"is below {wanted}" if _number(value) and not value >= wanted else "",
    "exclusiveMinimum": lambda value, wanted: (
        f"is not above {wanted}" if _number(value) and not value > wanted else ""
    ),
}
