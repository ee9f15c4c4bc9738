"""Fixtures for the window: Qt's offscreen platform, a fake engine and a fake bank."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from drawbar_desktop.app import App, make_application
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
def app(qapp: object, engine: FakeEngine, bank: FakeBank) -> Iterator[App]:
    """The whole application over the fakes, loaded, with its timers stopped: tests poll by hand."""
    app = App(fake_load(engine, bank))
    app.load_now()
    app.window.resize(1280, 720)
    app.window.show()
    yield app
    app.window.close()
