"""A file or a text that somebody else wrote -> values of a stated type, within limits, or one plain sentence.

Every function raises ValueError (OSError where a file cannot be opened); callers name the file and the cure.
"""

import json
import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from drawbar.files.json_object import JsonObject

T = TypeVar("T")

MAX_DEPTH = 64
"""Nested lists and objects; nothing that Drawbar reads needs more than ten."""
_MAX_DIGITS = 30
_SHOWN = 60


def read_bytes(path: Path, most: int) -> bytes:
    """A file's content, ``most`` bytes at the utmost; a device that never ends is refused like a long file."""
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is longer than {most:,} bytes")
    return data


def read_text(path: Path, most: int) -> str:
    """A UTF-8 file's text, ``most`` bytes at the utmost."""
    return read_bytes(path, most).decode("utf-8-sig")


def json_value(text: str | bytes) -> Any:
    """JSON -> plain values; deep nesting and endless numbers are refused."""
    try:
        value = json.loads(text, parse_int=_integer)
    except RecursionError:
        _too_deep()
    if depth_of(value) > MAX_DEPTH:
        _too_deep()
    return value


def toml_value(text: str) -> JsonObject:
    """TOML -> plain values; deep nesting is refused."""
    if re.search(rf"(?:[\[{{]\s*){{{MAX_DEPTH + 1}}}|(?:[\w\"']+\s*\.\s*){{{MAX_DEPTH + 1}}}", text):
        _too_deep()
    try:
        value = tomllib.loads(text)
    except RecursionError:
        _too_deep()
    if depth_of(value) > MAX_DEPTH:
        _too_deep()
    return value


def depth_of(value: object) -> int:
    """How deep lists and objects are nested; stops counting past `MAX_DEPTH`."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        depth += any(isinstance(item, (dict, list)) for item in level)
        level = [item for item in inner if isinstance(item, (dict, list))]
    return depth


def plain_value(value: object, most: int = 100_000) -> object:
    """The same value, when it is made of what JSON has and is neither deep nor endless (YAML can be all of that)."""
    waiting, seen = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            _too_deep()
        if seen > most:
            raise ValueError(f"it holds more than {most:,} values")
        if isinstance(item, dict):
            waiting += ((inner, depth + 1) for pair in item.items() for inner in pair)
        elif isinstance(item, list):
            waiting += ((inner, depth + 1) for inner in item)
        elif isinstance(item, int) and abs(item) >= 10**_MAX_DIGITS:
            raise ValueError(f"a whole number of more than {_MAX_DIGITS} digits")
        elif item is not None and not isinstance(item, (str, int, float)):
            raise ValueError(f"{shortened(item)} is no plain value: write a text or a number")
    return value


def typed_json(kind: type[T], text: str | bytes) -> T:
    """JSON -> a record of ``kind`` (a dataclass, a TypedDict, ``dict[str, int]`` ...), nothing converted."""
    return typed(kind, json_value(text))


def typed(kind: type[T], value: object) -> T:
    """Plain values -> a record of ``kind``: numbers stay numbers and texts texts, lists become tuples."""
    try:
        # Through JSON's rules: strict types, but a list where a tuple is wanted.
        wanted: Any = kind
        checked: T = _adapter(wanted).validate_json(json.dumps(value, default=_path), strict=True)
        return checked
    except TypeError as error:  # a date out of YAML, say
        raise ValueError(
            f"{str(error).partition(' is not')[0]} is no plain value: write a text or a number"
        ) from error
    except ValidationError as error:
        raise ValueError(one_line(error)) from error


def one_line(error: ValidationError) -> str:
    """What is wrong with a record's first wrong value."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "missing":
        return f"{shortened(place)} is missing{more}"
    if first["type"] == "value_error":  # a record's own check, in its own words
        return shortened(first["msg"].removeprefix("Value error, "), 400)
    reason = first["msg"].replace("Input should be", "should be")
    return f"{shortened(place) + ': ' if place else ''}{reason}, not {shortened(first['input'])}{more}"


def shortened(value: object, most: int = _SHOWN) -> str:
    """A value as a message shows it: control characters escaped, the middle of a long one left out."""
    text = value if isinstance(value, str) and value.isprintable() else _repr(value)
    return text if len(text) <= most else f"{text[: most - 20]} ... ({len(text):,} characters)"


def _repr(value: object) -> str:
    if isinstance(value, (dict, list, tuple, set)) and len(value) > 20:
        return f"{type(value).__name__} of {len(value):,}"
    try:
        return repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        return f"a {type(value).__name__} too long to show"


def _path(value: object) -> str:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise TypeError(f"a {type(value).__name__} is not one")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a whole number of {len(digits):,} digits")
    return int(digits)


def _too_deep() -> NoReturn:
    raise ValueError(f"lists and objects are nested more than {MAX_DEPTH} deep") from None
