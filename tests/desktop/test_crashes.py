"""What ends the program from outside Python leaves a trace; a second start comes to the first window."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drawbar_desktop import __main__ as program
from drawbar_desktop.app import App
from drawbar_desktop.services.crashes import RunningMark, tail
from drawbar_desktop.services.one_window import FirstWindow, hand_over

CRASH = """
import faulthandler, os, sys, threading
from pathlib import Path
from PySide6.QtCore import qWarning
from drawbar_desktop.services.crashes import RunningMark, catch_crashes
from drawbar_desktop.services.logs import catch_exceptions, start_log
home = Path(sys.argv[1])
log = start_log(home)
catch_exceptions(lambda words, details: None)
catch_crashes(log)
RunningMark(home).set(log)
os.write(2, b"a C library complains\\n")
qWarning("Qt complains")
def fail():
    raise KeyError("a thread complains")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
print("to the terminal", file=sys.stderr)
if sys.argv[2] == "crash":
    faulthandler._sigsegv()
RunningMark(home).clear()
"""

SECOND = """
import sys
from pathlib import Path
from drawbar_desktop.services.one_window import hand_over
sys.exit(not hand_over(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
"""


def started(home: Path, how: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CRASH, str(home), how], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_segmentation_fault_and_every_complaint_lie_in_the_log_and_the_next_start_finds_it(
    tmp_path: Path,
) -> None:
    done = started(tmp_path, "crash")
    assert done.returncode < 0
    log = RunningMark(tmp_path).left_behind()
    assert log is not None
    text = tail(log)
    for words in (
        "a C library complains",
        "Qt complains",
        "a thread complains",
        "Segmentation fault",
        "<string>",
    ):
        assert words in text
    assert done.stderr == "to the terminal\n"


def test_a_window_that_ends_as_it_should_leaves_no_mark(tmp_path: Path) -> None:
    assert started(tmp_path, "well").returncode == 0
    assert RunningMark(tmp_path).left_behind() is None


def test_after_a_crash_the_window_offers_the_log_and_older_questions_come_back(
    app: App, tmp_path: Path
) -> None:
    log = tmp_path / "drawbar.log"
    log.write_text("Fatal Python error: Segmentation fault\n")
    app.links.ask("recovery", "A take can be recovered", ("Recover", lambda: None))
    app.offer_log(log)
    banner = app.window.banner
    assert "ended unexpectedly" in banner.words
    banner.answer(0)
    assert app.window.errors.isVisible()
    assert "Segmentation fault" in app.window.errors.details.toPlainText()
    assert banner.words == "A take can be recovered"
    banner.answer(0)
    assert banner.isHidden()


def test_a_second_start_hands_its_file_to_the_first_window(qtbot: Any, qapp: object, tmp_path: Path) -> None:
    assert not hand_over(tmp_path, None), "nobody is there"
    asked: list[Path | None] = []
    first = FirstWindow(tmp_path, asked.append)
    song = tmp_path / "song.wav"
    for file in (song, None):
        words = [sys.executable, "-c", SECOND, str(tmp_path), *([str(file)] if file else [])]
        second = subprocess.Popen(words)
        qtbot.waitUntil(lambda second=second: second.poll() is not None, timeout=60_000)
        assert second.returncode == 0
    assert asked == [song, None]
    assert not hand_over(tmp_path / "another home", None)
    first.close()
    assert not hand_over(tmp_path, None)


def test_a_file_that_was_asked_for_waits_for_the_model(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[Path] = []
    monkeypatch.setattr(app.listening, "drop", dropped.append)
    loaded, app.links.loaded = app.links.loaded, None
    app.come_forward(tmp_path / "song.wav")
    app.listening.adopt()
    assert dropped == []
    app.links.loaded = loaded
    app.poll_text()
    assert dropped == [tmp_path / "song.wav"]


def test_the_command_line_opens_a_file_in_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF")
    opened: list[tuple[Path | None, Path | None]] = []

    def window(shot: Path | None, file: Path | None = None) -> int:
        opened.append((shot, file))
        return 0

    monkeypatch.setattr(program, "_window", window)
    assert program.main([str(song)]) == 0
    assert opened == [(None, song)]


ENDED = """
import signal, sys, time
from drawbar_desktop.app import run
from tests.desktop.fakes import fake_load

def load(say):
    while not callable(signal.getsignal(signal.SIGTERM)):
        time.sleep(0.01)
    print("up", flush=True)
    return fake_load()(say)

sys.exit(run(load))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends programs without a signal")
def test_being_asked_to_end_is_no_crash(tmp_path: Path) -> None:
    """At the end of a session or of the machine."""
    environment = {**os.environ, "DRAWBAR_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    with subprocess.Popen(
        [sys.executable, "-c", ENDED], stdout=subprocess.PIPE, text=True, env=environment,
        cwd=Path(__file__).parents[2],
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert program.stdout.readline().strip() == "up"
        assert RunningMark(tmp_path).left_behind() is not None
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0
    assert RunningMark(tmp_path).left_behind() is None
