"""The real window over a fake engine, on Qt's offscreen platform: what gestures do."""

from typing import Any

import pyqtgraph as pg
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, qInstallMessageHandler
from PySide6.QtGui import QDropEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel

from drawbar_desktop.app import App
from drawbar_desktop.style.theme import DARK, LIGHT, Palette, contrast, style_sheet
from drawbar_desktop.widgets.browser.feature_list import FEATURE_MIME
from drawbar_desktop.widgets.common.kinds import KIND_TITLES
from tests.desktop.fakes import FakeBank, FakeEngine, fake_load, start_or_stop

LEFT = Qt.MouseButton.LeftButton


def drag(qtbot: Any, app: App, id: str, amount: float, modifier: Qt.KeyboardModifier | None = None) -> None:
    """Grab the cap and pull it to where `amount` is."""
    slider = app.window.rack.strips[id].slider
    start = app.window.rack.centre_of(id)
    held = modifier or Qt.KeyboardModifier.NoModifier
    qtbot.mousePress(slider, LEFT, held, start)
    steps = 6
    for i in range(1, steps + 1):
        y = start.y() + (slider.y_of(amount) - start.y()) * i / steps
        _move(slider, QPoint(start.x(), round(y)), held)
    qtbot.mouseRelease(slider, LEFT, held, QPoint(start.x(), round(slider.y_of(amount))))


def _move(slider: object, at: QPoint, held: Qt.KeyboardModifier) -> None:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent

    event = QMouseEvent(QEvent.Type.MouseMove, QPointF(at), QPointF(at), LEFT, LEFT, held)
    QApplication.sendEvent(slider, event)  # type: ignore[arg-type]


@pytest.fixture
def first(app: App) -> str:
    """One feature in the rack."""
    id = app.library.best(1)[0].id
    app.rack_actions.add(id)
    QApplication.processEvents()
    return id


def test_a_drag_sets_the_amount_tells_the_engine_and_is_one_step(
    qtbot: Any, app: App, engine: FakeEngine, first: str
) -> None:
    depth = app.undo.depth
    drag(qtbot, app, first, 1.2)
    assert app.rack.strip(first).amount == pytest.approx(1.2, abs=0.06)
    assert app.undo.depth == depth + 1
    assert engine.calls[-1] == ("amount", first, app.rack.strip(first).amount)
    assert app.window.rack.strips[first].value.text().startswith("+1.")
    qtbot.keyClick(app.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert app.rack.strip(first).amount == 0.0
    assert engine.calls[-1] == ("amount", first, 0.0)


def test_shift_makes_a_drag_ten_times_finer(qtbot: Any, app: App, first: str) -> None:
    drag(qtbot, app, first, 1.0, Qt.KeyboardModifier.ShiftModifier)
    assert app.rack.strip(first).amount == pytest.approx(0.1, abs=0.02)


def test_double_click_resets_and_so_does_control_click(qtbot: Any, app: App, first: str) -> None:
    slider = app.window.rack.strips[first].slider
    app.rack.set_amount(first, 1.0)
    qtbot.mouseDClick(slider, LEFT, pos=app.window.rack.centre_of(first))
    assert app.rack.strip(first).amount == 0.0
    app.rack.set_amount(first, 1.0)
    qtbot.mouseClick(slider, LEFT, Qt.KeyboardModifier.ControlModifier, app.window.rack.centre_of(first))
    assert app.rack.strip(first).amount == 0.0


def test_arrows_and_wheel_step(qtbot: Any, app: App, first: str) -> None:
    slider = app.window.rack.strips[first].slider
    qtbot.keyClick(slider, Qt.Key.Key_Up)
    assert app.rack.strip(first).amount == pytest.approx(0.05)
    qtbot.keyClick(slider, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert app.rack.strip(first).amount == pytest.approx(0.06)
    event = QWheelEvent(
        QPointF(20, 20), QPointF(20, 20), QPoint(0, 0), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(slider, event)
    assert app.rack.strip(first).amount == pytest.approx(0.01)


def test_the_read_out_takes_a_typed_value(qtbot: Any, app: App, first: str) -> None:
    value = app.window.rack.strips[first].value
    value.setFocus()
    value.setText("-1.25")
    qtbot.keyClick(value, Qt.Key.Key_Return)
    assert app.rack.strip(first).amount == -1.25
    value.setFocus()
    value.setText("loud")
    qtbot.keyClick(value, Qt.Key.Key_Return)
    assert app.rack.strip(first).amount == -1.25


def test_typing_in_the_search_field_filters_the_list(qtbot: Any, app: App) -> None:
    qtbot.keyClicks(app.window.browser.search, "drum")
    assert app.window.browser.list.model().rowCount() == 2
    proven = app.window.browser.chips.button(1)
    proven.click()
    assert app.window.browser.list.model().rowCount() == 1
    app.window.browser.search.setText("kazoo")
    assert "kazoo" in app.window.browser.empty.line.text()
    assert "Did you mean" in app.window.browser.empty.hint.text()


def test_enter_and_double_click_add_to_the_rack(qtbot: Any, app: App, engine: FakeEngine) -> None:
    features = app.window.browser.list
    features.setCurrentIndex(features.model().index(0, 0))
    qtbot.keyClick(features, Qt.Key.Key_Return)
    features.doubleClicked.emit(features.model().index(2, 0))
    added = [call[1] for call in engine.calls if call[0] == "add"]
    assert added == list(app.rack.ids())
    assert len(added) == 2
    assert set(app.window.rack.strips) == set(added)


def test_a_feature_dropped_on_the_rack_is_added(app: App, bank: FakeBank) -> None:
    data = QMimeData()
    data.setData(FEATURE_MIME, bank.rows[5].id.encode())
    event = QDropEvent(QPointF(20, 20), Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier)
    app.window.rack.dropEvent(event)
    assert list(app.rack.ids()) == [bank.rows[5].id]


def test_space_plays_and_pauses_wherever_the_focus_is(
    qtbot: Any, app: App, engine: FakeEngine, first: str
) -> None:
    app.window.activateWindow()
    app.transport.set_seed(7)
    app.rack.set_amount(first, 0.5)
    for widget in (app.window, app.window.rack.strips[first].slider, app.window.transport.export):
        widget.setFocus()
        qtbot.keyClick(widget, Qt.Key.Key_Space)
        assert app.transport.playing.value
        assert not app.transport.paused.value
        qtbot.keyClick(widget, Qt.Key.Key_Space)
        assert app.transport.paused.value
    settings = next(call[1] for call in engine.calls if call[0] == "play")
    assert (settings.seed, settings.amounts, settings.twin) == (7, {first: 0.5}, True)


def test_space_in_the_prompt_is_a_space(qtbot: Any, app: App) -> None:
    app.window.activateWindow()
    app.window.transport.prompt.setFocus()
    qtbot.keyClicks(app.window.transport.prompt, "slow piano b/?")
    assert app.transport.prompt.value == "slow piano b/?"
    assert not app.transport.playing.value
    assert not app.transport.bypass.value


def test_b_bypasses_and_slash_searches(qtbot: Any, app: App, engine: FakeEngine) -> None:
    app.window.activateWindow()
    qtbot.keyClick(app.window, Qt.Key.Key_B)
    assert ("bypass", True) in engine.calls
    assert app.window.transport.bypass.isChecked()
    qtbot.keyClick(app.window, Qt.Key.Key_Slash)
    assert app.window.browser.search.hasFocus()


def test_the_question_mark_shows_the_keys_and_any_key_hides_them(qtbot: Any, app: App) -> None:
    app.window.activateWindow()
    app.window.overlay.toggle()
    assert app.window.overlay.isVisible()
    qtbot.keyClick(app.window.overlay, Qt.Key.Key_Escape)
    assert not app.window.overlay.isVisible()


def test_the_heat_map_is_one_image_and_there_is_one_playhead_per_plot(app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(3.0)
    app.poll_plots()
    view = app.window.timeline
    images = [item for item in view.heat_plot.items if isinstance(item, pg.ImageItem)]
    assert images == [view.heat]
    assert view.heat.image.shape == (len(engine.trace.ids), 200)
    assert [line.value() for line in view.playheads] == [3.0] * 4
    assert view.wave_plot.viewRange()[0] == view.heat_plot.viewRange()[0] == [0.0, 30.0]


def test_meters_follow_what_is_playing_and_rest_when_it_stops(
    app: App, engine: FakeEngine, first: str
) -> None:
    start_or_stop(app)
    meter = app.window.rack.strips[first].meter
    lit = []
    for i in range(30):
        engine.step(i / 30)
        app.poll_plots()
        lit.append(meter.lit)
    assert max(lit) > 4
    engine.stop()
    for _ in range(30):
        app.poll_plots()
    assert meter.lit == 0


def test_the_rack_is_what_the_heat_map_shows_first(app: App, engine: FakeEngine, bank: FakeBank) -> None:
    app.rack_actions.add(bank.rows[50].id)
    assert engine.trace.ids[0] == bank.rows[50].id


def test_mute_solo_and_remove_buttons(qtbot: Any, app: App, engine: FakeEngine, first: str) -> None:
    strip = app.window.rack.strips[first]
    app.rack.set_amount(first, 1.0)
    strip.mute.click()
    assert engine.calls[-1] == ("amount", first, 0.0)
    strip.mute.click()
    assert engine.calls[-1] == ("amount", first, 1.0)
    strip.remove.click()
    assert ("remove", first) in engine.calls
    assert app.window.rack.strips == {}


def test_selecting_shows_a_page_and_neighbours_lead_on(app: App, bank: FakeBank) -> None:
    app.library.selected.set(bank.rows[0].id)
    assert app.window.inspector.title() == "drums"
    app.library.selected.set(bank.rows[-1].id)
    assert app.window.inspector.title().startswith("unnamed")


def test_an_engine_error_is_shown_with_its_message(app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.fail("logits at layer 3 are not finite at drums +2.0; lower that slider")
    app.poll_text()
    assert "lower that slider" in app.window.status.text.text()
    assert not app.transport.playing.value


def test_missing_assets_are_said_in_the_window(qtbot: Any, qapp: object) -> None:
    def load(say: object) -> object:
        raise RuntimeError("assets/model has no config.json; run python -m drawbar.bundled")

    app = App(load)  # type: ignore[arg-type]
    app.start()
    qtbot.waitUntil(lambda: app.failed is not None, timeout=5000)
    assert "drawbar.bundled" in app.window.rack.empty.hint.text()
    assert not app.window.transport.play.isEnabled()
    app.window.close()


def test_loading_happens_off_the_windows_thread_with_a_visible_phase(qtbot: Any, qapp: object) -> None:
    import threading

    go, seen = threading.Event(), []

    def load(say: object) -> object:
        seen.append(threading.current_thread())
        say("Loading the model")  # type: ignore[operator]
        go.wait(5)
        return fake_load()(say)

    app = App(load)  # type: ignore[arg-type]
    app.start()
    qtbot.waitUntil(lambda: "Loading the model" in app.window.status.text.text(), timeout=5000)
    assert not app.transport.ready.value
    go.set()
    qtbot.waitUntil(lambda: app.transport.ready.value, timeout=5000)
    assert seen[0] is not threading.main_thread()
    app.window.close()


def test_closing_closes_the_engine(app: App, engine: FakeEngine) -> None:
    app.window.close()
    assert ("close",) in engine.calls


SURFACES = ("well", "ground", "panel", "raised", "hover", "strip_top", "strip_bottom", "bar_top", "select")
WORDS = (
    "text", "text_soft", "text_faint", "accent", "accent_bright", "warn", "good", "cool", "solo", "focus",
    *KIND_TITLES,
)  # fmt: skip


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda p: p.name)
@pytest.mark.parametrize("ground", SURFACES)
@pytest.mark.parametrize("text", WORDS)
def test_text_is_readable_on_every_surface(palette: Palette, ground: str, text: str) -> None:
    assert contrast(getattr(palette, text), getattr(palette, ground)) >= 4.5


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda p: p.name)
def test_text_is_readable_on_the_accent_and_on_caps_and_light_is_seen_on_tracks(palette: Palette) -> None:
    assert contrast(palette.on_accent, palette.accent) >= 4.5
    assert contrast(palette.on_ivory, palette.ivory) >= 4.5
    assert contrast(palette.on_fill, palette.fill) >= 3.0  # the bars of the play button
    for lamp in (palette.mute, palette.solo, palette.record):
        assert contrast(palette.on_lamp, lamp) >= 4.5
    assert contrast(palette.accent_bright, palette.accent_dim) >= 4.5
    assert contrast(palette.ground, palette.cool) >= 4.5
    assert contrast(palette.ground, palette.warn) >= 4.5
    assert contrast(palette.fill, palette.well) >= 3.0


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda p: p.name)
def test_the_style_sheet_parses_and_names_every_colour(qapp: object, palette: Palette) -> None:
    complaints: list[str] = []
    before = qInstallMessageHandler(lambda kind, context, message: complaints.append(message))
    try:
        probe = QLabel()
        probe.setStyleSheet(style_sheet(palette))
        probe.ensurePolished()
    finally:
        qInstallMessageHandler(before)
    assert complaints == []
    assert "$" not in style_sheet(palette)


def test_the_heat_scale_is_monotone_in_lightness() -> None:
    for palette in (DARK, LIGHT):
        for scale in (palette.heat, palette.spectrum):
            ratios = [contrast(scale[0], step) for step in scale]
            assert ratios == sorted(ratios)
        assert palette.heat[1:-1] != palette.spectrum[1:-1]
