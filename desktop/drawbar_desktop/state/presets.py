"""A rack -> a named preset in a file, and back; factory presets are made from what the bank has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from drawbar.bank.search import Query
from drawbar.files.atomic_write import write_json
from drawbar.files.reading import typed
from drawbar_desktop.state.interfaces import BankPort, FeatureLike
from drawbar_desktop.state.json_files import JsonObject, read_json, slug
from drawbar_desktop.state.macros import Macro
from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.rack import MODES, Resolve, Strip

FACTORY: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = (
    ("Drum kit", (("drums", 1.0), ("rock drums", 0.0), ("jazz drums", 0.0), ("house drums", 0.0))),
    ("Strings and winds", (("strings", 1.0), ("flute", 0.0), ("brass", 0.0), ("choir", 0.0))),
    ("Keys", (("piano", 1.0), ("electric piano", 0.0), ("organ", 0.0), ("harpsichord", 0.0))),
    ("Low end", (("bass", 1.0), ("loudness", 0.0), ("low", 0.5))),
    ("Major or minor", (("major", 0.0), ("minor", 0.0), ("key", 0.0))),
    ("Busy or sparse", (("density", 0.0), ("arpeggio", 0.0), ("onset", 0.0), ("tempo", 0.0))),
)  # fmt: skip
"""Words to search for, each with the amount to begin with; what a bank does not have is left out."""


@dataclass(frozen=True)
class Preset:
    """A name and what the rack becomes."""

    name: str
    strips: tuple[JsonObject, ...]
    macros: tuple[JsonObject, ...] = ()
    factory: bool = False
    path: Path | None = None


def strips_to(strips: Sequence[Strip]) -> list[JsonObject]:
    """Strips -> plain values."""
    return [
        {
            "id": s.id, "label": s.feature.label, "amount": s.amount, "mode": s.mode,
            "muted": s.muted, "soloed": s.soloed, "locked": s.locked, "armed": s.armed,
        }
        for s in strips
    ]  # fmt: skip


def strips_from(values: Sequence[Any], resolve: Resolve) -> tuple[list[Strip], list[str]]:
    """Plain values -> strips, and the names of those that this bank does not have."""
    strips, missing = [], []
    for value in values:
        if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
            continue
        found = resolve(value["id"])
        if found is None:
            missing.append(str(value.get("label") or value["id"]))
            continue
        amount = value.get("amount", 0.0)
        strips.append(
            Strip(
                found[0],
                float(amount) if isinstance(amount, (int, float)) and abs(amount) <= 100 else 0.0,
                muted=value.get("muted") is True,
                soloed=value.get("soloed") is True,
                locked=value.get("locked") is True,
                armed=value.get("armed") is True,
                usable=found[1],
                mode=value["mode"] if value.get("mode") in MODES else "add",
            )
        )
    return strips, missing


def macros_to(macros: Sequence[Macro]) -> list[JsonObject]:
    """Macros -> plain values."""
    return [
        {"name": m.name, "value": m.value, "members": {k: list(v) for k, v in m.members.items()}}
        for m in macros
    ]


def macros_from(values: Sequence[Any]) -> list[Macro]:
    """Plain values -> macros; what is malformed is left out."""
    result = []
    for value in values:
        try:
            stored = typed(_StoredMacro, value)
        except ValueError:
            continue
        result.append(Macro(stored.name, stored.members, stored.value))
    return result


Amount = Annotated[float, Field(ge=-100, le=100)]


@dataclass(frozen=True)
class _StoredMacro:
    """A macro as a preset or the settings keep it."""

    name: Annotated[str, Field(max_length=200)]
    members: dict[str, tuple[Amount, Amount]]
    value: Annotated[float, Field(ge=0, le=1)]


class Presets:
    """The user's presets in a folder, and the factory's for the open bank."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` None keeps none."""
        self._folder = folder
        self._factory: tuple[Preset, ...] = ()
        self.changed: Event[[]] = Event()

    def set_bank(self, bank: BankPort | None) -> None:
        """Make the factory presets from what this bank has."""
        self._factory = tuple(_factory(bank)) if bank is not None else ()
        self.changed.emit()

    def all(self) -> tuple[Preset, ...]:
        """The user's by name, then the factory's."""
        return (*self.user(), *self._factory)

    def user(self) -> tuple[Preset, ...]:
        if self._folder is None or not self._folder.is_dir():
            return ()
        found = []
        for path in sorted(self._folder.glob("*.json")):
            stored = read_json(path)
            if isinstance(stored.get("strips"), list):
                name = str(stored.get("name") or path.stem)
                macros = stored.get("macros")
                found.append(
                    Preset(
                        name,
                        tuple(stored["strips"]),
                        tuple(macros) if isinstance(macros, list) else (),
                        path=path,
                    )
                )
        return tuple(sorted(found, key=lambda p: p.name.lower()))

    def save(self, name: str, strips: Sequence[Strip], macros: Sequence[Macro] = ()) -> Path | None:
        """Write a preset; one of the same name is replaced."""
        if self._folder is None or not name.strip():
            return None
        path = self._folder / f"{slug(name)}.json"
        write_json(
            path,
            {"format": 1, "name": name.strip(), "strips": strips_to(strips), "macros": macros_to(macros)},
        )
        self.changed.emit()
        return path

    def delete(self, preset: Preset) -> None:
        if preset.path is not None:
            preset.path.unlink(missing_ok=True)
            self.changed.emit()


ROLES = (
    ("drums",), ("piano chords", "chords"), ("lead", "flute", "melody"),
    ("loud", "dynamics", "soft", "register", "bright"),
)  # fmt: skip
"""What a first rack is made of, each with words to look for: unlike one another."""
LEAST_RANGE = 0.5


def contrasting(bank: BankPort | None) -> list[FeatureLike]:
    """One proven slider for each of `ROLES` that can be pulled up; fewer where the bank has fewer."""
    found: dict[str, FeatureLike] = {}
    if bank is None:
        return []
    for words in ROLES:
        rows = [
            row for word in words for row in bank.find(Query(word, shelf="proven", fold=True), limit=6).rows
        ]
        reach = {row.id: bank.feature(row.id).usable_range for row in rows}
        rows = [
            row for row in rows if row.id not in found and row.label not in {f.label for f in found.values()}
        ]
        wide = [row for row in rows if (span := reach[row.id]) is not None and span[1] >= LEAST_RANGE]
        if wide:
            found[wide[0].id] = wide[0]
    return list(found.values())


def _inside(amount: float, usable: tuple[float, float] | None) -> float:
    """The amount, or the end of the usable range; zero where nothing is known."""
    return 0.0 if usable is None else round(max(usable[0], min(usable[1], amount)), 2)


def _factory(bank: BankPort) -> list[Preset]:
    presets = []
    for name, wanted in FACTORY:
        strips: dict[str, JsonObject] = {}
        for words, amount in wanted:
            rows = [
                r for r in bank.find(Query(words, fold=True), limit=6).rows
                if r.id not in strips and r.verdict != "harmful"
            ]  # fmt: skip
            if rows:
                usable = bank.feature(rows[0].id).usable_range
                strips[rows[0].id] = {
                    "id": rows[0].id, "label": rows[0].label, "amount": _inside(amount, usable),
                }  # fmt: skip
        if len(strips) >= 2:
            presets.append(Preset(name, tuple(strips.values()), factory=True))
    return presets
