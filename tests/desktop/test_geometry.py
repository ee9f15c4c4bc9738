"""The window fits its screen: five sizes at three scales, everything inside, whole and large enough to be used."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QAbstractScrollArea

from drawbar_desktop.app import App
from drawbar_desktop.state.machine import About
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.window import MainWindow
from tests.desktop.fakes import FakeEngine, start_or_stop

SCREENS = ((1280, 720), (1440, 900), (1920, 1080), (2560, 1440), (3840, 2160))
SCALES = (100, 150, 200)
LEAST_FADER_PX = 100
"""Shorter, and a tenth cannot be set any more."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """Scale and screen -> what `geometry_probe` found there; one process a scale, since Qt reads it once."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    runs = {}
    for scale in SCALES:
        sizes = [f"{w * 100 // scale}x{h * 100 // scale}" for w, h in SCREENS]
        runs[scale] = subprocess.Popen(
            [sys.executable, "-m", "tests.desktop.geometry_probe", *sizes],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**environment, "QT_SCALE_FACTOR": str(scale / 100)},
        )  # fmt: skip
    found = {}
    for scale, run in runs.items():
        said, _ = run.communicate(timeout=300)
        assert run.returncode == 0, said
        for screen, answer in zip(SCREENS, json.loads(said.splitlines()[-1]), strict=True):
            found[f"{scale} {screen}"] = answer
    return found


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("when", ["empty", "playing"])
def test_nothing_is_cut_off_and_the_faders_can_be_used(
    measured: dict[str, Any], scale: int, screen: tuple[int, int], when: str
) -> None:
    found = measured[f"{scale} {screen}"][when]
    assert found["ratio"] == scale / 100, "the scale is in force"
    assert found["outside"] == []
    assert found["window"] == found["asked"], "never larger than the screen"
    assert found["browser_h"] == found["side_h"], "as high as the window"
    assert found["timeline_w"] == found["rack_w"], "the timeline stands under the rack only"
    assert not found["faders"] or min(found["faders"]) >= LEAST_FADER_PX
    assert found["strips_cut_px"] <= 0
    if found["asked"][0] >= (
        720 if when == "empty" else 760
    ):  # a question across the window needs a line more
        assert not found["scrolled"], "only the contents of a window smaller than that are scrolled"


@pytest.mark.parametrize("screen", SCREENS)
def test_an_empty_timeline_leaves_its_room_to_the_rack(
    measured: dict[str, Any], screen: tuple[int, int]
) -> None:
    empty, playing = measured[f"100 {screen}"]["empty"], measured[f"100 {screen}"]["playing"]
    assert empty["timeline_h"] <= 120 <= playing["timeline_h"]
    assert empty["rack_h"] > playing["rack_h"]


def test_the_page_of_a_feature_grows_with_the_window(measured: dict[str, Any]) -> None:
    widths = [measured[f"100 {screen}"]["empty"]["side_w"] for screen in SCREENS[1:4]]
    assert widths == sorted(widths)
    assert widths[-1] >= 500


def test_panels_fold_by_themselves_by_hand_and_stay_as_they_were_left(qtbot: Any, app: App) -> None:
    window = app.window
    window.resize(900, 560)
    qtbot.waitUntil(lambda: "side" in window.panels.folded)
    assert app.desk.settings["folded"] == [], "for want of room is not by hand"
    window.resize(1440, 900)
    qtbot.waitUntil(lambda: window.panels.folded == set())
    window.panels.toggle("browser")
    assert not window.browser.isVisible()
    assert app.desk.settings["folded"] == ["browser"]
    window.panels.browser.rail.click()
    assert window.browser.isVisible()
    window.panels.across.moveSplitter(420, 1)
    _, sizes = window.places()
    assert sizes
    again = MainWindow(app.desk, Actions(), About(), app.machinery, app.blind, app.making, app.builder)
    qtbot.addWidget(again)
    again.resize(1440, 900)
    again.show()
    again.restore_places("", sizes, ["timeline"])
    assert abs(again.panels.across.sizes()[0] - sizes[0]) <= 12
    assert again.panels.folded == {"timeline"}


def test_the_window_opens_inside_its_screen_whatever_was_remembered(qtbot: Any, app: App) -> None:
    room = app.window.screen().availableGeometry().size()
    app.window.resize(3000, 2000)
    geometry, sizes = app.window.places()
    window = MainWindow(app.desk, Actions(), About(), app.machinery, app.blind, app.making, app.builder)
    qtbot.addWidget(window)
    assert window.size() == window.size().boundedTo(room)
    window.restore_places(geometry, sizes, [])
    assert window.size() == window.size().boundedTo(room)
    assert window.minimumSize() == window.minimumSize().boundedTo(room)


def test_cards_fit_the_smallest_window(qtbot: Any, app: App, engine: FakeEngine) -> None:
    window = app.window
    window.resize(720, 450)
    start_or_stop(app)
    scroll = window.centralWidget()
    assert isinstance(scroll, QAbstractScrollArea)
    qtbot.waitUntil(lambda: window.width() == 720 and not scroll.verticalScrollBar().maximum())
    for sheet in (window.overlay, window.settings, window.making, window.welcome):
        sheet.present()
        assert (
            sheet.rect().contains(sheet.card.rect().translated(sheet.card.pos()))
            or sheet.card.width() <= 720 - 32
        )
        assert sheet.card.height() <= 450 - 32
        sheet.dismiss()
