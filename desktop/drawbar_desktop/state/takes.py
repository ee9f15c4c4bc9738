"""Finished takes -> a history on disk that survives a crash: sound, settings, tokens, activations, star, notes.

A take is a folder that appears under its final name only when everything in it is written and synced. One that
cannot be read is moved to the folder ``damaged`` beside the takes, never deleted.
"""

import errno
import itertools
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import Field

from drawbar.errors import BadInputError, DrawbarError
from drawbar.files.atomic_write import sync_folder, write_json
from drawbar.files.reading import read_text, typed_json
from drawbar.files.scratch import PREFIX, ScratchFolder, clear_abandoned
from drawbar.files.set_aside import set_aside
from drawbar.live.takes.take import TakeSettings, load_record
from drawbar_desktop.state.json_files import read_json
from drawbar_desktop.state.observable import Event, Value

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
THUMB = 72
AUDIO, RECORD, META, HEAT, TWIN = "take.wav", "take.json", "about.json", "heat.npz", "twin.wav"
DAMAGED = "damaged"
_MAX_ABOUT_BYTES = 1 << 20
_Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class StoredAbout:
    """What ``about.json`` holds beside the take's own record."""

    created_s: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
    seconds: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
    thumb: Annotated[tuple[tuple[_Number, _Number], ...], Field(max_length=10_000)] = ()
    starred: bool = False
    notes: str = ""
    recovered: bool = False
    grid: tuple[_Number, _Number, Annotated[int, Field(ge=1, le=16)]] | None = None
    """Tempo in beats a minute, where bar 1 begins in seconds, beats a bar."""
    loop: tuple[_Number, _Number] | None = None
    """From and to, in seconds."""


class TakeLike(Protocol):
    """What a store needs of a take (`drawbar.live.Take`)."""

    @property
    def audio(self) -> Floats:
        """The steered sound `[N]`, stereo `[N, 2]`."""
        ...

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def twin_audio(self) -> Floats | None:
        """The unsteered sound of the same seed."""
        ...

    def save(self, path: Path, *, twin: bool = False) -> object:
        """Write the sound with its settings, and a JSON beside it."""
        ...


@dataclass(frozen=True)
class TakeItem:
    """One line of the history."""

    id: str
    folder: Path
    created_s: float
    settings: TakeSettings
    seconds: float
    thumb: tuple[tuple[float, float], ...] = ()
    starred: bool = False
    notes: str = ""
    complete: bool = True
    recovered: bool = False
    bank: str = ""
    site: str = ""
    grid: tuple[float, float, int] | None = None
    loop: tuple[float, float] | None = None
    sliders: tuple[tuple[str, float], ...] = ()
    """Those that were away from zero at any time, each with its largest amount."""

    @property
    def path(self) -> Path:
        """The sound file: lasting, so that it may be dragged into other programs."""
        return self.folder / AUDIO

    @property
    def has_twin(self) -> bool:
        return (self.folder / TWIN).exists()

    def matches(self, text: str) -> bool:
        """Whether every word of a filter is in the prompt, the notes or the seed."""
        there = f"{self.settings.prompt} {self.notes} {self.settings.seed}".lower()
        return all(word in there for word in text.lower().split())


def thumbnail(audio: Floats, width: int = THUMB) -> tuple[tuple[float, float], ...]:
    """Audio -> `width` pairs of minimum and maximum."""
    if not len(audio):
        return ()
    edges = np.linspace(0, len(audio), min(width, len(audio)) + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(audio, edges), np.maximum.reduceat(audio, edges)
    if audio.ndim == 2:
        low, high = low.min(1), high.max(1)
    return tuple((round(float(a), 3), round(float(b), 3)) for a, b in zip(low, high, strict=True))


class TakeStore:
    """The folder of takes. Writing may happen on any thread; every take is whole or not there."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        self._bin: ScratchFolder | None = None
        self.damaged: list[Path] = []
        """Where takes were moved to that could not be read."""

    def add(
        self,
        take: TakeLike,
        *,
        heat: tuple[Sequence[str], Floats] | None = None,
        notes: str = "",
        recovered: bool = False,
        grid: tuple[float, float, int] | None = None,
    ) -> TakeItem:
        """Write a take -> its item. Raises DrawbarError, OSError."""
        created = self._clock()
        with ScratchFolder(self.folder) as scratch:
            work = scratch / "take"
            work.mkdir()
            take.save(work / AUDIO)
            if take.twin_audio is not None and len(take.twin_audio):
                take.save(work / TWIN, twin=True)
                (work / TWIN).with_suffix(".json").unlink(missing_ok=True)
            if heat is not None and len(heat[0]):
                _write_heat(work / HEAT, heat)
            about = {
                "format": 1, "created_s": created, "seconds": len(take.audio) / take.sample_rate_hz,
                "thumb": thumbnail(take.audio), "starred": False, "notes": notes, "recovered": recovered,
                "grid": grid,
            }  # fmt: skip
            write_json(work / META, about)
            id = self._named(work, created)
        sync_folder(self.folder)
        return self._read(id)

    def all(self) -> list[TakeItem]:
        """Every take, newest first; other folders are left alone, damaged takes set aside (`damaged`)."""
        if not self.folder.is_dir():
            return []
        found = [self.read(p.name) for p in self.folder.iterdir() if p.is_dir() and p.name[0] != "."]
        return sorted((item for item in found if item), key=lambda item: (-item.created_s, item.id))

    def read(self, id: str) -> TakeItem | None:
        """One take; None when it is not whole. A damaged one is set aside."""
        folder = self.folder / id
        if not ((folder / META).is_file() and (folder / RECORD).is_file()):
            return None
        try:
            return self._read(id)
        except OSError as error:
            log.warning("take %s cannot be read: %s", id, error)
        except DrawbarError as error:
            log.warning("take %s is damaged and set aside: %s", id, error)
            try:
                self.damaged.append(set_aside(folder, self.folder / DAMAGED))
            except OSError as refused:
                log.warning("take %s cannot be moved either: %s", id, refused)
        return None

    def _read(self, id: str) -> TakeItem:
        """Raises BadInputError, OSError."""
        folder = self.folder / id
        record = load_record(folder / RECORD)
        try:
            about = typed_json(StoredAbout, read_text(folder / META, _MAX_ABOUT_BYTES))
        except ValueError as error:
            raise BadInputError(f"{folder / META} cannot be read ({error})") from error
        return TakeItem(
            id,
            folder,
            about.created_s,
            record["settings"],
            about.seconds,
            about.thumb,
            about.starred,
            about.notes,
            record.get("complete", True),
            about.recovered,
            record.get("bank", ""),
            record.get("site", ""),
            about.grid,
            about.loop,
            tuple(sorted(moved_sliders(record).items())),
        )

    def record(self, item: TakeItem) -> dict[str, Any]:
        """Everything that made a take: settings, automation, tokens, bank, site. Raises BadInputError."""
        return load_record(item.folder / RECORD)

    def mark(
        self,
        item: TakeItem,
        *,
        starred: bool | None = None,
        notes: str | None = None,
        grid: tuple[float, float, int] | None = None,
        loop: tuple[float, float] | None = None,
    ) -> TakeItem:
        """What is given changes, on disk too."""
        new = replace(
            item,
            starred=item.starred if starred is None else starred,
            notes=item.notes if notes is None else notes.strip()[:2000],
            grid=item.grid if grid is None else grid,
            loop=item.loop if loop is None else loop,
        )
        about = read_json(item.folder / META)
        changed = {"starred": new.starred, "notes": new.notes, "grid": new.grid, "loop": new.loop}
        write_json(item.folder / META, {**about, **changed})
        return new

    def delete(self, item: TakeItem) -> Callable[[], None]:
        """Move it out of sight -> the function that brings it back (until `empty_bin`)."""
        if self._bin is None:
            self._bin = ScratchFolder(self.folder)
        deleted = self._bin.path / item.id
        item.folder.rename(deleted)

        def bring_back() -> None:
            deleted.rename(item.folder)

        return bring_back

    def empty_bin(self) -> None:
        """Really remove what this window deleted, and what a killed one left half-written."""
        if self._bin is not None:
            self._bin.close()
            self._bin = None
        clear_abandoned(self.folder)

    @staticmethod
    def audio(item: TakeItem, *, twin: bool = False) -> Floats:
        """The sound `[N]`, stereo `[N, 2]`."""
        data, _ = soundfile.read(item.folder / (TWIN if twin else AUDIO), dtype="float32")
        return np.asarray(data, np.float32)

    @staticmethod
    def heat(item: TakeItem) -> tuple[tuple[str, ...], Floats]:
        """Ids and activations `[R, T]` that were on screen; none for a take without."""
        try:
            with np.load(item.folder / HEAT, allow_pickle=False) as stored:
                return tuple(str(id) for id in stored["ids"]), np.asarray(stored["heat"], np.float32) / 100
        except (OSError, KeyError, ValueError):
            return (), np.zeros((0, 0), np.float32)

    def _named(self, work: Path, created: float) -> str:
        """Give a finished take the first free name of its second, whoever else is doing so -> the name."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(created))
        for number in itertools.count(1):
            id = stamp if number == 1 else f"{stamp}-{number}"
            deleted = self.folder.glob(f"{PREFIX}*/{id}")  # it may be brought back
            if not (self.folder / id).exists() and not any(deleted):
                try:
                    work.rename(self.folder / id)
                    break
                except OSError as error:  # somebody else's take has just got the name
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                        raise
        return id


class History:
    """The list as the panel shows it: filtered, starred only or not, one selected, up to two compared."""

    def __init__(self, store: TakeStore | None = None) -> None:
        self._store = store
        self._items: list[TakeItem] = []
        self.text = Value("")
        self.starred_only = Value(False)
        self.selected: Value[str | None] = Value(None)
        self.playing: Value[str | None] = Value(None)
        self.against: Value[str | None] = Value(None)
        """The take that the selected one is compared with."""
        self.changed: Event[[]] = Event()
        for value in (self.text, self.starred_only):
            value.changed.connect(lambda _: self.changed.emit())

    @property
    def store(self) -> TakeStore | None:
        return self._store

    def reload(self) -> None:
        self._items = self._store.all() if self._store else []
        self.changed.emit()

    def put(self, item: TakeItem) -> None:
        others = [other for other in self._items if other.id != item.id]
        self._items = sorted([*others, item], key=lambda i: (-i.created_s, i.id))
        self.changed.emit()

    def drop(self, id: str) -> None:
        self._items = [item for item in self._items if item.id != id]
        if self.selected.value == id:
            self.selected.set(None)
        self.changed.emit()

    @property
    def total(self) -> int:
        return len(self._items)

    def shown(self) -> tuple[TakeItem, ...]:
        """What passes the filter, newest first."""
        return tuple(
            item
            for item in self._items
            if item.matches(self.text.value) and (item.starred or not self.starred_only.value)
        )

    def get(self, id: str | None) -> TakeItem | None:
        return next((item for item in self._items if item.id == id), None)

    def mark(self, id: str, **changes: Any) -> None:
        """Star or annotate, on disk and in the list."""
        item = self.get(id)
        if item is not None and self._store is not None:
            self.put(self._store.mark(item, **changes))


def _write_heat(path: Path, heat: tuple[Sequence[str], Floats]) -> None:
    ids, values = heat
    packed = np.clip(np.round(np.asarray(values) * 100), 0, 255).astype(np.uint8)
    with path.open("wb") as handle:
        np.savez_compressed(handle, ids=np.array(list(ids)), heat=packed)
        handle.flush()
        os.fsync(handle.fileno())


def moved_sliders(record: Mapping[str, Any]) -> dict[str, float]:
    """A take's record -> slider by slider, the amount furthest from zero that it had at any time."""
    settings: TakeSettings = record["settings"]
    found = dict(settings.amounts)
    for id, points in dict((record.get("automation") or {}).get("lanes") or {}).items():
        amounts = [float(point[1]) for point in points if point[1] is not None]
        found[str(id)] = max([found.get(str(id), 0.0), *amounts], key=abs)
    return {id: amount for id, amount in found.items() if amount}
