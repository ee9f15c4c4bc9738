"""Seconds and a seed -> real commands, one after the other on one home, some killed, some two at once: what broke.

python -m tests.fuzz.soak --seconds 3600 --seed 1

Every command is a forked process (importing everything anew would take most of the time). After each one, what was said
to be saved is looked for: installed banks, labels, directions, files. A finding names the step; the same seed goes the
same way, kills apart.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from drawbar import cli
from drawbar.bank import Bank, installed_banks
from drawbar.bank.bundle import read_bundle
from drawbar.files.scratch import PREFIX
from drawbar.steering.own import OwnDirection, OwnDirections
from tests.fuzz.commands import lay_out, random_line
from tests.fuzz.guard import LONGEST, writes_outside

MOST_WALL_S = 300.0
KILLED = -signal.SIGKILL
Line = list[str]


@dataclass(frozen=True)
class Command:
    """Words, what is true once they are done, and the folder where they are given."""

    line: Line
    then: Callable[[], object] = lambda: None
    where: str = "place"


@dataclass
class Soak:
    """One home and what has to be in it."""

    root: Path
    draw: random.Random
    banks: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    directions: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    """What a command was killed over: it may be there or not."""
    findings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    made: int = 0

    @property
    def place(self) -> Path:
        return self.root / "place"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def new_name(self) -> str:
        self.made += 1
        return f"n{self.made}"

    def step(self) -> None:
        """One command, or two at once; sometimes killed. Then everything is looked at."""
        together = [self._any() for _ in range(2 if self.draw.random() < 0.1 else 1)]
        kill = self.draw.random() < 0.15
        running = [(one, *_start(self.root, one)) for one in together]
        if kill:
            time.sleep(self.draw.uniform(0, 0.2))
        for one, child, said in running:
            if kill:
                os.kill(child, signal.SIGKILL)
            code, words = _end(child, said)
            self.counts[f"{one.line[0]} {code}"] += 1
            self._judge(one.line, code, words)
            if code == 0:
                one.then()
            elif code == KILLED:  # it may have been done
                self.unsure |= {"test-ffffffff", *one.line}
        try:
            self._check()
        except Exception as error:
            where = "".join(traceback.format_tb(error.__traceback__)[-2:])
            self.findings.append(f"after {[one.line for one in together]}: {error!r}\n{where}")
            self._begin_anew()

    def _any(self) -> Command:
        ways = [
            *[self._nonsense] * 6, *[self._install] * 2, *[self._label] * 4, *[self._direction] * 2, self._remove,
            self._forget, self._pack, self._render, *[self._read] * 3,
        ]  # fmt: skip
        return self.draw.choice(ways)()

    def _nonsense(self) -> Command:
        return Command(random_line(self.draw, self.root / "odd"), self._look_again, "odd")

    def _look_again(self) -> None:
        """Nonsense may be sense: a bank's name, say, behind ``bank remove``."""
        self.unsure |= self.banks | self.directions

    def _install(self) -> Command:
        return Command(["bank", "install", "b.drawbank"], lambda: self.banks.add("test-ffffffff"))

    def _remove(self) -> Command:
        return Command(["bank", "remove", "test-ffffffff"], lambda: self.banks.discard("test-ffffffff"))

    def _label(self) -> Command:
        """The labels are the bank's own folder's, which nothing else edits."""
        name = self.new_name()
        (self.place / f"{name}.csv").write_text(f"feature,label\n3/5,{name}\n")
        return Command(["features", "import", f"{name}.csv", "--bank", "bank"], lambda: self.labels.add(name))

    def _direction(self) -> Command:
        name = self.new_name()
        unlike = [word for n in range(3) for word in ("--unlike", f"tone{n}.wav")]
        words = ["direction", "from-examples", *(f"noise{n}.wav" for n in range(3)), *unlike, "--name", name]
        return Command([*words, "--model", "hf", "--layer", "1"], lambda: self.directions.add(name))

    def _forget(self) -> Command:
        name = self.draw.choice(sorted(self.directions) or ["none"])
        return Command(["direction", "remove", name], lambda: self.directions.discard(name))

    def _pack(self) -> Command:
        out = self.place / f"{self.new_name()}.drawbank"
        return Command(["bank", "pack", "bank", out.name], lambda: read_bundle(out))

    def _render(self) -> Command:
        out = self.place / f"{self.new_name()}.{self.draw.choice(('wav', 'flac'))}"
        words = ["render", "slow piano", "--model", "hf", "--seconds", "0.2", "--out", out.name]
        return Command(words, lambda: soundfile.read(out))

    def _read(self) -> Command:
        return Command(self.draw.choice((
            ["bank", "list", "--json"], ["bank", "verify", "bank"], ["bank", "verify", "b.drawbank"],
            ["features", "search", "drums", "--bank", "bank"], ["features", "show", "3/5", "--bank", "bank", "--json"],
            ["direction", "list"], ["model", "show", "hf"], ["model", "list"],
        )))  # fmt: skip

    def _judge(self, line: Line, code: int, said: str) -> None:
        last = said.strip().rpartition("\n")[2]
        if code not in (0, 1, 2, KILLED) or "Traceback" in said:
            self.findings.append(f"exit code {code} of {line!r:.400}: {said[-1500:]}")
        elif code == 1 and (len(last) > LONGEST or not last.isprintable()):
            self.findings.append(f"{len(last)} characters from {line!r:.400}: {last[:300]!r}")

    def _check(self) -> None:
        """Whole, complete, and nothing half-written that is listed."""
        self.banks = _agree("banks", self.banks, {bank.name for bank in installed_banks()}, self.unsure)
        mine = OwnDirections()
        for name in mine.names():
            assert isinstance(mine.load(name), OwnDirection)
        self.directions = _agree("directions", self.directions, set(mine.names()), self.unsure)
        with Bank.open(self.place / "bank") as bank:
            assert bank.notes == ()
            found = {label.text for label in bank.feature("3/5").labels if label.text[:1] == "n"}
        self.labels = _agree("labels", self.labels, found, self.unsure | {f[:-4] for f in self.unsure})
        for path in self.place.glob("n*.drawbank"):
            read_bundle(path)
        for path in (*self.place.glob("n*.wav"), *self.place.glob("n*.flac")):
            soundfile.read(path)
        self.unsure.clear()

    def _begin_anew(self) -> None:
        """After a finding: one fault is to be told once."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.banks, self.labels, self.directions = set(), set(), set()

    def finish(self) -> None:
        """What killed commands left unfinished is cleared by the next of their kind, and nothing else is there."""
        for one in (self._install(), self._pack(), self._render(), self._label()):
            code, words = _end(*_start(self.root, one))
            self._judge(one.line, code, words)
        left = [p.name for p in (self.home / "installed").glob(f"{PREFIX}*")]
        if left:
            self.findings.append(f"left over: {left}")


def _agree(what: str, wanted: set[str], found: set[str], unsure: set[str]) -> set[str]:
    lost, extra = wanted - found - unsure, found - wanted - unsure
    assert not lost, f"{what} lost: {sorted(lost)}"
    assert not extra, f"{what} from nowhere: {sorted(extra)}"
    return found


def _start(root: Path, one: Command) -> tuple[int, Path]:
    """A command as a process of its own -> its number, and the file with what it says."""
    said = root / f"said-{time.monotonic_ns()}"
    child = os.fork()
    if child:
        return child, said
    code = 99
    try:
        os.setsid()
        out = os.open(said, os.O_WRONLY | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        os.chdir(root / one.where)
        outside = writes_outside(root)
        code = cli.main(one.line)
        if outside:
            print(f"Traceback of writes outside: {outside[:3]}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end(child: int, said: Path) -> tuple[int, str]:
    until = time.monotonic() + MOST_WALL_S
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 124, f"no end within {MOST_WALL_S:.0f} s"
        time.sleep(0.01)
    words = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
    said.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status), words


def soak(root: Path, specimens: Path, seed: int, *, steps: int = sys.maxsize, seconds: float = 1e12) -> Soak:
    """Steps until there are enough, or time is up -> what was found. ``DRAWBAR_HOME`` has to be ``root / "home"``."""
    draw = random.Random(f"soak {seed}")
    running = Soak(root, draw)
    lay_out(specimens, running.place)
    lay_out(specimens, root / "odd")  # what is nonsense may write over everything there
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 32_000))
    for n in range(3):
        soundfile.write(running.place / f"noise{n}.wav", noise[n], 32_000)
        soundfile.write(running.place / f"tone{n}.wav", np.sin(np.arange(32_000) * (0.03 + 0.01 * n)), 32_000)
    until = time.monotonic() + seconds
    for _ in range(steps):
        if time.monotonic() > until:
            break
        running.step()
    running.finish()
    return running


def main() -> int:
    """Findings, one after the other, and how many commands there were; the exit code says whether there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
    from tests.fuzz.specimens import write_specimens
    from tests.fuzz.targets import warm_up

    with tempfile.TemporaryDirectory(prefix="drawbar-soak-") as folder:
        root, specimens = Path(folder, "root"), Path(folder, "whole")
        root.mkdir()
        specimens.mkdir()
        os.environ["DRAWBAR_HOME"] = os.environ["HOME"] = str(root / "home")
        os.environ["TMPDIR"] = str(root)
        tempfile.tempdir = None
        write_specimens(specimens)
        warm_up(specimens)
        done = soak(root, specimens, options.seed, seconds=options.seconds)
    for finding in done.findings:
        print(finding)
    print(json.dumps(done.counts, sort_keys=True))
    print(f"{sum(done.counts.values())} commands, {len(done.findings)} findings")
    return int(bool(done.findings))


if __name__ == "__main__":
    sys.exit(main())
