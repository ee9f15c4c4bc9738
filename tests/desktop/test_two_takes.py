"""An old take beside the one that is being made, and what went wrong: nothing is lost, and it is said in sight."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbar.errors import BadInputError
from drawbar_desktop.app import App
from drawbar_desktop.state.export import ExportChoice
from drawbar_desktop.state.takes import TakeItem
from tests.desktop.fakes import FakeBank, FakeEngine, start_or_stop


def poll(app: App) -> None:
    app.poll_plots()
    app.poll_text()


def wait(qtbot: Any, app: App, done: Any) -> None:
    def look() -> None:
        poll(app)
        assert done()

    qtbot.waitUntil(look, timeout=20_000)


def play(app: App, engine: FakeEngine, seconds: float) -> None:
    start_or_stop(app)
    poll(app)
    engine.step(seconds)
    poll(app)


def made(qtbot: Any, app: App, engine: FakeEngine, seconds: float = 2.0) -> TakeItem:
    """A take that was played and ended."""
    known = len(app.desk.history.shown())
    play(app, engine, seconds)
    engine.stop()
    wait(qtbot, app, lambda: len(app.desk.history.shown()) == known + 1)
    return app.desk.history.shown()[0]


def open_old(qtbot: Any, app: App, item: TakeItem) -> None:
    app.actions.play_take(item.id)
    wait(qtbot, app, lambda: app.timeline.title and app.links.engine.player.playing)  # type: ignore[union-attr]


def gains(engine: FakeEngine) -> list[float]:
    return [call[1] for call in engine.calls if call[0] == "gain"]


def test_a_take_that_ends_while_an_older_one_is_open_keeps_its_heat_map(
    qtbot: Any, app: App, engine: FakeEngine, bank: FakeBank
) -> None:
    app.rack_actions.add_best()
    old = made(qtbot, app, engine)
    play(app, engine, 3.0)
    expected = app.timeline.ids, np.array(app.timeline.heat)
    open_old(qtbot, app, old)
    engine.stop()
    wait(qtbot, app, lambda: len(app.desk.history.shown()) == 2)
    newest = next(item for item in app.desk.history.shown() if item.id != old.id)
    store = app.desk.history.store
    assert store is not None
    ids, heat = store.heat(newest)
    assert sorted(ids) == sorted(expected[0])
    order = [ids.index(id) for id in expected[0]]
    np.testing.assert_allclose(heat[order], expected[1], atol=0.02)


def test_an_old_take_silences_the_running_one_until_it_is_over(
    qtbot: Any, app: App, engine: FakeEngine
) -> None:
    app.transport.gain_db.set(-3.0)
    old = made(qtbot, app, engine)
    play(app, engine, 1.0)
    assert gains(engine)[-1] == -3.0
    open_old(qtbot, app, old)
    assert gains(engine)[-1] <= -100
    app.transport.gain_db.set(-6.0)
    assert gains(engine)[-1] <= -100, "moving the volume does not bring it back"
    assert app.playing.busy, "it goes on being made"
    engine.player.playing = False
    wait(qtbot, app, lambda: gains(engine)[-1] == -6.0)


def test_a_take_that_begins_while_an_old_one_is_heard_waits_in_silence(
    qtbot: Any, app: App, engine: FakeEngine
) -> None:
    old = made(qtbot, app, engine)
    open_old(qtbot, app, old)
    app.playing.begin()
    assert engine.player.playing, "an old take is never interrupted"
    assert gains(engine)[-1] <= -100
    app.actions.stop_take()
    poll(app)
    assert gains(engine)[-1] == 0.0


@pytest.mark.parametrize("when", ["at once", "late"])
def test_a_take_that_fails_before_it_plays_leaves_the_timeline_as_it_was(
    qtbot: Any, app: App, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    made(qtbot, app, engine)
    seen = app.timeline.audio_s
    assert seen > 1.0
    if when == "at once":

        def refuse(*_: Any) -> None:
            raise BadInputError("the prompt is too long: use at most 64 words")

        monkeypatch.setattr(engine, "play", refuse)
        app.playing.begin()
    else:
        app.playing.begin()
        engine.fail("the prompt is too long: use at most 64 words")
    poll(app)
    assert app.timeline.audio_s == seen


def test_a_take_that_stops_with_an_error_says_so_across_the_window_once(app: App, engine: FakeEngine) -> None:
    play(app, engine, 1.0)
    engine.fail("logits of layer 3 are not finite")
    poll(app)
    assert "not finite" in app.window.banner.words
    app.window.banner.close_for("failed")
    poll(app)
    assert app.window.banner.isHidden()


def test_a_take_that_cannot_be_saved_says_so_across_the_window_and_can_be_tried_again(
    qtbot: Any, app: App, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = app.desk.history.store
    assert store is not None
    add = store.add

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(store, "add", full)
    play(app, engine, 2.0)
    engine.stop()
    wait(qtbot, app, lambda: "No space left" in app.window.banner.words)
    monkeypatch.setattr(store, "add", add)
    app.window.banner.answer(0)
    wait(qtbot, app, lambda: len(app.desk.history.shown()) == 1)
    assert app.window.banner.isHidden()


def test_restoring_a_take_waits_until_the_sounding_one_has_ended(
    qtbot: Any, app: App, engine: FakeEngine, bank: FakeBank
) -> None:
    old = made(qtbot, app, engine)
    app.rack_actions.add(bank.rows[0].id)
    app.rack.set_amount(bank.rows[0].id, 1.0)
    play(app, engine, 1.0)
    before = len(engine.calls)
    app.actions.recall(old.id)
    poll(app)
    assert bank.rows[0].id in app.rack
    assert not [call for call in engine.calls[before:] if call[0] in ("remove", "amount")]
    engine.stop()
    poll(app)
    assert bank.rows[0].id not in app.rack


def test_an_export_over_files_that_are_there_asks_first(
    qtbot: Any, app: App, engine: FakeEngine, tmp_path: Path
) -> None:
    made(qtbot, app, engine)
    written: list[ExportChoice] = []
    sheet = app.window.export
    sheet._write = written.append
    (tmp_path / "mine.json").write_text("precious")
    app.actions.export()
    sheet.path.setText(str(tmp_path / "mine.wav"))
    sheet.go.click()
    assert not written
    assert sheet.isVisible()
    assert "mine.json" in sheet._exists.text()
    sheet.path.setText(str(tmp_path / "other.wav"))
    sheet.path.setText(str(tmp_path / "mine.wav"))
    sheet.go.click()
    assert not written, "another name in between asks again"
    sheet.go.click()
    assert [choice.path.name for choice in written] == ["mine.wav"]
