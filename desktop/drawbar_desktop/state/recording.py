"""The take that is being played -> a spool on disk while it plays, so that a crash loses nothing that was heard."""

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import DrawbarError
from drawbar.live.takes.take import Take, TakeSettings
from drawbar_desktop.state.json_files import read_json, write_json

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
PREFIX = ".recording-"


class SpooledTrace(Protocol):
    """What is spooled (`drawbar.live.Trace`)."""

    def steered(self, since_sample: int = 0) -> Floats:
        """The steered audio from a sample on."""
        ...

    def tokens(self) -> NDArray[np.uint16]:
        """`[K, T]`."""
        ...


class Recorder:
    """Appends what was heard once a second; `end` removes the spool when the take itself is on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spool: Path | None = None
        self._audio: BinaryIO | None = None
        self._moves: BinaryIO | None = None
        self._samples = 0
        self._amounts: dict[str, float] = {}

    @property
    def recording(self) -> bool:
        return self._spool is not None

    def begin(self, settings: TakeSettings, about: Mapping[str, Any]) -> None:
        """A take starts; `about` has sample_rate_hz, frame_rate_hz, bank and site."""
        self.end()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._spool = self._folder / f"{PREFIX}{time.time_ns()}"
        self._spool.mkdir()
        self._samples, self._amounts = 0, dict(settings.amounts)
        self._audio = (self._spool / "audio.f32").open("wb")
        self._moves = (self._spool / "moves.jsonl").open("wb")
        write_json(
            self._spool / "about.json",
            {"pid": os.getpid(), "begun_s": time.time(), "settings": settings.to_dict(), **about},
        )

    def feed(self, trace: SpooledTrace, amounts: Mapping[str, float]) -> None:
        """Append what is new, and where the sliders stand if that changed."""
        if self._spool is None or self._audio is None or self._moves is None:
            return
        fresh = trace.steered(self._samples)
        if dict(amounts) != self._amounts:
            self._amounts = dict(amounts)
            line = json.dumps({"sample": self._samples, "amounts": self._amounts}) + "\n"
            _append(self._moves, line.encode())
        if len(fresh):
            self._samples += len(fresh)
            _append(self._audio, np.asarray(fresh, "<f4").tobytes())
            tokens = trace.tokens()
            temporary = self._spool / "tokens.tmp"
            with temporary.open("wb") as handle:
                np.save(handle, np.asarray(tokens, "<u2"), allow_pickle=False)
            temporary.replace(self._spool / "tokens.npy")

    def end(self) -> None:
        """The take is on disk, or was never heard: the spool goes."""
        self.close()
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None

    def detach(self) -> Path | None:
        """The take has ended and is being saved: whoever saves removes the spool, another take may begin."""
        self.close()
        spool, self._spool = self._spool, None
        return spool

    def leave(self) -> Path | None:
        """The take could not be saved: the spool stays and will be offered -> where it is."""
        self.close()
        spool, self._spool = self._spool, None
        if spool is not None:
            about = read_json(spool / "about.json")
            write_json(spool / "about.json", {**about, "pid": 0})
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

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate_hz

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def leftovers(folder: Path, least_s: float = 0.5) -> list[Leftover]:
    """What a crash left, newest first; spools of running programs are left alone, empty ones removed."""
    found = []
    for path in sorted(folder.glob(f"{PREFIX}*"), reverse=True) if folder.is_dir() else []:
        about = read_json(path / "about.json")
        if _alive(about.get("pid")):
            continue
        try:
            audio = path / "audio.f32"
            left = Leftover(
                path,
                TakeSettings.from_dict(about["settings"]),
                float(about["begun_s"]),
                int(about["sample_rate_hz"]),
                float(about["frame_rate_hz"]),
                audio.stat().st_size // 4 if audio.exists() else 0,
                str(about.get("bank", "")),
                str(about.get("site", "")),
            )
        except (DrawbarError, KeyError, TypeError, ValueError, OSError) as error:
            log.warning("%s cannot be recovered: %s", path, error)
            shutil.rmtree(path, ignore_errors=True)
            continue
        if left.seconds < least_s:
            left.discard()
        else:
            found.append(left)
    return found


def recovered_take(left: Leftover) -> Take:
    """A spool -> a take with what was heard; its automation holds each move as a step."""
    with (left.folder / "audio.f32").open("rb") as handle:
        audio = np.frombuffer(handle.read(4 * left.samples), "<f4").astype(np.float32)
    audio = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
    try:
        tokens = np.load(left.folder / "tokens.npy", allow_pickle=False)
        tokens = np.asarray(tokens, np.uint16).reshape(tokens.shape[0], -1)
    except (OSError, ValueError):
        tokens = np.zeros((4, 0), np.uint16)
    return Take(
        audio,
        left.sample_rate_hz,
        tokens,
        left.settings,
        automation={"lanes": _lanes(left), "kept": []},
        bank=left.bank,
        site=left.site,
        complete=False,
    )


def _lanes(left: Leftover) -> dict[str, list[list[float]]]:
    lanes: dict[str, list[list[float]]] = {id: [[0, a]] for id, a in left.settings.amounts.items()}
    per_frame = left.sample_rate_hz / left.frame_rate_hz
    try:
        lines = (left.folder / "moves.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            move = json.loads(line)
            frame = round(move["sample"] / per_frame)
            for id, amount in move["amounts"].items():
                points = lanes.setdefault(str(id), [[0, 0.0]])
                if points[-1][1] != amount and frame >= points[-1][0]:
                    points += [[frame, points[-1][1]], [frame, float(amount)]]
        except (ValueError, KeyError, TypeError):
            break  # the last line was being written when it ended
    return lanes


def _append(handle: BinaryIO, data: bytes) -> None:
    handle.write(data)
    handle.flush()
    os.fsync(handle.fileno())


def _alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0 or pid == os.getpid():
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return False
