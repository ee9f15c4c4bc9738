"""kill -9 at random moments of every writer, and several writers at once: what was said to be saved is there, whole.

`pytest tests/test_killed_writers.py --long` kills each of them forty times.
"""

import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from drawbar.bank import Bank, install_bank, installed_banks
from drawbar.bank.bundle import export_bank, read_bundle
from drawbar.steering.own import OwnDirection, OwnDirections
from drawbar_desktop.state.export import ExportChoice, export_take
from drawbar_desktop.state.presets import Presets
from drawbar_desktop.state.recording import leftovers, recovered_take
from drawbar_desktop.state.settings import Settings
from drawbar_desktop.state.takes import TakeStore
from drawbar_desktop.state.votes import Votes
from tests.bank.small_bank import INFO, fill
from tests.desktop.test_state_keeping import make_take, spool

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
Write = Callable[[Path, int, str], object]
Check = Callable[[Path, int], object]


@dataclass(frozen=True)
class Writer:
    """``write`` saves the n-th thing of one writer; ``check`` says whether ``n`` or more are there, all whole."""

    name: str
    write: Write
    check: Check
    many: bool = True
    """Whether several may write at once and every thing stays (else the last one counts)."""


def bank_in(place: Path) -> Path:
    folder = place / "bank"
    if not folder.exists():
        with Bank.create(folder, INFO, edits=place / "edits") as bank:
            fill(bank)
        export_bank(folder, place / "b.drawbank")
    return folder


def add_take(place: Path, n: int, who: str) -> None:
    TakeStore(place / "takes").add(make_take(0.05, seed=n))


def takes_are_whole(place: Path, n: int) -> None:
    store = TakeStore(place / "takes")
    items = store.all()
    assert len(items) >= n
    for item in items:
        assert len(soundfile.read(item.path)[0]) == 1600
        assert store.record(item)


def mark_take(place: Path, n: int, who: str) -> None:
    store = TakeStore(place / "takes")
    item = (store.all() or [store.add(make_take(0.05))])[0]
    store.mark(item, notes=str(n))


def mark_is_whole(place: Path, n: int) -> None:
    takes_are_whole(place, min(n, 1))
    if n:
        assert int(TakeStore(place / "takes").all()[0].notes) >= n - 1


def export(place: Path, n: int, who: str) -> None:
    store = TakeStore(place / "takes")
    item = (store.all() or [store.add(make_take(0.05))])[0]
    export_take(store, item, ExportChoice(place / "out.wav", "wav", bypassed=True))


def export_is_whole(place: Path, n: int) -> None:
    takes_are_whole(place, min(n, 1))
    found = list(place.glob("out*.wav"))
    assert len(found) >= min(n, 1) * 2
    assert all(len(soundfile.read(path)[0]) == 1600 for path in found)


def play(place: Path, n: int, who: str) -> None:
    spool(place / f"spool-{who}-{n}", 1).leave()


def spools_are_whole(place: Path, n: int) -> None:
    found = [left for folder in place.glob("spool-*") for left in leftovers(folder)]
    whole = [left for left in found if len(recovered_take(left).audio) == 32_000]
    assert len(whole) >= n


def set_value(place: Path, n: int, who: str) -> None:
    settings = Settings(place / "settings.json")
    names = {"0": "prompt", "1": "author", "2": "device", "3": "model"}
    settings.set(names[who], str(n))
    settings.save()


def settings_are_whole(place: Path, n: int) -> None:
    assert not list(place.glob("*.damaged*"))
    if n:
        assert int(Settings(place / "settings.json")["prompt"]) >= n - 1


def save_preset(place: Path, n: int, who: str) -> None:
    Presets(place / "presets").save(f"{who} {n}", [])


def presets_are_whole(place: Path, n: int) -> None:
    assert len(Presets(place / "presets").user()) >= n
    assert not list((place / "presets").glob("*.damaged*"))


def vote(place: Path, n: int, who: str) -> None:
    Votes(place / "votes.json").vote(f"3/{n}", who, "text", 1)


def votes_are_whole(place: Path, n: int) -> None:
    votes = Votes(place / "votes.json")
    assert sum(votes.of(f"3/{k}", who, "text") for k in range(2000) for who in "0123") >= n


def save_direction(place: Path, n: int, who: str) -> None:
    vector = np.eye(1, 8, n % 8, dtype=np.float32)[0]
    OwnDirections(place / "mine").save(OwnDirection(f"d{who}x{n}", "f" * 64, "embedded", 1, vector, 1.0))


def directions_are_whole(place: Path, n: int) -> None:
    mine = OwnDirections(place / "mine")
    assert len(mine.names()) >= n
    assert all(np.linalg.norm(mine.load(name).vector) > 0.9 for name in mine.names())


def add_label(place: Path, n: int, who: str) -> None:
    with Bank.open(bank_in(place), edits=place / "edits") as bank:
        bank.add_label("3/5", f"label {who} {n}")


def labels_are_whole(place: Path, n: int) -> None:
    with Bank.open(bank_in(place), edits=place / "edits") as bank:
        assert sum(label.text.startswith("label") for label in bank.feature("3/5").labels) >= n
        assert bank.notes == ()


def install(place: Path, n: int, who: str) -> None:
    install_bank(place / "b.drawbank", place / "installed", edits=place / "edits")


def installed_is_whole(place: Path, n: int) -> None:
    found = installed_banks(place / "installed")
    assert len(found) <= 1
    assert len(found) >= min(n, 1)
    for bank in found:
        with Bank.open(place / "installed" / bank.name, edits=place / "edits") as opened:
            assert opened.count() == 7


def pack(place: Path, n: int, who: str) -> None:
    export_bank(bank_in(place), place / "out.drawbank")


def bundle_is_whole(place: Path, n: int) -> None:
    found = list(place.glob("out*"))
    assert len(found) >= min(n, 1)
    for path in found:
        read_bundle(path)


WRITERS = (
    Writer("take", add_take, takes_are_whole),
    Writer("note", mark_take, mark_is_whole, many=False),
    Writer("export", export, export_is_whole, many=False),
    Writer("spool", play, spools_are_whole),
    Writer("settings", set_value, settings_are_whole, many=False),
    Writer("preset", save_preset, presets_are_whole),
    Writer("votes", vote, votes_are_whole),
    Writer("direction", save_direction, directions_are_whole),
    Writer("label", add_label, labels_are_whole),
    Writer("install", install, installed_is_whole, many=False),
    Writer("pack", pack, bundle_is_whole, many=False),
)


def child(writer: Writer, place: Path, first: int, count: int, who: str) -> tuple[int, int]:
    """A process that saves thing after thing and says so after each -> its number and where it is heard."""
    reading, writing = os.pipe()
    number = os.fork()
    if number:
        os.close(writing)
        return number, reading
    code = 1
    try:
        os.environ["DRAWBAR_HOME"] = str(place / "home")
        for n in range(first, first + count):
            writer.write(place, n, who)
            os.write(writing, b".")
        code = 0
    finally:
        os._exit(code)


def heard(reading: int) -> int:
    """How many were saved, once the child has ended."""
    total = 0
    while part := os.read(reading, 4096):
        total += len(part)
    os.close(reading)
    return total


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: str(writer.name))
def test_a_writer_that_is_killed_loses_nothing(
    writer: Writer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    draw, saved, following = random.Random(writer.name), 0, 0
    bank_in(tmp_path)
    for _ in range(40 if request.config.getoption("--long") else 3):
        number, reading = child(writer, tmp_path, following, 500, "0")
        select.select([reading], [], [], 60)  # it is at work
        time.sleep(draw.uniform(0, 0.05))
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
        done = heard(reading)
        saved, following = saved + done, following + done
        writer.check(tmp_path, saved)
        following += writer.many  # the one that was cut short may be there all the same
        writer.write(tmp_path, following, "0")
        saved, following = saved + 1, following + 1
        writer.check(tmp_path, saved)


@pytest.mark.parametrize("writers", [2, 4])
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: str(writer.name))
def test_several_at_once_all_save(writer: Writer, tmp_path: Path, writers: int) -> None:
    bank_in(tmp_path)
    each = 4
    running = [child(writer, tmp_path, 0, each, str(who)) for who in range(writers)]
    for number, reading in running:
        assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == 0, "every one succeeds"
        assert heard(reading) == each
    writer.check(tmp_path, each * writers if writer.many else 1)
