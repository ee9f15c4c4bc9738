"""Every gesture of the window that the musicians' conventions ask for, over a fake engine."""

import logging
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QSlider,
    QWidget,
)

import drawbar.audio_analysis.loudness
import drawbar.corpus.audio  # noqa: F401
from drawbar.errors import DrawbarError
from drawbar.live.takes.take import TakeSettings
from drawbar_desktop.app import App
from drawbar_desktop.controllers.session import remembered
from drawbar_desktop.services.logs import catch_exceptions, start_log
from drawbar_desktop.services.model_loading import load_embedded
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.export import ExportChoice
from drawbar_desktop.widgets.browser.feature_list import FEATURE_MIME
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.value_edit import parse_number
from drawbar_desktop.widgets.rack.amount_slider import AmountSlider
from drawbar_desktop.widgets.rack.strip import STRIP_MIME
from drawbar_desktop.widgets.side.inspector import Inspector
from drawbar_desktop.widgets.side.take_list import TakeList
from drawbar_desktop.widgets.timeline.timeline_head import parse_bars
from drawbar_desktop.widgets.timeline.timeline_view import reduced
from tests.desktop.fake_midi import FakeMidi
from tests.desktop.fakes import RATE, FakeBank, FakeEngine, fake_load, start_or_stop

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def ids(app: App) -> list[str]:
    """Four strips in the rack."""
    app.rack_actions.add_best()
    return list(app.rack.ids())


def poll(app: App) -> None:
    """As the timers would."""
    app.poll_plots()
    app.poll_text()


def wait(qtbot: Any, app: App, done: Any) -> None:
    """Until a job's answer has come."""

    def check() -> bool:
        poll(app)
        return bool(done())

    qtbot.waitUntil(check, timeout=20_000)


def play_a_take(qtbot: Any, app: App, engine: FakeEngine, seconds: float = 2.0) -> str:
    """Play, stop, and wait until it lies in the history -> its id."""
    before = app.desk.history.total
    start_or_stop(app)
    engine.step(seconds, ahead=0.0)
    poll(app)
    start_or_stop(app)
    wait(qtbot, app, lambda: app.desk.history.total == before + 1)
    return app.desk.history.shown()[0].id


def drop(widget: QWidget, mime: str, text: str, x: int) -> None:
    data = QMimeData()
    data.setData(mime, text.encode())
    widget.dropEvent(QDropEvent(QPointF(x, 60), Qt.DropAction.MoveAction, data, LEFT, NONE))


def press(widget: QWidget, kind: Any, at: QPointF, modifier: Qt.KeyboardModifier = NONE) -> None:
    QApplication.sendEvent(widget, QMouseEvent(kind, at, at, LEFT, LEFT, modifier))


# -- strips ---------------------------------------------------------------------------------------------


def test_a_strip_shows_range_badge_mode_and_what_it_automates(app: App, ids: list[str]) -> None:
    strip = app.window.rack.strips[ids[0]]
    assert "Proven" in strip.badge.toolTip()
    assert "Untested" in app.window.rack.strips[ids[3]].badge.toolTip()
    assert "quality holds from −1.25 to +1.50" in strip.slider.toolTip()
    app.rack.set_amount(ids[0], 1.8)
    assert "Beyond the usable range" in strip.slider.toolTip()
    assert "beyond" in strip.slider.accessibleName()


def test_mode_arm_and_lock_are_switches_on_the_strip(app: App, engine: FakeEngine, ids: list[str]) -> None:
    strip = app.window.rack.strips[ids[0]]
    app.rack.set_mode(ids[0], "clamp")
    assert ("mode", ids[0], "clamp") in engine.calls
    assert strip.mode.text() == "clamp"
    strip.mute.click()
    assert engine.calls[-2:] == [("mode", ids[0], "add"), ("amount", ids[0], 0.0)] or (
        "mode", ids[0], "add",
    ) in engine.calls  # fmt: skip
    strip.arm.click()
    strip.lock.click()
    assert app.rack.strip(ids[0]).armed
    assert app.rack.strip(ids[0]).locked


def test_dragging_a_strip_onto_another_place_reorders(app: App, ids: list[str]) -> None:
    rack = app.window.rack
    QApplication.processEvents()
    drop(rack, STRIP_MIME, ids[3], 2)
    assert list(app.rack.ids()) == [ids[3], ids[0], ids[1], ids[2]]
    app.undo.undo()
    assert list(app.rack.ids()) == ids


def test_a_feature_dropped_between_two_strips_lands_there(app: App, ids: list[str], bank: FakeBank) -> None:
    QApplication.processEvents()
    new = bank.rows[10].id
    drop(app.window.rack, FEATURE_MIME, new, 2)
    assert next(iter(app.rack.ids())) == new


def test_near_collinear_sliders_warn(app: App, bank: FakeBank) -> None:
    app.rack_actions.add(bank.rows[0].id)
    app.rack_actions.add(bank.rows[6].id)
    strip = app.window.rack.strips[bank.rows[0].id]
    assert not strip._alike.isHidden()
    assert "same way" in strip._alike.toolTip()


def test_a_typed_value_may_carry_its_sign_and_unit() -> None:
    assert [parse_number(t) for t in ("−1,5", "+2 dB", "3", "loud", "1e9")] == [-1.5, 2.0, 3.0, None, None]


def test_the_macro_knob_moves_by_drag_wheel_and_keys_and_opens(qtbot: Any, app: App, ids: list[str]) -> None:
    app.rack.set_amount(ids[0], 1.0)
    app.desk.macros.make(ids[:2], "Drive")
    strip = app.window.rack.macros["Drive"]
    QApplication.processEvents()
    fader, x = strip.fader, strip.fader.width() // 2
    qtbot.mousePress(fader, LEFT, NONE, QPoint(x, round(fader.y_of(1.0))))
    press(fader, QMouseEvent.Type.MouseMove, QPointF(x, fader.y_of(0.5)))
    qtbot.mouseRelease(fader, LEFT, NONE, QPoint(x, round(fader.y_of(0.5))))
    assert app.rack.strip(ids[0]).amount == pytest.approx(0.5, abs=0.03)
    qtbot.keyClick(fader, Qt.Key.Key_Home)
    assert app.rack.strip(ids[0]).amount == 1.0
    strip.open.click()
    assert not strip._members.isHidden()
    strip.remove.click()
    assert app.window.rack.macros == {}
    assert app.rack.strip(ids[0]).amount == 1.0


def test_presets_are_saved_and_loaded_from_the_rack(app: App, ids: list[str]) -> None:
    app.rack.set_amount(ids[0], 0.8)
    app.rack_actions.save_preset("Mine")
    app.rack.zero()
    (mine,) = app.desk.presets.user()
    app.rack_actions.load_preset(mine)
    assert app.window.banner.words == "Replace the 4 sliders of the rack by \u201cMine\u201d?"
    assert app.rack.strip(ids[0]).amount == 0.0, "not before that is wanted"
    app.window.banner.answer(0)
    assert app.rack.strip(ids[0]).amount == 0.8
    app.undo.undo()
    assert app.rack.strip(ids[0]).amount == 0.0


def test_d_randomises_and_a_switches_the_slots(qtbot: Any, app: App, ids: list[str]) -> None:
    app.window.activateWindow()
    app.window.setFocus()
    qtbot.keyClick(app.window, Qt.Key.Key_D)
    thrown = [s.amount for s in app.rack.strips]
    assert any(thrown)
    qtbot.keyClick(app.window, Qt.Key.Key_A)
    assert app.desk.slots.active.value == "B"
    app.rack.zero()
    qtbot.keyClick(app.window, Qt.Key.Key_A)
    assert [s.amount for s in app.rack.strips] == thrown
    assert app.window.transport.slots.button(0).isChecked()


def test_the_morph_slider_moves_the_strips(app: App, ids: list[str]) -> None:
    app.rack.set_amount(ids[0], 1.0)
    app.desk.slots.toggle()
    app.rack.set_amount(ids[0], 0.0)
    app.window.transport.morph.sliderMoved.emit(250)
    assert app.rack.strip(ids[0]).amount == 0.75
    assert not app.window.transport.slots.button(0).isChecked()


# -- transport ------------------------------------------------------------------------------------------


def test_the_advanced_fold_reaches_the_take(app: App, engine: FakeEngine) -> None:
    bar = app.window.transport
    assert bar.fold.isHidden()
    bar.advanced.click()
    assert not bar.fold.isHidden()
    bar.fold.guidance.setValue(4.5)
    bar.fold.temperature.setValue(0.7)
    bar.fold.top_k.setValue(64)
    bar.fold.twin.setChecked(False)
    start_or_stop(app)
    settings, _, _ = engine.played
    assert (settings.guidance, settings.temperature, settings.top_k, settings.twin) == (4.5, 0.7, 64, False)


def test_prompts_are_remembered_and_offered(app: App, engine: FakeEngine) -> None:
    for prompt in ("one", "two", "one"):
        app.transport.prompt.set(prompt)
        start_or_stop(app)
        start_or_stop(app)
    assert app.transport.prompts.value == ("one", "two")


def test_double_click_sets_the_gain_to_zero_and_it_can_be_typed(
    qtbot: Any, app: App, engine: FakeEngine
) -> None:
    app.transport.gain_db.set(-12.0)
    assert ("gain", -12.0) in engine.calls
    qtbot.mouseDClick(app.window.transport.gain, LEFT)
    assert app.transport.gain_db.value == 0.0
    field = app.window.transport.gain_text
    field.setFocus()
    field.setText("-6 dB")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert app.transport.gain_db.value == -6.0


def test_bypass_and_the_take_are_compared_equally_loud(qtbot: Any, app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(5.0)
    poll(app)
    app.transport.bypass.set(True)
    wait(qtbot, app, lambda: engine.calls[-1] == ("gain", 0.0) and app.playing._twin_gains_db[0] < -5)
    app.transport.bypass.set(False)
    assert engine.calls[-1][0] == "gain"
    assert engine.calls[-1][1] == pytest.approx(-6.0, abs=0.3)
    app.transport.match_loudness.set(False)
    assert engine.calls[-1] == ("gain", 0.0)


def test_music_that_repeats_itself_is_said_once_and_a_nudge_is_offered(app: App, engine: FakeEngine) -> None:
    engine.play(TakeSettings())
    for loops in (True, True):
        engine._snapshot = replace(engine.snapshot(), loops=loops)
        app.poll_text()
        assert app.window.banner.words == "The music repeats itself."
    assert ("nudge",) not in engine.calls, "never by itself"
    app.window.banner.answer(0)
    assert engine.calls[-1] == ("nudge",)
    app.poll_text()
    assert not app.window.banner.isVisible()


def test_trouble_is_said_in_words_and_opens_the_figures(
    app: App, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = app.window.transport
    assert not bar.rtf.isVisible()
    engine.play(TakeSettings())
    engine.slow(0.8, ready_s=1.2)
    monkeypatch.setattr(app.transport, "update", lambda snapshot: None)
    app.transport.trouble.set(True)
    app.poll_text()
    assert app.window.status.text.text() == "Waiting for more music: 1.2 s ready"
    assert bar.rtf.property("alarm") == "true"
    assert bar.rtf.isVisible()
    assert "0.8 s of music a second" in app.window.banner.words
    app.window.banner.answer(0)
    assert engine.calls[-1] == ("make first", True)
    app.playing.begin()
    assert ("make first", True) in engine.calls[-4:], "the next take is made first by itself"
    app.transport.trouble.set(False)
    assert not bar.rtf.isVisible()


def test_a_lost_device_is_said_and_others_are_offered(
    qtbot: Any, app: App, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawbar.live.list_devices", lambda: ["Headphones", "Speakers"])
    start_or_stop(app)
    engine.lose_device("Lautsprecher weg.")  # whatever the words, and in any language
    wait(qtbot, app, lambda: "Lautsprecher weg." in app.window.banner.words)
    assert app.transport.playing.value
    app.window.banner.answer(1)
    assert ("output", "Headphones") in engine.calls
    assert app.transport.device.value == "Headphones"
    assert app.window.banner.isHidden()


# -- browser --------------------------------------------------------------------------------------------


def test_filters_narrow_and_are_counted(app: App) -> None:
    browser = app.window.browser
    browser.filter.click()
    assert not browser._filters.isHidden()
    browser.author.setCurrentIndex(browser.author.findData("descriptors"))
    browser.author.activated.emit(browser.author.currentIndex())
    assert app.library.count == 3
    assert browser.filter.text() == "Filter: 1"
    browser.clear.click()
    assert app.library.count == app.library.total


def test_resting_on_a_row_plays_its_example_only_when_asked(qtbot: Any, app: App, engine: FakeEngine) -> None:
    features = app.window.browser.list
    index = features.model().index(0, 0)
    features.entered.emit(index)
    assert not features._rest.isActive()
    app.window.browser.ears.click()
    features.entered.emit(index)
    features._rest.timeout.emit()
    wait(qtbot, app, lambda: any(call[0] == "preview" for call in engine.calls))
    features._hover(features.model().index(-1, 0))
    assert engine.player.calls[-1] == ("stop",)


def test_starring_hiding_and_shelving_from_the_list(qtbot: Any, app: App, bank: FakeBank) -> None:
    features = app.window.browser.list
    features.setCurrentIndex(features.model().index(0, 0))
    qtbot.keyClick(features, Qt.Key.Key_F)
    assert bank.rows[0].starred
    row = bank.rows[0]
    titles = {item[0]: item[1] for item in features.menu_of(row) if item}
    titles["Hide"]()
    assert app.library.count == 399
    app.library.shelve(bank.rows[3].id, "for film")
    assert "for film" in [shelf.name for shelf in app.library.shelves()]
    app.library.shelf.set("for film")
    assert app.library.count == 1
    assert app.window.browser.more.isChecked()


# -- inspector ------------------------------------------------------------------------------------------


def test_a_proven_page_has_evidence_and_an_untested_one_says_so(app: App, bank: FakeBank) -> None:
    app.library.selected.set(bank.rows[0].id)
    inspector = app.window.inspector
    assert inspector.sections[:4] == ["LISTEN", "LABELS", "EVIDENCE", "WHEN IT FIRES"]
    assert not inspector._proof.isVisible()
    inspector.evidence.click()
    assert inspector._proof.isVisible()
    plots = [w for w in inspector.findChildren(QWidget) if w.accessibleName().startswith("Dose-response")]
    assert len(plots) == 1
    assert "+1.70 at +1.0" in plots[0].accessibleName()
    app.library.selected.set(bank.rows[-1].id)
    words = _words(inspector)
    assert "Untested: nobody has measured" in words
    assert "Nobody has named it: listen to the examples." in words


def _words(inspector: Inspector) -> str:
    from PySide6.QtWidgets import QLabel

    return " ".join(w.text() for w in inspector.findChildren(QLabel))


def test_labels_are_added_edited_and_voted_on(qtbot: Any, app: App, bank: FakeBank) -> None:
    id = bank.rows[0].id
    app.library.selected.set(id)
    field = app.window.inspector.label_field
    assert field is not None
    field.setText("brush kit")
    field.returnPressed.emit()
    assert bank.own[id] == [("brush kit", "me")]
    assert app.window.inspector.title() == "brush kit"
    app.desk.votes.vote(id, "truth", "drums", 1)
    names = [b.accessibleName() for b in app.window.inspector.findChildren(QAbstractButton)]
    assert "This label fits" in names
    app.window.inspector._edit(id, "brush kit")
    assert bank.own[id] == []
    assert app.window.inspector.label_field is not None
    assert app.window.inspector.label_field.text() == "brush kit"


def test_examples_play_on_click(qtbot: Any, app: App, bank: FakeBank, engine: FakeEngine) -> None:
    app.library.selected.set(bank.rows[0].id)
    plays = [
        b for b in app.window.inspector.findChildren(QAbstractButton) if "Play this example" in b.toolTip()
    ]
    assert len(plays) == 4
    plays[0].click()
    wait(qtbot, app, lambda: ("preview", (4, 250)) in engine.calls)


def test_what_am_i_hearing_ranks_and_makes_sliders(
    qtbot: Any, app: App, engine: FakeEngine, bank: FakeBank
) -> None:
    start_or_stop(app)
    engine.step(4.0)
    poll(app)
    app.window.side.show_tab(1)
    app.window.side.hearing.now.click()
    wait(qtbot, app, lambda: app.desk.hearing.heard.value)
    assert [h.feature.label for h in app.desk.hearing.heard.value][:2] == ["drums", "bass: fingered"]
    adds = [
        b
        for b in app.window.side.hearing.findChildren(QAbstractButton)
        if b.toolTip() == "Make drums a slider"
    ]
    adds[0].click()
    assert bank.rows[0].id in app.rack
    assert bank.rows[1].id in engine.trace.ids


def test_hearing_without_music_says_what_to_do(app: App) -> None:
    app.actions.hear(False)
    assert app.window.side.hearing.empty.hint.text() == "Play something first."


# -- timeline -------------------------------------------------------------------------------------------


def test_rows_can_be_shown_and_hidden_and_share_one_axis(
    app: App, engine: FakeEngine, ids: list[str]
) -> None:
    start_or_stop(app)
    engine.step(3.0)
    poll(app)
    view = app.window.timeline
    assert view.mel_plot.isVisible()
    view.head.spectrum.click()
    assert not view.mel_plot.isVisible()
    view.head.lane.click()
    assert view.lane_plot.isVisible()
    ranges = {tuple(plot.viewRange()[0]) for plot in view._plots}
    assert len(ranges) == 1
    app.timeline.zoom(0.25, 3.0)
    assert view.wave_plot.viewRange()[0] == pytest.approx(list(app.timeline.in_view()))


def test_clicking_a_finished_take_plays_from_there_and_a_drag_makes_a_loop(
    qtbot: Any, app: App, engine: FakeEngine
) -> None:
    play_a_take(qtbot, app, engine, 4.0)
    view = app.window.timeline
    view._boxes[0].clicked(1.5, 0.0)
    wait(qtbot, app, lambda: engine.player.playing)
    assert engine.player.calls[-1][2] == round(1.5 * RATE)
    view._boxes[0].drag_began(1.0, 0.0)
    view._boxes[0].dragged(2.0, 0.0)
    loop = app.timeline.loop.value
    assert loop is not None
    assert loop == pytest.approx((1.0, 2.0), abs=0.12)  # a beat that is near enough is taken
    wait(qtbot, app, lambda: engine.player.calls[-1][3] == tuple(round(end * RATE) for end in loop))
    engine.player.position_s = 1.25
    poll(app)
    assert view.playheads[0].value() == 1.25
    view.head.loop.click()
    assert app.timeline.loop.value is None


def test_seeking_in_a_take_that_is_being_made_says_why_not(app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(2.0)
    app.actions.seek(1.0)
    assert "still being made" in app.window.status.text.text()


def test_a_lane_is_clicked_dragged_drawn_and_deleted(app: App, engine: FakeEngine, ids: list[str]) -> None:
    app.library.selected.set(ids[0])
    app.window.timeline.head.lane.setChecked(True)
    QApplication.processEvents()
    lane, lanes = app.window.timeline.lane, app.desk.lanes
    lane.click(2.0, 1.0)
    lane.click(6.0, -1.0)
    depth = app.undo.depth
    lane.begin(2.0, 1.0)
    lane.drag(3.0, 1.5)
    lane.end(3.0, 1.5)
    assert lanes.points(ids[0])[0] == (3.0, 1.5)
    assert app.undo.depth == depth + 1
    lane.delete_at(6.0, -1.0)
    assert len(lanes.points(ids[0])) == 1
    lane.begin(10.0, 0.0)
    for i in range(1, 20):
        lane.drag(10.0 + i / 5, i / 20)
    lane.end(13.8, 0.95)
    assert lanes.amount(ids[0], 12.0) == pytest.approx(0.5, abs=0.05)
    start_or_stop(app)
    _, automation, _ = engine.played
    assert automation["lanes"][ids[0]][0] == [150, 1.5]


def test_an_armed_slider_records_and_its_lane_then_plays(
    qtbot: Any, app: App, engine: FakeEngine, ids: list[str]
) -> None:
    app.rack.set_armed(ids[0], True)
    start_or_stop(app)
    poll(app)
    for i in range(20):
        engine.step(1 + i / 20)
        poll(app)
        app.rack.set_amount(ids[0], i / 20)
    start_or_stop(app)
    wait(qtbot, app, lambda: ids[0] in app.desk.lanes)
    app.rack.set_armed(ids[0], False)
    start_or_stop(app)
    _, automation, _ = engine.played
    assert ids[0] in automation["lanes"]
    engine.step(1.5)
    poll(app)
    assert app.rack.strip(ids[0]).amount == pytest.approx(0.5, abs=0.08)


def test_bars_can_be_named_and_steered(app: App, ids: list[str]) -> None:
    assert [parse_bars(t) for t in ("5-9", "bars 5 to 9", "3", "9-5", "x")] == [
        (5, 9),
        (5, 9),
        (3, 3),
        None,
        None,
    ]
    app.timeline.grid.set(Grid(120.0, 0.0, 4))
    head = app.window.timeline.head
    assert head.tempo.value() == 120.0
    head.steer_span(ids[0], *app.timeline.grid.value.span(2, 3), 1.0)
    assert app.desk.lanes.amount(ids[0], 4.0) == 1.0
    assert head.lane.isChecked()


def test_tempo_is_found_in_what_is_shown(qtbot: Any, app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(20.0)
    poll(app)
    app.actions.detect_tempo()
    wait(qtbot, app, lambda: app.timeline.grid.value.tempo_bpm > 0)
    assert app.timeline.grid.value.tempo_bpm == pytest.approx(120, rel=0.02)
    assert app.window.timeline.bars[0].xData is not None


def test_a_row_of_the_heat_map_becomes_a_slider_or_a_curve(app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(3.0)
    poll(app)
    view, id = app.window.timeline, app.timeline.ids[2]
    menu = {item[0]: item[1] for item in view.row_menu(id) if item}
    menu["Draw it as a curve"]()
    engine.step(3.2)
    poll(app)
    assert set(view._curves) == {id}
    next(call for name, call in menu.items() if name.startswith("Make"))()
    assert id in app.rack


def test_more_columns_than_pixels_are_merged_and_do_not_flicker() -> None:
    image = np.random.default_rng(0).random((3, 10_000)).astype(np.float32)
    part, first, last = reduced(image, 1234, 9876, 500)
    assert part.shape[1] <= 501
    assert part.max() == image[:, first:last].max()
    shifted, start, _ = reduced(image, 1235, 9877, 500)
    assert start == first
    np.testing.assert_array_equal(shifted[:, 5], part[:, 5])


# -- takes ----------------------------------------------------------------------------------------------


def test_a_take_lands_in_the_history_and_survives_a_restart(
    qtbot: Any, app: App, engine: FakeEngine, ids: list[str]
) -> None:
    app.transport.prompt.set("slow piano")
    app.rack.set_amount(ids[0], 0.5)
    id = play_a_take(qtbot, app, engine)
    item = app.desk.history.get(id)
    assert item is not None
    assert (item.settings.prompt, item.settings.amounts[ids[0]], item.seconds) == ("slow piano", 0.5, 2.0)
    assert item.has_twin
    store = app.desk.history.store
    assert store is not None
    assert [i.id for i in store.all()] == [id]
    assert store.heat(item)[0]
    assert not list(store.folder.glob(".recording*"))


def test_the_panel_plays_stars_annotates_deletes_and_undoes(qtbot: Any, app: App, engine: FakeEngine) -> None:
    one, two = (play_a_take(qtbot, app, engine) for _ in range(2))
    panel, history = app.window.side.takes, app.desk.history
    history.selected.set(one)
    panel.star.click()
    item = history.get(one)
    assert item is not None
    assert item.starred
    panel.notes.setPlainText("keep this")
    panel._save_notes(panel.notes.toPlainText())
    panel.search.setText("keep")
    assert [i.id for i in history.shown()] == [one]
    panel.search.clear()
    panel.play.click()
    wait(qtbot, app, lambda: engine.player.playing)
    assert history.playing.value == one
    assert "seed" in app.timeline.title
    qtbot.keyClick(panel.list, Qt.Key.Key_Delete)
    assert history.get(one) is None
    app.undo.undo()
    assert history.get(one) is not None
    assert history.get(two) is not None


def test_a_new_generation_does_not_interrupt_an_old_take(qtbot: Any, app: App, engine: FakeEngine) -> None:
    id = play_a_take(qtbot, app, engine)
    app.actions.play_take(id)
    wait(qtbot, app, lambda: engine.player.playing)
    app.playing.begin()
    assert engine.player.playing
    start_or_stop(app)  # stops the generation first
    assert engine.player.playing
    start_or_stop(app)
    assert not engine.player.playing


def test_restoring_gives_the_same_settings_and_the_exact_automation(
    qtbot: Any, app: App, engine: FakeEngine, ids: list[str], bank: FakeBank
) -> None:
    app.transport.prompt.set("slow piano")
    app.transport.set_seed(7)
    app.rack.set_amount(ids[0], 0.5)
    id = play_a_take(qtbot, app, engine)
    first, _, _ = engine.played
    for other in ids:
        app.rack.remove(other)
    app.transport.prompt.set("something else")
    app.transport.roll()
    app.actions.recall(id)
    assert app.transport.prompt.value == "slow piano"
    assert app.rack.strip(ids[0]).amount == 0.5
    start_or_stop(app)
    assert engine.played[0] == first


def test_a_take_of_before_sliders_acted_on_one_branch_comes_back_as_it_was(
    qtbot: Any, app: App, engine: FakeEngine, ids: list[str]
) -> None:
    app.rack.set_amount(ids[0], 0.5)
    id = play_a_take(qtbot, app, engine)
    assert engine.played[0].branch == "conditional"
    item, store = app.desk.history.get(id), app.desk.history.store
    assert item is not None
    assert store is not None
    record = store.record(item)
    app.restoring.restore({**record, "settings": replace(record["settings"], branch="both")})
    start_or_stop(app)
    assert engine.played[0].branch == "both"
    start_or_stop(app)
    app.rack.set_amount(ids[0], 0.6)
    start_or_stop(app)
    assert engine.played[0].branch == "conditional", "a moved slider makes it a new take"


def test_settings_come_back_from_an_exported_file(
    qtbot: Any, app: App, engine: FakeEngine, ids: list[str], tmp_path: Path
) -> None:
    app.transport.set_seed(99)
    play_a_take(qtbot, app, engine)
    app.actions.export()
    assert app.window.export.isVisible()
    app.window.export.bypassed.setChecked(True)
    app.window.export.path.setText(str(tmp_path / "out.flac"))
    app.window.export.format.setCurrentIndex(1)
    app.window.export.go.click()
    target = tmp_path / "out.flac"
    wait(qtbot, app, lambda: target.exists() and target.with_suffix(".json").exists())
    assert (tmp_path / "out-bypassed.flac").exists()
    app.transport.set_seed(1)
    app.actions.drop_file(target)
    assert "seed 99" in app.window.banner.words
    app.window.banner.answer(0)
    assert app.transport.seed.value == 99


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_every_format_holds_the_sound(
    qtbot: Any, app: App, engine: FakeEngine, tmp_path: Path, ending: str
) -> None:
    play_a_take(qtbot, app, engine, 2.0)
    app.actions.export()
    app.keeping.export(ExportChoice(tmp_path / f"x.{ending}", ending))
    target = tmp_path / f"x.{ending}"
    wait(qtbot, app, lambda: target.exists() and target.with_suffix(".json").exists())
    audio, rate = soundfile.read(target)
    assert (rate, round(len(audio) / rate, 1)) == (RATE, 2.0)


def test_two_takes_are_compared_at_the_same_place_equally_loud(
    qtbot: Any, app: App, engine: FakeEngine
) -> None:
    one, two = (play_a_take(qtbot, app, engine, 3.0) for _ in range(2))
    history = app.desk.history
    history.selected.set(one)
    history.against.set(two)
    app.actions.compare()
    wait(qtbot, app, lambda: history.playing.value == one and engine.player.playing)
    engine.player.position_s = 1.5
    app.actions.compare()
    wait(qtbot, app, lambda: history.playing.value == two)
    wait(qtbot, app, lambda: engine.player.calls[-1][2] == round(1.5 * RATE))


def test_a_take_is_dragged_out_as_a_lasting_file(qtbot: Any, app: App, engine: FakeEngine) -> None:
    play_a_take(qtbot, app, engine)
    takes: TakeList = app.window.side.takes.list
    data = takes.model().mimeData([takes.model().index(0, 0)])
    (url,) = data.urls()
    assert soundfile.info(url.toLocalFile()).duration == 2.0
    assert str(app.desk.home) in url.toLocalFile()


def test_what_a_crash_left_is_offered_and_comes_back(qtbot: Any, app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(3.0)
    poll(app)
    recorder = app.desk.recorder
    assert recorder is not None
    assert recorder.recording
    recorder.feed(engine.trace, {})
    recorder.leave()
    app.keeping.offer_recovery()
    assert "can be recovered" in app.window.banner.words
    app.window.banner.answer(0)
    wait(qtbot, app, lambda: app.desk.history.total == 1)
    assert app.desk.history.shown()[0].recovered


# -- files in -------------------------------------------------------------------------------------------


def test_a_dropped_sound_shows_what_fires_and_can_be_continued(
    qtbot: Any, app: App, engine: FakeEngine, tmp_path: Path
) -> None:
    path = tmp_path / "loop.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * 44_100), 44_100)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, LEFT, NONE)
    app.window.timeline.dropEvent(event)
    wait(qtbot, app, lambda: app.timeline.title == "loop.wav")
    assert app.timeline.heat.shape == (3, 150)
    app.transport.seconds.set(8.0)
    app.actions.continue_from(2.0)
    settings, _, prefix = engine.played
    assert prefix.shape == (4, 100)
    assert settings.seconds == pytest.approx(10.0)
    poll(app)
    assert app.timeline.title == ""


def test_a_file_that_is_no_sound_is_refused_in_words(qtbot: Any, app: App, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("hello")
    app.actions.drop_file(path)
    wait(qtbot, app, lambda: "cannot be used" in app.window.status.text.text())


# -- MIDI -----------------------------------------------------------------------------------------------


def test_midi_learn_by_right_click_then_the_knob_moves_the_slider(
    app: App, midi: FakeMidi, ids: list[str]
) -> None:
    app.machinery.scan_midi()
    assert app.desk.machine.midi_ports.value == ("nanoKONTROL2",)
    slider = app.window.rack.strips[ids[0]].slider
    target = app.window.target_of(slider)
    assert target == f"amount:{ids[0]}"
    menu = {item[0]: item[1] for item in app.window.learn_menu(target) if item}
    menu["MIDI learn: then move a control"]()
    assert not app.window.banner.isHidden()
    midi.send(0xB0, 21, 3)
    app.poll_plots()
    assert app.window.banner.isHidden()
    depth = app.undo.depth
    midi.send(0xB0, 21, 127)
    app.poll_plots()
    assert app.rack.strip(ids[0]).amount == 4.0
    assert app.undo.depth == depth


def test_pads_play_and_pause_and_devices_come_and_go(app: App, midi: FakeMidi, engine: FakeEngine) -> None:
    app.machinery.scan_midi()
    app.desk.midi.learn("play")
    midi.send(0x90, 36, 100)
    app.poll_plots()
    midi.send(0x90, 36, 100)
    app.poll_plots()
    assert app.transport.playing.value
    midi.ports = []
    app.machinery.scan_midi()
    assert app.desk.machine.midi_ports.value == ()
    midi.ports = ["nanoKONTROL2", "Launchkey"]
    app.machinery.scan_midi()
    midi.send(0x90, 36, 100, port="Launchkey")
    app.poll_plots()
    assert ("pause", True) in engine.calls


def test_gain_morph_macro_and_banked_strips_follow_midi(app: App, midi: FakeMidi, ids: list[str]) -> None:
    app.machinery.scan_midi()
    app.desk.macros.make(ids[:1], "M")
    for number, target in enumerate(("gain", "morph", "macro:M", "strip:1"), start=30):
        app.desk.midi.learn(target)
        midi.send(0xB0, number, 1)
        app.poll_plots()
    for number in (30, 32, 33):
        midi.send(0xB0, number, 127)
    app.poll_plots()
    assert app.transport.gain_db.value == 6.0
    assert app.rack.strip(ids[0]).amount == 1.0
    assert app.rack.strip(ids[1]).amount == 4.0
    midi.send(0xB0, 31, 64)
    app.poll_plots()
    assert app.desk.slots.morph.value == pytest.approx(0.504, abs=0.001)


def test_without_midi_support_the_settings_say_how_to_get_it(app: App, midi: FakeMidi) -> None:
    midi.broken = OSError("no ALSA sequencer")
    app.machinery.ports._probe = None
    app.machinery.scan_midi()
    app.actions.open_settings("MIDI")
    assert "no ALSA sequencer" in app.window.settings._midi_state.text()


# -- remembering, themes, sheets -------------------------------------------------------------------------


def test_the_window_remembers_rack_prompt_mappings_and_places(app: App, ids: list[str]) -> None:
    from drawbar_desktop.state.desk import Desk

    app.transport.prompt.set("slow piano")
    app.rack.set_amount(ids[1], -0.75)
    app.desk.midi.learn("gain")
    app.desk.midi.feed([0xB0, 7, 1])
    app.save_settings(places=True)
    assert app.desk.settings.pending() is None
    again = Desk(app.desk.home)
    assert again.transport.prompt.value == "slow piano"
    assert again.midi.of("gain") is not None
    assert again.settings["window"]
    app.library.open(app.library.bank)
    again.library.open(app.library.bank)
    assert again.recall_rack(app.links.resolve) == []
    assert {s.id: s.amount for s in again.rack.strips} == {s.id: s.amount for s in app.rack.strips}


def test_the_theme_changes_at_once_and_gestures_still_work(qtbot: Any, app: App, ids: list[str]) -> None:
    from drawbar_desktop.style.theme import DARK, LIGHT, P, apply_theme

    app.actions.open_settings("Appearance")
    theme, icon = app.window.settings.theme, app.window.transport.lock.icon()
    before = icon.pixmap(16, 16).toImage()
    theme.setFocus()
    try:
        for key in (Qt.Key.Key_F4, Qt.Key.Key_Down, Qt.Key.Key_Return):
            target = theme.view() if theme.view().isVisible() else theme
            qtbot.keyClick(target, key)
        assert P.palette is LIGHT
        assert app.desk.settings["theme"] == "light"
        assert theme.isVisible(), "the window that was asked is the one that changed"
        assert icon.pixmap(16, 16).toImage() != before, "an icon that a widget keeps follows the theme"
        assert set(app.window.rack.strips) == set(ids)
        app.window.settings.dismiss()
        app.rack.set_amount(ids[0], 1.0)
        assert app.window.rack.strips[ids[0]].value.text() == "+1.00"
        qtbot.keyClick(app.window.rack.strips[ids[0]].slider, Qt.Key.Key_0)
        assert app.rack.strip(ids[0]).amount == 0.0
    finally:
        apply_theme(QApplication.instance(), DARK)  # type: ignore[arg-type]


def test_escape_closes_a_card_and_keys_do_not_reach_the_window_behind(qtbot: Any, app: App) -> None:
    app.actions.open_settings("About")
    assert app.window.settings.isVisible()
    qtbot.keyClick(app.window, Qt.Key.Key_B)
    assert not app.transport.bypass.value
    qtbot.keyClick(app.window.settings, Qt.Key.Key_Escape)
    assert not app.window.settings.isVisible()
    qtbot.keyClick(app.window, Qt.Key.Key_B)
    assert app.transport.bypass.value


def test_an_error_can_be_copied(app: App) -> None:
    app.window.errors.tell("It broke", "Traceback: line 1")
    app.window.errors.copy_button.click()
    assert "Traceback: line 1" in QApplication.clipboard().text()


def test_the_first_start_says_what_there_is_and_plays_with_one_click(app: App, engine: FakeEngine) -> None:
    assert app.links.loaded is not None
    app.session.welcome(app.links.loaded)
    assert app.window.welcome.isVisible()
    app.window.welcome.go.click()
    assert app.transport.playing.value
    assert app.desk.settings["welcomed"]


def test_models_and_banks_are_listed_with_what_they_need(app: App) -> None:
    app.machinery.refresh()
    (model,) = app.desk.machine.models.value
    assert model.licence == "Apache-2.0"
    assert "on disk" in model.words or model.trouble
    assert app.desk.machine.banks.value[0].embedded
    assert "memory are free" in app.desk.machine.memory.value


def test_a_download_needs_the_licence_accepted_shows_progress_and_can_be_cancelled(app: App) -> None:
    sheet = app.window.settings
    assert not sheet.fetch.isEnabled()
    sheet.accept_licence.setChecked(True)
    assert sheet.fetch.isEnabled()
    assert app.desk.settings["accepted_licences"] == ["CC-BY-NC-4.0"]
    app.desk.machine.download.set(("downloading, 12 MB", -1.0))
    assert not sheet._fetching.isHidden()
    assert not sheet.fetch.isEnabled()


def test_unloading_gives_the_engine_back_and_loading_plays_again(
    qtbot: Any, app: App, engine: FakeEngine, ids: list[str]
) -> None:
    again = app.session.load
    app.machinery.unload_model()
    wait(qtbot, app, lambda: app.failed is not None)
    app.jobs.drain()
    assert ("close",) in engine.calls
    assert not app.transport.ready.value
    app.session.reload(again)
    wait(qtbot, app, lambda: bool(app.transport.ready.value))
    assert list(app.rack.ids()) == ids


# -- keyboard and assistive tools ------------------------------------------------------------------------


def test_everything_that_can_be_worked_has_a_name_and_icons_have_a_tooltip(app: App, ids: list[str]) -> None:
    app.desk.macros.make(ids[:1], "M")
    app.library.selected.set(ids[0])
    nameless = []
    for widget in app.window.findChildren(QWidget):
        if isinstance(widget, (QAbstractButton, QLineEdit, QSlider, AmountSlider)):
            if widget.objectName().startswith("qt_") or isinstance(widget.parent(), (QLineEdit, QComboBox)):
                continue  # parts of Qt's own controls
            if isinstance(widget.parent(), QAbstractSpinBox):
                continue
            text = widget.text() if isinstance(widget, QAbstractButton) else ""
            if not (widget.accessibleName() or text or widget.toolTip()):
                nameless.append(widget)
            if isinstance(widget, QAbstractButton) and not text and not widget.icon().isNull():
                assert widget.toolTip(), widget
    assert nameless == []


def test_tab_reaches_browser_rack_transport_and_timeline(app: App, ids: list[str]) -> None:
    reached: set[str] = set()
    start = app.window.transport.prompt
    widget: QWidget | None = start
    areas = {
        "transport": app.window.transport, "browser": app.window.browser, "rack": app.window.rack,
        "side": app.window.side, "timeline": app.window.timeline,
    }  # fmt: skip
    for _ in range(4000):
        widget = widget.nextInFocusChain() if widget is not None else None
        if widget is None or widget is start:
            break
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached |= {name for name, area in areas.items() if area.isAncestorOf(widget)}
    assert reached == set(areas)


def test_the_wheel_moves_sliders_but_not_fields_that_are_scrolled_past(app: App) -> None:
    box = app.window.timeline.head.tempo
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120), Qt.MouseButton.NoButton, NONE,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(box, event)
    assert box.value() == 0.0


def test_play_pressed_while_loading_plays_as_soon_as_it_can(qtbot: Any, qapp: object, tmp_path: Path) -> None:
    import threading

    go, engine = threading.Event(), FakeEngine()

    def load(say: Any) -> Any:
        go.wait(20)
        return fake_load(engine)(say)

    app = App(load, Desk(tmp_path))
    app.window.show()
    app.start()
    app.window.transport.prompt.setText("slow piano")
    qtbot.keyClick(app.window.transport.prompt, Qt.Key.Key_Return)
    assert app.transport.wanted.value
    assert app.window.transport.play.accessibleName() == "Pause"
    assert not app.window.transport.prompt.hasFocus(), "the keys belong to the window again"
    go.set()
    qtbot.waitUntil(lambda: any(call[0] == "play" for call in engine.calls), timeout=20_000)
    assert engine.played[0].prompt == "slow piano"
    assert not app.window.welcome.isVisible(), "whoever plays already needs no card"
    app.window.close()


def test_sliders_that_were_added_while_a_take_played_come_back_with_it(
    qtbot: Any, app: App, engine: FakeEngine, bank: FakeBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = bank.rows[0].id
    lanes = {"lanes": {id: [[0, 0.0], [100, 0.0], [103, 1.5]]}, "kept": []}
    taken = engine._end

    def end_with_lanes() -> None:
        taken()
        engine._take = replace(engine._take, automation=lanes) if engine._take else None

    monkeypatch.setattr(engine, "_end", end_with_lanes)
    take = play_a_take(qtbot, app, engine)
    item = app.desk.history.get(take)
    assert item is not None
    assert item.sliders == ((id, 1.5),)
    app.actions.recall(take)
    assert app.rack.ids() == (id,)
    assert app.desk.lanes.points(id)


def test_enter_in_a_card_presses_its_last_button(qtbot: Any, app: App) -> None:
    app.window.welcome.present()
    app.window.welcome.setFocus()
    qtbot.keyClick(app.window.welcome, Qt.Key.Key_Return)
    assert not app.window.welcome.isVisible()
    assert app.transport.playing.value


def test_kinds_narrow_whatever_shelf_is_open(qtbot: Any, app: App) -> None:
    browser, library = app.window.browser, app.library
    qtbot.mouseClick(browser.kinds["rhythm"], LEFT)
    assert [library.row(i).label for i in range(library.count)][:2] == ["drums", "pattern: arpeggio"]  # type: ignore[union-attr]
    library.shelf.set("proven")
    assert library.count < 3
    qtbot.mouseClick(browser.kinds["harmony"], LEFT)
    assert not browser.kinds["rhythm"].isChecked()
    qtbot.mouseClick(browser.kinds["harmony"], LEFT)
    assert library.kind.value is None


def test_undo_redo_and_export_have_their_keys(
    qtbot: Any, app: App, engine: FakeEngine, ids: list[str]
) -> None:
    app.rack.set_amount(ids[0], 0.5)
    ctrl, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    app.window.setFocus()
    qtbot.keyClick(app.window, Qt.Key.Key_Z, ctrl)
    assert app.rack.strip(ids[0]).amount == 0.0
    qtbot.keyClick(app.window, Qt.Key.Key_Z, ctrl | shift)
    assert app.rack.strip(ids[0]).amount == 0.5
    play_a_take(qtbot, app, engine)
    qtbot.keyClick(app.window, Qt.Key.Key_S, ctrl)
    assert app.window.export.isVisible()


def test_midi_mappings_outlive_a_preset(app: App, ids: list[str], midi: FakeMidi) -> None:
    app.machinery.scan_midi()
    app.desk.midi.learn("gain")
    midi.send(0xB0, 20, 127)
    poll(app)
    app.rack_actions.save_preset("Mine")
    app.rack_actions.load_preset(app.desk.presets.all()[0])
    assert app.desk.midi.of("gain") is not None


def test_a_model_too_large_for_the_memory_is_not_loaded_and_says_what_would_help(
    app: App, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.machinery.refresh()
    (entry,) = app.desk.machine.models.value
    monkeypatch.setattr(
        "drawbar_desktop.controllers.device_and_model_settings.free_memory_bytes", lambda: 10_000_000
    )
    app.machinery.load_model(replace(entry, bytes=4_000_000_000))
    assert "unload the loaded model, or choose a smaller one" in app.window.status.text.text()
    assert ("close",) not in engine.calls
    assert app.transport.ready.value


def test_the_model_and_the_bank_of_the_last_session_are_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Desk(tmp_path).settings
    assert remembered(settings) is load_embedded
    asked: list[tuple[str, Path | None]] = []

    def load(name: str, bank: Path | None, say: Any) -> Any:
        asked.append((name, bank))
        if name == "gone":
            raise DrawbarError("the folder is not there")
        return fake_load()(say)

    monkeypatch.setattr("drawbar_desktop.controllers.session.load", load)
    monkeypatch.setattr("drawbar_desktop.controllers.session.load_embedded", fake_load())
    settings.set("model", "mine")
    settings.set("bank", str(tmp_path / "bank"))
    remembered(settings)(print)
    assert asked == [("mine", tmp_path / "bank")]
    settings.set("model", "gone")
    loaded = remembered(settings)(print)
    assert "gone of the last session cannot be loaded" in loaded.notice


def test_the_faders_of_the_transport_obey_the_same_gestures(qtbot: Any, app: App, ids: list[str]) -> None:
    gain, morph, transport = app.window.transport.gain, app.window.transport.morph, app.transport

    def drag(fader: Any, start: float, by: int, keys: Any = NONE) -> None:
        place = QPoint(round(fader.x_of(start)), fader.height() // 2)
        qtbot.mousePress(fader, LEFT, keys, place)
        move = QPointF(place.x() + by, place.y())
        QApplication.sendEvent(
            fader,
            QMouseEvent(QMouseEvent.Type.MouseMove, move, fader.mapToGlobal(move), LEFT, LEFT, keys),
        )
        qtbot.mouseRelease(fader, LEFT, keys, QPoint(place.x() + by, place.y()))

    drag(gain, 0, -20)
    coarse = transport.gain_db.value
    assert coarse < -5
    qtbot.mouseDClick(gain, LEFT)
    assert transport.gain_db.value == 0.0
    drag(gain, 0, -20, Qt.KeyboardModifier.ShiftModifier)
    assert transport.gain_db.value == pytest.approx(coarse / 10, abs=0.2)
    app.rack.set_amount(ids[0], 1.0)
    app.desk.slots.toggle()
    app.rack.set_amount(ids[0], 0.0)
    drag(morph, 1000, -36)
    assert 0.0 < app.rack.strip(ids[0]).amount < 1.0
    qtbot.mouseDClick(morph, LEFT)
    assert app.desk.slots.morph.value is None
    assert app.rack.strip(ids[0]).amount == 0.0


def test_a_number_is_overtyped_after_a_click_and_brought_back_by_a_double_or_ctrl_click(
    qtbot: Any, app: App
) -> None:
    app.window.transport.advanced.click()
    guidance = app.window.transport.fold.guidance
    for modifier, click in (
        (NONE, qtbot.mouseDClick),
        (Qt.KeyboardModifier.ControlModifier, qtbot.mouseClick),
    ):
        guidance.setValue(7.0)
        click(guidance.lineEdit(), LEFT, modifier)
        assert app.transport.guidance.value == 3.0
    assert "back to 3.0" in guidance.toolTip()
    guidance.clearFocus()
    guidance.setFocus(Qt.FocusReason.MouseFocusReason)
    qtbot.mouseClick(guidance.lineEdit(), LEFT)
    qtbot.keyClicks(guidance.lineEdit(), "4.5")
    qtbot.keyClick(guidance.lineEdit(), Qt.Key.Key_Return)
    assert app.transport.guidance.value == 4.5


def test_every_file_dialog_opens_in_the_folder_that_was_used_last(
    qtbot: Any, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs, tables = tmp_path / "songs", tmp_path / "tables"
    songs.mkdir()
    tables.mkdir()
    opened: list[str] = []

    def chosen(answer: object) -> Any:
        def dialog(parent: object, title: str, place: object = "", *more: object) -> object:
            opened.append(str(place))
            return answer

        return dialog

    dialogs = "drawbar_desktop.widgets.common.file_dialogs.QFileDialog"
    monkeypatch.setattr(f"{dialogs}.getOpenFileNames", chosen(([str(songs / "a.wav")], "")))
    monkeypatch.setattr(f"{dialogs}.getSaveFileName", chosen((str(tables / "x.csv"), "")))
    monkeypatch.setattr(f"{dialogs}.getExistingDirectory", chosen(""))
    app.window.making._browse("like")
    app.window.settings._folder(lambda path: opened.append(str(path)), "A model")
    FileDialogs(app.desk.settings).save_file(app.window, "Export the table", "t.csv", "")
    app.window.making._browse_folder("like")
    assert opened == [str(Path.home()), str(songs), str(songs / "t.csv"), str(tables)]
    app.save_settings(places=True)
    again = Desk(app.desk.home)
    assert FileDialogs(again.settings).folder == tables
    tables.rmdir()
    assert FileDialogs(again.settings).folder == Path.home()


def test_drop_outs_are_counted_in_the_read_out_and_marked(app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(0.5, ahead=0.3)
    poll(app)
    shown = app.window.transport.underruns
    assert (shown.text(), shown.property("alarm")) == ("0", None)
    engine._snapshot = replace(engine._snapshot, underruns=2)
    poll(app)
    assert (shown.text(), shown.property("alarm")) == ("2", "true")
    assert "not ready in time" in shown.toolTip()


def test_what_nobody_caught_lies_in_the_log_and_on_a_card_that_names_it(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sys.excepthook, threading.excepthook
    log = start_log(tmp_path)
    assert log is not None
    app = App(fake_load(FakeEngine(), FakeBank()), Desk(tmp_path / "home"), log_file=log)
    try:
        catch_exceptions(app.tell_uncaught)
        thread = threading.Thread(target=lambda: {"": 0}["residual 3"])
        thread.start()
        thread.join()
        app.jobs.drain()
    finally:
        sys.excepthook, threading.excepthook = before
        for handler in [h for h in logging.getLogger().handlers if isinstance(h, logging.FileHandler)]:
            logging.getLogger().removeHandler(handler)
            handler.close()
    assert "residual 3" in log.read_text()
    assert "test_gestures.py" in log.read_text()
    card = app.window.errors
    assert not card.isHidden()
    words = " ".join(one.text() for one in card.findChildren(QLabel))
    assert str(log) in words
    assert "residual 3" in words
    card.copy_button.click()
    assert "Traceback" in QApplication.clipboard().text()
    assert card.copy_button.text() == "Copied"
    app.window.close()
