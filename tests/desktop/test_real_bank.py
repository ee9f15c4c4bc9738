"""The window over a real bank on disk and the user's own sliders: what is typed is found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbar.bench.synthetic import synthetic_bank
from drawbar.steering import OwnDirections, Palette
from drawbar.steering.own import OwnDirection
from drawbar_desktop.app import App
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.library import SORTS
from tests.desktop.fakes import FakeEngine, fake_load

SITE = "5" * 64
NAMES = ("more grit", "Étude in blue", "left+right hand")


@pytest.fixture
def app(qapp: object, tmp_path: Path) -> Iterator[App]:
    store = OwnDirections(tmp_path / "own")
    for axis, name in enumerate(NAMES):
        store.save(OwnDirection(name, SITE, "synthetic", 1, np.eye(16, dtype=np.float32)[axis], 4.0))
    desk = Desk(tmp_path / "home")
    desk.settings.set("welcomed", True)
    with synthetic_bank(tmp_path / "bank", features=300) as bank:
        app = App(fake_load(FakeEngine(), Palette(bank, SITE, store)), desk)
        app.load_now()
        app.window.show()
        yield app
        app.window.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_slider_of_ones_own_is_found_by_typing_its_name(qtbot: Any, app: App, name: str) -> None:
    field = app.window.browser.search
    for end in range(3, len(name) + 1):
        field.clear()
        qtbot.keyClicks(field, name[:end])
        assert app.library.text.value == name[:end]
        found = [row.id for i in range(min(app.library.count, 5)) if (row := app.library.row(i)) is not None]
        assert f"mine/{name}" in found, f"typed {name[:end]!r}"


@pytest.mark.parametrize("sort", [sort for sort, _ in SORTS])
@pytest.mark.parametrize("doubles", [False, True])
def test_it_is_found_in_every_order_with_doubles_shown_or_not(app: App, sort: Any, doubles: bool) -> None:
    app.library.sort.set(sort)
    app.library.doubles.set(doubles)
    app.window.browser.search.setText("grit")
    first = app.library.row(0)
    assert first is not None
    assert first.id == "mine/more grit"


def test_the_whole_list_can_be_walked_through(app: App) -> None:
    app.library.doubles.set(True)
    rows = [app.library.row(i) for i in range(app.library.count)]
    assert len(rows) == 300
    assert len({row.id for row in rows if row is not None}) == 300
    app.library.shelf.set("mine")
    assert app.library.count == len(NAMES)
