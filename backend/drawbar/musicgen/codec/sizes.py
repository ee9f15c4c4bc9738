"""The ``audio_encoder`` section of a ``config.json`` -> a codec's record, with no number that no codec has.

A codec is built before its tensors are compared with it: its sizes decide how much memory that takes.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from drawbar.errors import BadInputError
from drawbar.files.reading import shortened, typed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Sizes = TypeVar("Sizes", bound="DataclassInstance")
_MOST = {"card": 1 << 16, "sample_rate_hz": 1 << 20, "n_q": 64}
_LARGEST = 1 << 14
"""Of every other whole number."""


def read_sizes(kind: type[Sizes], values: Mapping[str, object]) -> Sizes:
    """The known fields of a section; others are left out. Raises BadInputError."""
    known = {field.name for field in fields(kind)}
    given = {name: value for name, value in values.items() if name in known}
    try:
        for name, value in given.items():
            _check(name, value)
        return typed(kind, given)
    except BadInputError:
        raise
    except (ValueError, ArithmeticError, TypeError, LookupError) as error:  # of the record's own checks, too
        raise BadInputError(
            f"the codec's configuration does not describe one ({error}): copy the folder again"
        ) from error


def _check(name: str, value: object) -> None:
    if isinstance(value, (list, tuple)):
        if not 1 <= len(value) <= 64:
            raise ValueError(f"{name} has {len(value)} entries")
        for item in value:
            _check(name, item)
    elif isinstance(value, int) and not isinstance(value, bool):
        least, most = int(name != "edges_hz"), _MOST.get(name, _LARGEST)
        if not least <= value <= most:
            raise ValueError(f"{name} is {shortened(value)}; {least} to {most} can be")
    elif isinstance(value, float) and not (math.isfinite(value) and 0 <= value <= 1e6):
        raise ValueError(f"{name} is {value}")
