"""Composer's decisions -> Piece: notes, chords, sections, motifs; plain data, JSON both ways."""

import dataclasses
import json
from dataclasses import dataclass

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value

_FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One player: `name` is unique in the piece, `instrument` is a name from `instruments`."""

    name: str
    role: str
    instrument: str
    program: int


@dataclass(frozen=True)
class Note:
    """One note: seconds, MIDI pitch (drums: General MIDI percussion key), velocity 1-127, part's name."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int
    part: str


@dataclass(frozen=True)
class Chord:
    """One harmony: `root` is a pitch class, `quality` a name from `harmony`, `inversion` 0 = root lowest."""

    start_s: float
    end_s: float
    root: int
    quality: str
    inversion: int


@dataclass(frozen=True)
class Section:
    """A stretch of bars and the roles that play in it."""

    start_s: float
    end_s: float
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Motif:
    """One occurrence of the piece's motif; `kind` is original, exact, transposed or varied."""

    start_s: float
    end_s: float
    kind: str
    steps: int
    """Diatonic steps above the original."""


@dataclass(frozen=True)
class Piece:
    """A composed piece and everything the composer knows about it."""

    seed: int
    seconds: float
    tempo_bpm: float
    """A whole number in pieces of version 1."""
    swing: float
    """Where the off-beat eighth falls in the beat: 0.5 is straight."""
    key: int
    mode: str
    pattern: str
    register: str
    density: str
    dynamics: str
    curve: str
    harmony: str
    parts: tuple[Part, ...]
    notes: tuple[Note, ...]
    chords: tuple[Chord, ...]
    sections: tuple[Section, ...]
    motifs: tuple[Motif, ...]
    loop: tuple[str, ...] = ()
    """The progression that returns, one name per bar or half bar ("Am", "C#m7b5"); empty when none does."""

    def part(self, role: str) -> Part | None:
        """Return the part that plays `role`, or None."""
        return next((p for p in self.parts if p.role == role), None)

    def to_json(self) -> str:
        """Return the piece as one line of JSON (the same text on every platform)."""
        data = dataclasses.asdict(self)
        if not self.loop:
            del data["loop"]  # so that pieces from before there were loops read as they did
        return json.dumps({"format": _FORMAT, **data}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Piece":
        """Read what `to_json` wrote; raises BadInputError when it is something else."""
        try:
            data: JsonObject = json_value(text)
            if data.pop("format") != _FORMAT:
                raise ValueError("unknown format number")
            data["loop"] = tuple(data.get("loop", ()))
            for name, kind in _NESTED.items():
                data[name] = tuple(kind(**_tuples(row)) for row in data[name])
            return cls(**_tuples(data))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInputError(
                f"this is not a composed piece ({error}); compose it again with `drawbar compose`"
            ) from error


_NESTED: JsonObject = {
    "parts": Part, "notes": Note, "chords": Chord, "sections": Section, "motifs": Motif,
}  # fmt: skip


def _tuples(row: JsonObject) -> JsonObject:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}


def level_at(dynamics: str, curve: str, seconds: float, at_s: float) -> float:
    """Return the velocity that the dynamics ask for at `at_s` of a piece of `seconds`."""
    base = {"soft": 50.0, "medium": 78.0, "loud": 106.0}[dynamics]
    x = min(1.0, max(0.0, at_s / seconds))
    shape = {"steady": 0.0, "growing": 2 * x - 1, "fading": 1 - 2 * x, "swell": 1 - 2 * abs(2 * x - 1)}[curve]
    return base + 16.0 * shape
