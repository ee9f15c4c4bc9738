"""kill -9 while something is being written: whole or not there, and what was being played is offered again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile

from drawbar_desktop.app import App, make_application
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.export import ExportChoice, export_take
from drawbar_desktop.state.takes import TakeStore
from tests.desktop.fakes import FakeEngine, fake_load, start_or_stop
from tests.desktop.test_state_keeping import make_take

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.desktop.test_killed import {what}
{what}(Path(sys.argv[1]))
"""


def export_for_ever(folder: Path) -> None:
    """Over the same files again and again, both stems."""
    store = TakeStore(folder / "takes")
    item = store.all()[0]
    print("ready", flush=True)
    while True:
        export_take(store, item, ExportChoice(folder / "out.wav", "wav", bypassed=True))
        print("ready", flush=True)


def play_in_a_window(folder: Path) -> None:
    """The application itself, its timers running, until a second has been spooled."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = make_application(["drawbar-killed"])
    desk = Desk(folder)
    desk.settings.set("welcomed", True)
    app = App(fake_load(FakeEngine(real_time=True)), desk)
    app.window.show()
    app.load_now()
    app.start_timers()
    app.transport.prompt.set("slow piano")
    app.rack_actions.add_best()
    start_or_stop(app)
    told = False
    while True:
        application.processEvents()
        time.sleep(0.005)
        spooled = sum(f.stat().st_size for f in (folder / "takes").glob(".recording-*/audio.f32"))
        saved = '"slow piano"' in _text(folder / "settings.json")
        if spooled > 4 * 32_000 and saved and not told:
            told = True
            print("ready", flush=True)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def kill_during(what: str, folder: Path, lines: int, after_s: float = 0.0) -> None:
    """Start a child, wait for so many lines and a moment more, kill it."""
    code = CHILD.format(root=str(Path(__file__).parents[2]), what=what)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, env=environment
    )
    assert child.stdout is not None
    for _ in range(lines):
        assert child.stdout.readline() == b"ready\n"
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


@pytest.mark.parametrize("after_s", [0.0, 0.004, 0.02])
def test_an_export_is_whole_or_not_there_and_the_take_untouched(tmp_path: Path, after_s: float) -> None:
    store = TakeStore(tmp_path / "takes")
    item = store.add(make_take(6.0))
    before = item.path.read_bytes()
    kill_during("export_for_ever", tmp_path, 1 if after_s else 3, after_s)
    for path in (p for p in tmp_path.glob("out*.wav") if not p.name.startswith(".")):
        assert soundfile.info(path).duration == 6.0
        assert len(soundfile.read(path)[0]) == len(soundfile.read(item.path)[0])
    for path in tmp_path.glob("out.json"):
        assert json.loads(path.read_text())["audio"] == "out.wav"
    assert item.path.read_bytes() == before
    assert store.all()[0].id == item.id
    written = export_take(store, item, ExportChoice(tmp_path / "out.wav", "wav", bypassed=True))
    assert all(path.exists() for path in written), "and exporting again works"


def test_a_window_killed_while_playing_offers_what_was_heard(
    qtbot: Any, qapp: object, tmp_path: Path
) -> None:
    kill_during("play_in_a_window", tmp_path, 1)
    app = App(fake_load(), Desk(tmp_path))
    app.load_now()
    app.keeping.offer_recovery()
    assert app.transport.prompt.value == "slow piano"
    assert len(app.rack) == 4
    assert "can be recovered" in app.window.banner.words
    app.window.banner.answer(0)
    app.window.show()

    def recovered() -> bool:
        app.poll_plots()
        return app.desk.history.total == 1

    qtbot.waitUntil(recovered, timeout=20_000)
    (item,) = app.desk.history.shown()
    assert item.recovered
    assert item.seconds >= 1.0
    assert item.settings.prompt == "slow piano"
    app.window.close()
