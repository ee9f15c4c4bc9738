"""A target and seeds -> what became of each: run in a forked worker that is watched for time, memory, foreign writes.

One worker takes inputs one after the other (a fork each would cost more than most inputs do); it is replaced when one
hangs, grows too large or kills it. Linux only: memory is read from /proc.
"""

import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from drawbar.errors import DrawbarError
from drawbar.files.reading import typed_json

LONGEST = 900
"""Characters of a refusal, but for the folder it is in."""
MOST_S, MOST_WALL_S, MOST_BYTES = 20.0, 300.0, 4 << 30
"""Of processor time, so that a busy machine makes no hangs; of time, for what only waits; of memory."""
Target = Callable[[random.Random, Path, Path], object]
"""A draw, the folder of whole specimens, a folder that does not exist yet -> whatever; DrawbarError is a refusal."""
_NOW = struct.Struct("qqqd")  # seed, inputs done, those that were refused, when the seed was begun
_WRITES = {
    "os.mkdir": ((0, 2),), "os.remove": ((0, 1),), "os.rmdir": ((0, 1),), "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),), "os.utime": ((0, 3),), "os.rename": ((0, 2), (1, 3)), "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}  # fmt: skip
"""Audit events: which arguments are paths that change, and which say in what folder (a descriptor, -1 for none)."""


@dataclass(frozen=True)
class Finding:
    """One input that broke a promise; `draw_of` gives it again."""

    target: str
    seed: int
    kind: str
    words: str


Outcome = Finding | Literal["used", "refused"]


def draw_of(target: Target, seed: int) -> random.Random:
    """What an input is made from."""
    return random.Random(f"{target.__name__} {seed}")


def attempt(target: Target, seed: int, home: Path, place: Path) -> Outcome:
    """One input in this process."""
    name = target.__name__
    try:
        target(draw_of(target, seed), home, place)
    except DrawbarError as error:
        said = str(error).replace(str(place.parent), "")
        if len(said) > LONGEST:
            return Finding(name, seed, "long", f"{len(said)} characters: {said[:300]}")
        if not said.isprintable():
            return Finding(name, seed, "control", repr(said[:300]))
        return "refused"
    except Exception as error:
        where = "".join(traceback.format_tb(error.__traceback__)[-3:])
        return Finding(name, seed, "uncaught", f"{error!r}"[:400] + "\n" + where)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return "used"


def run(target: Target, seeds: Iterable[int], home: Path, root: Path) -> Iterator[Outcome]:
    """Every seed in watched workers -> what became of it, findings first; ``root`` is an empty folder for them."""
    waiting = list(seeds)
    while waiting:
        done, refused, findings = _worker(target, waiting, home, root)
        yield from findings
        for _ in range(refused):
            yield "refused"
        for _ in range(done - refused - len(findings)):
            yield "used"
        waiting = waiting[done:]


def _worker(target: Target, seeds: list[int], home: Path, root: Path) -> tuple[int, int, list[Finding]]:
    """One worker, until it is through or has to be ended -> how many seeds it had and refused, and what was found."""
    shared = mmap.mmap(-1, _NOW.size)
    reading, writing = os.pipe()
    before = _tree(home)
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            _work(target, seeds, home, root, shared, writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    ended = _watch(child, shared, target.__name__)
    with open(reading, encoding="utf-8") as pipe:
        findings = [typed_json(Finding, line) for line in pipe]
    _, done, refused, _ = _NOW.unpack(shared[:])
    if ended is not None:
        findings.append(ended)
        done += 1
    shutil.rmtree(root, ignore_errors=True)
    if _tree(home) != before:
        findings.append(Finding(target.__name__, seeds[0], "changed", "the specimens are not what they were"))
    return done, refused, findings


def _work(target: Target, seeds: list[int], home: Path, root: Path, shared: mmap.mmap, writing: int) -> None:
    root.mkdir(parents=True)
    (root / "tmp").mkdir()
    tempfile.tempdir = str(root / "tmp")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    outside = writes_outside(root)
    refused = 0
    with open(writing, "w", encoding="utf-8") as pipe:
        for done, seed in enumerate(seeds):
            shared[:] = _NOW.pack(seed, done, refused, time.monotonic())
            os.environ["DRAWBAR_HOME"] = os.environ["HOME"] = str(root / str(seed) / "home")
            found = attempt(target, seed, home, root / str(seed))
            if outside:
                found = Finding(target.__name__, seed, "outside", "; ".join(outside[:3]))
                outside.clear()
            refused += found == "refused"
            if isinstance(found, Finding):
                pipe.write(json.dumps(asdict(found)) + "\n")
                pipe.flush()
        shared[:] = _NOW.pack(seeds[-1], len(seeds), refused, time.monotonic())


def writes_outside(root: Path) -> list[str]:
    """From now on every change that this process makes outside ``root`` is added to the list."""
    outside: list[str] = []
    own = os.path.realpath(root)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        changed = _WRITES.get(event, ())
        if event == "open" and isinstance(arguments[2], int):
            if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                changed = ((0, None),)
        elif event == "sqlite3.connect" and "mode=ro" not in str(arguments[0]):
            changed = ((0, None),)
        for at, folder in changed:
            path, held = arguments[at], -1 if folder is None else arguments[folder]
            if not isinstance(path, (str, bytes, os.PathLike)):
                continue  # a descriptor: it was opened by name before
            name = os.fsdecode(path).removeprefix("file:").partition("?mode=")[0]
            if isinstance(held, int) and held >= 0:
                name = os.path.join(os.readlink(f"/proc/self/fd/{held}"), name)
            if not _allowed(name, own):
                outside.append(f"{event} {name}")

    sys.addaudithook(audit)
    return outside


def _allowed(path: str, own: str) -> bool:
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return real.startswith((own + os.sep, "/dev/", "/proc/")) or real == own or path in ("", ":memory:") or (
        real.endswith(".pyc") or "__pycache__" in real
    )  # fmt: skip


def _watch(child: int, shared: mmap.mmap, target: str) -> Finding | None:
    """Wait for a worker -> why it was ended, or None where it came to its own end."""
    known, spent = None, 0.0
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        seed, _, _, begun = _NOW.unpack(shared[:])
        if found:
            code = os.waitstatus_to_exitcode(status)
            return None if code == 0 else Finding(target, seed, "died", f"exit {code}")
        if seed != known:
            known, spent = seed, _processor_s(child)
        kind = ""
        if begun and (_processor_s(child) - spent > MOST_S or time.monotonic() - begun > MOST_WALL_S):
            kind = "hang"
        elif _resident(child) > MOST_BYTES:
            kind = "memory"
        if kind:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Finding(target, seed, kind, f"limits: {MOST_S:.0f} s, {MOST_BYTES >> 30} GB")
        time.sleep(0.02)


def _processor_s(process: int) -> float:
    with contextlib.suppress(OSError, IndexError, ValueError):
        user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _resident(process: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _tree(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((str(p), (s := p.stat()).st_size, s.st_mtime_ns) for p in folder.rglob("*") if p.is_file())
