"""Fixtures for the window: Qt's offscreen platform, a fake engine and a fake bank."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from drawbar_desktop.app import App, make_application
from drawbar_desktop.services.midi_ports import MidiPorts
from drawbar_desktop.state.desk import Desk
from tests.desktop.fake_midi import FakeMidi
from tests.desktop.fakes import FakeBank, FakeEngine, fake_load


@pytest.fixture(scope="session")
def qapp() -> object:
    """The themed application that all widget tests share."""
    return make_application(["drawbar-tests"])


@pytest.fixture
def engine() -> FakeEngine:
    """An engine that records what it is told."""
    return FakeEngine()


@pytest.fixture
def bank() -> FakeBank:
    """Four hundred features, a few of them named."""
    return FakeBank()


@pytest.fixture
def midi() -> FakeMidi:
    """Two controllers that can be plugged in and out."""
    return FakeMidi()


@pytest.fixture
def app(qapp: object, engine: FakeEngine, bank: FakeBank, midi: FakeMidi, tmp_path: Path) -> Iterator[App]:
    """The whole application over the fakes, loaded, with its timers stopped: tests poll by hand."""
    desk = Desk(tmp_path / "home")
    desk.settings.set("welcomed", True)
    app = App(fake_load(engine, bank), desk, ports=MidiPorts(midi))
    app.load_now()
    app.window.resize(1280, 720)
    app.window.show()
    yield app
    app.window.close()
    app.window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
