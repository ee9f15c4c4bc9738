"""How the program starts: with a window, without a display, and driven under a virtual one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drawbar_desktop.devtools.smoke import smoke_test
from drawbar_desktop.services.display import why_no_window
from tests.desktop.fakes import FakeEngine, fake_load

pytestmark = pytest.mark.xdist_group("display and sound server")
DRIVER = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from drawbar_desktop.devtools.smoke import smoke_test
from fakes import FakeEngine, fake_load
sys.exit(smoke_test(Path(sys.argv[1]), fake_load(FakeEngine(real_time=True))))
"""

FIRST_SOUND = """
import sys
import drawbar_desktop.app
from drawbar.live.takes.take import TakeSettings
from drawbar_desktop.services.model_loading import load_embedded
loaded = load_embedded(lambda line: None)
loaded.engine.play(TakeSettings("slow piano", 7, 0.2))
loaded.engine.wait(120)
assert loaded.engine.take is not None
print("IMPORTED", *sorted(sys.modules))
loaded.engine.close()
"""
# What took most of the start once: other people's models, compilers and statistics.
NOT_FOR_THE_FIRST_SOUND = {
    "huggingface_hub", "librosa", "numba", "scipy", "sklearn", "sympy", "torch._dynamo", "torchvision",
    "transformers",
}  # fmt: skip


def test_from_the_start_to_the_first_sound_only_what_plays_is_imported() -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_SOUND], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("IMPORTED "))
    assert not set(line.split()) & NOT_FOR_THE_FIRST_SOUND


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can lack a display server")
def test_without_a_display_one_line_says_what_to_do_instead() -> None:
    environment = {
        k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    done = subprocess.run(
        [sys.executable, "-m", "drawbar_desktop"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "drawbar render" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can lack a display server")
def test_a_display_that_does_not_answer_is_named() -> None:
    line = why_no_window({"DISPLAY": ":987"})
    assert line is not None
    assert "apt-get install" in line or ":987" in line


def test_other_systems_and_the_offscreen_platform_need_no_display_server() -> None:
    assert why_no_window({}, platform="win32") is None
    assert why_no_window({"QT_QPA_PLATFORM": "offscreen"}) is None


def test_the_smoke_test_plays_moves_a_slider_and_leaves_a_picture(qapp: object, tmp_path: Path) -> None:
    engine, shot = FakeEngine(real_time=True), tmp_path / "shot.png"
    assert smoke_test(shot, fake_load(engine)) == 0
    assert shot.stat().st_size > 20_000
    moved = [call for call in engine.calls if call[0] == "amount"]
    assert moved
    assert [call[0] for call in engine.calls].count("play") == 1
    assert ("close",) in engine.calls


def test_the_smoke_test_fails_with_a_line_when_the_engine_does(
    qapp: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(FakeEngine):
        def play(self, settings: object, automation: object = None, prefix: object = None) -> None:
            self.fail("no such device")

    assert smoke_test(tmp_path / "shot.png", fake_load(Broken())) == 1
    assert "no such device" in capsys.readouterr().err


@pytest.mark.skipif(
    shutil.which("xvfb-run") is None, reason="xvfb-run is not installed (apt-get install xvfb)"
)
def test_the_real_window_runs_under_a_virtual_display(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "QT_QPA_PLATFORM"}
    environment["DISPLAY"] = ""
    shot = tmp_path / "shot.png"
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER.format(here=str(Path(__file__).parent)))
    command = ["xvfb-run", "-a", "-s", "-screen 0 1440x900x24", sys.executable, str(driver), str(shot)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if "apt-get install" in done.stderr or "platform plugin" in done.stderr:
        pytest.skip(f"Qt's xcb libraries are missing: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    assert shot.stat().st_size > 20_000
