"""Pairs of windows and what a person says of them -> rows that fit the shipped JSON Schema, both ways.

It knows nothing of how windows are proposed or played.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import json_value
from drawbar.research.horizon.events import Event, Track, Window
from drawbar.research.horizon.schema import faults

SCHEMA_FILE = Path(__file__).with_name("annotation.schema.json")
STATUSES = ("proposed", "verified", "ambiguous", "rejected")
_FORMAT = 1


@dataclass(frozen=True)
class Generation:
    """What generated the part after the prefix."""

    model: str
    seed: int
    condition: str


@dataclass(frozen=True)
class Annotation:
    """One pair of windows and what is known of it."""

    id: str
    track: str
    licence: str
    motif: Window
    recurrence: Window
    event_type: str
    """exact, transposed, varied or none."""
    status: str = "proposed"
    """proposed, verified (heard as event_type says), ambiguous, or rejected (not usable)."""
    reviewer: str = ""
    notes: str = ""
    at: str = ""
    prefix: Window | None = None
    generation: Generation | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise BadInputError(f"an annotation with status {self.status!r}; there are {', '.join(STATUSES)}")
        if self.status != "proposed" and not (self.reviewer and self.at):
            raise BadInputError(f"annotation {self.id} is {self.status} but says neither by whom nor when")

    def event(self) -> Event:
        """The event that it tells of; verified only if a person heard it so."""
        verified = self.status == "verified"
        return Event(self.track, self.motif, self.recurrence, self.event_type, verified)

    def row(self) -> JsonObject:
        """As the schema has it. Raises BadInputError when it does not fit."""
        row = {"format": _FORMAT, **dataclasses.asdict(self)}
        wrong = faults(row, _schema())
        if wrong:
            raise BadInputError(f"annotation {self.id}: {'; '.join(wrong)}; correct it")
        return row


def annotation_id(track: str, motif: Window, recurrence: Window) -> str:
    """Sixteen hexadecimal digits that only this pair of windows has."""
    times = [motif.start_s, motif.end_s, recurrence.start_s, recurrence.end_s]
    return hashlib.sha256(json.dumps([track, *(round(t, 3) for t in times)]).encode()).hexdigest()[:16]


def proposed(track: Track, event: Event) -> Annotation:
    """A row that waits for a person."""
    name = annotation_id(track.id, event.motif, event.recurrence)
    return Annotation(name, track.id, track.licence, event.motif, event.recurrence, event.kind)


def read_row(row: JsonMapping, place: str) -> Annotation:
    """A row of a file. Raises BadInputError with the place and every fault."""
    wrong = faults(row, _schema())
    if wrong:
        raise BadInputError(f"{place}: {'; '.join(wrong)}; correct the row or write the file again")
    values = {key: value for key, value in row.items() if key != "format"}
    for name in ("motif", "recurrence", "prefix"):
        values[name] = Window(**values[name]) if values[name] else None
    values["generation"] = Generation(**values["generation"]) if values["generation"] else None
    return Annotation(**values)


@cache
def _schema() -> JsonObject:
    loaded: JsonObject = json_value(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded
