"""The take that is being played -> a spool on disk while it plays, so that a crash loses nothing that was heard."""

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drawbar.errors import BadInputError
from drawbar.files.arrays import read_array
from drawbar.files.atomic_write import atomic, write_json
from drawbar.files.lock import Lock
from drawbar.files.reading import read_text, typed, typed_json
from drawbar.live.controls import MAX_AMOUNT
from drawbar.live.takes.take import Take, TakeSettings
from drawbar_desktop.state.json_files import read_json

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
PREFIX = ".recording-"
LOCK, ABOUT, AUDIO, MOVES, TOKENS = "lock", "about.json", "audio.f32", "moves.jsonl", "tokens.npy"
MAX_MOVES_BYTES = 1 << 30
SAMPLE_RATE_HZ, FRAME_RATE_HZ = 32_000, 50.0
"""Of MusicGen, where a spool does not say."""
T = TypeVar("T")
_Channels: Any = Annotated[int, Field(ge=1, le=2)]
_SampleRate: Any = Annotated[int, Field(ge=1_000, le=1_000_000)]
_FrameRate: Any = Annotated[float, Field(ge=1, le=10_000)]
_Seconds: Any = Annotated[float, Field(ge=0, le=1e12)]


class SpooledTrace(Protocol):
    """What is spooled (`drawbar.live.Trace`)."""

    def steered(self, since_sample: int = 0) -> Floats:
        """The steered audio from a sample on."""
        ...

    def tokens(self) -> NDArray[np.uint16]:
        """`[K, T]`."""
        ...


@dataclass(frozen=True)
class Move:
    """Where the sliders stood from a sample on."""

    sample: Annotated[int, Field(ge=0, le=1 << 50)]
    amounts: dict[str, Annotated[float, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]]


class Recorder:
    """Appends what was heard once a second; `end` removes the spool when the take itself is on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spool: Path | None = None
        self._locks: dict[Path, Lock] = {}
        """Of the spools that this window still needs: while one is held, nobody offers the spool for recovery."""
        self._audio: FileIO | None = None
        self._moves: FileIO | None = None
        self._samples, self._channels = 0, 1
        self._amounts: dict[str, float] = {}

    @property
    def recording(self) -> bool:
        return self._spool is not None

    def begin(self, settings: TakeSettings, about: Mapping[str, Any]) -> None:
        """A take starts; `about` has sample_rate_hz, channels, frame_rate_hz, bank and site."""
        self.end()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._spool = self._folder / f"{PREFIX}{time.time_ns()}"
        self._spool.mkdir()
        self._locks[self._spool] = Lock(self._spool / LOCK, "recording a take")
        self._locks[self._spool].take()
        self._samples, self._amounts = 0, dict(settings.amounts)
        self._channels = int(about.get("channels", 1))
        self._audio = (self._spool / AUDIO).open("wb", buffering=0)
        self._moves = (self._spool / MOVES).open("wb", buffering=0)
        write_json(
            self._spool / ABOUT,
            {"begun_s": time.time(), "settings": settings.to_dict(), **about},
        )

    def feed(self, trace: SpooledTrace, amounts: Mapping[str, float]) -> None:
        """Append what is new, and where the sliders stand if that changed."""
        if self._spool is None or self._audio is None or self._moves is None:
            return
        fresh = trace.steered(self._samples)
        if dict(amounts) != self._amounts:
            line = json.dumps({"sample": self._samples, "amounts": dict(amounts)})
            _write(self._moves, f"\n{line}\n".encode())  # a line that broke off spoils no other
            self._amounts = dict(amounts)
        if len(fresh):
            self._audio.seek(
                4 * self._channels * self._samples
            )  # over what a full disk left of the last attempt
            _write(self._audio, np.asarray(fresh, "<f4").tobytes())
            self._samples += len(fresh)
            tokens = trace.tokens()
            with atomic(self._spool / TOKENS) as temporary, temporary.open("wb") as handle:
                np.save(handle, np.asarray(tokens, "<u2"), allow_pickle=False)

    def end(self) -> None:
        """The take is on disk, or was never heard: the spool goes."""
        spool = self.detach()
        if spool is not None:
            self.discard(spool)

    def discard(self, spool: Path) -> None:
        """What was in a detached spool is on disk: it goes. Any thread may call this."""
        shutil.rmtree(spool, ignore_errors=True)
        self._locks.pop(spool).release()

    def detach(self) -> Path | None:
        """The take has ended and is being saved: whoever saves calls `discard`, another take may begin."""
        self.close()
        spool, self._spool = self._spool, None
        return spool

    def leave(self) -> Path | None:
        """The take could not be saved: the spool stays and will be offered -> where it is."""
        self.close()
        spool, self._spool = self._spool, None
        if spool is not None:
            self._locks.pop(spool).release()
        return spool

    def close(self) -> None:
        for handle in (self._audio, self._moves):
            if handle is not None:
                with contextlib.suppress(OSError):
                    handle.close()
        self._audio = self._moves = None


@dataclass(frozen=True)
class Leftover:
    """A spool whose program is gone."""

    folder: Path
    settings: TakeSettings
    begun_s: float
    sample_rate_hz: int
    frame_rate_hz: float
    samples: int
    bank: str
    site: str
    channels: int = 1
    damaged: bool = False
    """Its settings could not be read: the prompt and the sliders are unknown, the sound is whole."""

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate_hz

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def leftovers(folder: Path, least_s: float = 0.5) -> list[Leftover]:
    """What a crash left, newest first; spools of running programs are left alone, those without sound removed.

    What can be read of a damaged spool is used: with the sound alone there is a take.
    """
    found = []
    for path in sorted(folder.glob(f"{PREFIX}*"), reverse=True) if folder.is_dir() else []:
        lock = Lock(path / LOCK, "looking for what can be recovered")
        try:
            if not (path / AUDIO).is_file() or not lock.take():
                continue  # it is beginning at this moment, or being recorded
        except OSError as error:
            log.warning("%s cannot be recovered: %s", path, error)
            continue
        try:
            left = _leftover(path)
            if left.seconds < least_s:
                left.discard()
            else:
                found.append(left)
        finally:
            lock.release()
    return found


def _leftover(path: Path) -> Leftover:
    about = read_json(path / ABOUT)

    def usable(kind: type[T], name: str, fallback: T) -> T:
        try:
            return typed(kind, about[name])
        except (KeyError, ValueError) as error:
            log.warning("%s: %s of %s cannot be used (%s)", path, name, ABOUT, error)
            return fallback

    try:
        settings, damaged = TakeSettings.from_dict(usable(dict[str, Any], "settings", {})), not about
    except BadInputError as error:
        log.warning("%s: %s", path, error)
        settings, damaged = TakeSettings(), True
    channels = usable(_Channels, "channels", 1) if "channels" in about else 1
    return Leftover(
        path,
        settings,
        usable(_Seconds, "begun_s", _begun_s(path)),
        usable(_SampleRate, "sample_rate_hz", SAMPLE_RATE_HZ),
        usable(_FrameRate, "frame_rate_hz", FRAME_RATE_HZ),
        (path / AUDIO).stat().st_size // (4 * channels),
        usable(str, "bank", ""),
        usable(str, "site", ""),
        channels,
        damaged or "settings" not in about,
    )


def _begun_s(path: Path) -> float:
    """When a spool was begun, from its name."""
    digits = path.name.removeprefix(PREFIX)
    return int(digits[:19]) / 1e9 if digits.isascii() and digits.isdigit() else 0.0


def recovered_take(left: Leftover) -> Take:
    """A spool -> a take with what was heard; its automation holds each move as a step."""
    with (left.folder / AUDIO).open("rb") as handle:
        audio = np.frombuffer(handle.read(4 * left.samples * left.channels), "<f4").astype(np.float32)
    audio = audio if left.channels == 1 else audio.reshape(-1, left.channels)
    audio = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
    return Take(
        audio,
        left.sample_rate_hz,
        _tokens(left.folder / TOKENS),
        left.settings,
        automation={"lanes": _lanes(left), "kept": []},
        bank=left.bank,
        site=left.site,
        complete=False,
    )


def _tokens(path: Path) -> NDArray[np.uint16]:
    """``[K, T]``; none where the file is damaged."""
    try:
        return read_array(path, np.uint16, dimensions=2)
    except (OSError, ValueError) as error:
        log.warning("%s cannot be used: %s", path, error)
        return np.zeros((4, 0), np.uint16)


def _lanes(left: Leftover) -> dict[str, list[list[float]]]:
    lanes: dict[str, list[list[float]]] = {id: [[0, a]] for id, a in left.settings.amounts.items()}
    per_frame = left.sample_rate_hz / left.frame_rate_hz
    try:
        lines = read_text(left.folder / MOVES, MAX_MOVES_BYTES).splitlines()
    except (OSError, ValueError) as error:
        log.warning("the moves in %s cannot be used: %s", left.folder, error)
        lines = []
    for line in lines:
        try:
            move = typed_json(Move, line)
        except ValueError:
            continue  # the last line was being written when it ended
        frame = round(move.sample / per_frame)
        for id, amount in move.amounts.items():
            points = lanes.setdefault(id, [[0, 0.0]])
            if points[-1][1] != amount and frame >= points[-1][0]:
                points += [[frame, points[-1][1]], [frame, amount]]
    return lanes


def _write(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())
