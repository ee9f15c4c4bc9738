"""A word that no slider has becomes one in the window over the real engine, and a take is played with it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbar.contrast.words import WordSettings
from drawbar.evidence.words import make as making
from drawbar_desktop.app import App
from drawbar_desktop.services.model_loading import load_embedded
from drawbar_desktop.state.desk import Desk
from tests.desktop.test_making import settled
from tests.desktop.test_whole import play_until
from tests.desktop.tiny_assets import write_assets

SHORT = making.MakeSettings(words=WordSettings(pairs=4, folds=2, seconds=0.5, shuffles=9), check=False)


@pytest.fixture
def app(qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    from drawbar.live import Engine, NullOutput

    monkeypatch.setenv("DRAWBAR_ASSETS", str(write_assets(tmp_path / "assets")))
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        "drawbar.live.Engine", lambda model, bank: Engine(model, bank, NullOutput(32_000, reason="test"))
    )
    monkeypatch.setattr(making, "_CHANCE", 1.0)
    monkeypatch.setattr(making, "make_words", partial(making.make_words, settings=SHORT))
    desk = Desk(tmp_path / "home")
    desk.settings.set("welcomed", True)
    made = App(load_embedded, desk)
    made.load_now()
    assert made.failed is None
    made.window.show()
    yield made
    made.close()
    made.window.close()


def test_a_word_is_searched_made_pulled_and_heard(qtbot: Any, app: App) -> None:
    app.window.browser.search.setText("minor drums")
    offer = app.window.browser.offer
    assert offer.isVisible()
    offer.make.click()
    settled(app, lambda: not app.desk.words.busy.value)
    assert app.desk.words.trouble.value == ("", "")
    id = "mine/minor drums"
    assert id in app.rack
    app.rack.set_amount(id, 1.0)
    app.transport.seconds.set(2.0)
    app.toggle_play()
    play_until(app, qtbot, 0.4)
    assert id in app.timeline.ids
    assert np.isfinite(app.timeline.heat).all()
    app.toggle_play()
