"""What a newcomer does first: play, pause, again, vary, presets, the prompt's words; and what they look at."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget

from drawbar.bank.kinds import kind_of
from drawbar.live.takes.take import Take
from drawbar_desktop.app import App
from drawbar_desktop.controllers.variations import opening, seeds
from drawbar_desktop.services.model_loading import vocabulary
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.presets import Preset, contrasting
from drawbar_desktop.style.theme import DARK, LIGHT, apply_theme
from drawbar_desktop.widgets.common.verdicts import tick_of
from tests.desktop.fakes import RATE, FakeBank, FakeEngine, start_or_stop
from tests.desktop.test_gestures import play_a_take, poll, wait

WORDS = {"Instruments": ("piano", "electric piano", "flute"), "Mood": ("slow", "soft")}


def plays(engine: FakeEngine) -> list[Any]:
    return [call[1] for call in engine.calls if call[0] == "play"]


# -- play, pause, again ---------------------------------------------------------------------------------


def test_space_pauses_a_take_and_plays_what_is_shown_once_it_has_ended(
    qtbot: Any, app: App, engine: FakeEngine
) -> None:
    app.toggle_play()
    assert len(plays(engine)) == 1, "nothing was shown, so it is a new take"
    engine.step(2.0, ahead=0.0)
    poll(app)
    app.toggle_play()
    app.toggle_play()
    assert [call for call in engine.calls if call[0] == "pause"] == [("pause", True), ("pause", False)]
    app.actions.end_take()
    wait(qtbot, app, lambda: app.desk.history.total == 1)
    app.toggle_play()
    wait(qtbot, app, lambda: engine.player.playing)
    engine.player.position_s = 1.0
    app.poll_plots()
    app.toggle_play()
    assert not engine.player.playing
    poll(app)
    app.toggle_play()
    wait(qtbot, app, lambda: engine.player.playing)
    assert engine.player.calls[-1][2] == RATE, "from where it was paused"
    assert len(plays(engine)) == 1


def test_a_new_take_is_a_button_enter_and_shift_space(qtbot: Any, app: App, engine: FakeEngine) -> None:
    bar = app.window.transport
    app.window.activateWindow()
    bar.new_take.click()
    qtbot.keyClick(app.window, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    for modifier in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier):
        bar.prompt.setFocus()
        qtbot.keyClick(bar.prompt, Qt.Key.Key_Return, modifier)
    assert len(plays(engine)) == 4


def test_again_is_the_same_seed_in_one_click(app: App, engine: FakeEngine) -> None:
    bar = app.window.transport
    bar.new_take.click()
    bar.again.click()
    bar.again.click()
    bar.new_take.click()
    one, two, three, other = (settings.seed for settings in plays(engine))
    assert one == two == three
    assert other != one


def test_four_variations_share_the_opening_and_one_is_kept(qtbot: Any, app: App, engine: FakeEngine) -> None:
    app.actions.vary()
    assert "Play a take first" in app.window.status.text.text()
    play_a_take(qtbot, app, engine)
    made: list[tuple[int, int]] = []

    def vary(settings: Any, prefix: Any, tell: Any, cancel: Any) -> Take:
        made.append((settings.seed, prefix.shape[1]))
        tell(10, 20)
        return Take(np.ones(RATE, np.float32), RATE, prefix, settings, site="ab", bank="fake")

    assert app.links.loaded is not None
    app.links.loaded = type(app.links.loaded)(**{**vars(app.links.loaded), "vary": vary})
    take = engine.take
    assert take is not None
    app.actions.vary()
    wait(qtbot, app, lambda: app.desk.history.total == 5)
    assert made == [(seed, opening(take, 50.0).shape[1]) for seed in seeds(take.settings.seed)]
    banner = app.window.banner
    assert banner.words == "Four variations: which one?"
    bar = app.window.transport
    title, keep, _ = bar.vary_menu()[2]  # type: ignore[misc]
    assert title == "Keep the first 2 bars"
    keep()
    assert title.removeprefix("Keep ") in bar.vary.toolTip()
    app.timeline.grid.set(Grid(240.0, 0.1))
    made.clear()
    app.actions.vary()
    wait(qtbot, app, lambda: app.desk.history.total == 9)
    assert {frames for _, frames in made} == {min(round(50 * 2.1), take.tokens.shape[1] - 50)}
    app.desk.note_settings()
    assert app.desk.settings["kept_bars"] == 2
    banner.answer(2)
    wait(qtbot, app, lambda: banner.words == "Four variations: which one?")
    chosen = app.desk.history.selected.value
    wait(qtbot, app, lambda: app.desk.history.playing.value == chosen)
    banner.answer(4)
    item = app.desk.history.get(chosen)
    assert item is not None
    assert item.starred
    assert item.settings.seed == seeds(take.settings.seed)[2]


# -- the first rack, presets ----------------------------------------------------------------------------


def test_play_something_brings_a_prompt_proven_sliders_inside_their_range_and_music(
    app: App, engine: FakeEngine, bank: FakeBank
) -> None:
    app.play_something()
    assert app.transport.prompt.value
    strips = app.rack.strips
    assert len(strips) == len({strip.feature.label for strip in strips}) == len(contrasting(bank)) >= 2
    for strip in strips:
        assert strip.feature.verdict == "proven"
        assert strip.usable is not None
        assert strip.usable[0] <= strip.amount <= strip.usable[1]
    assert any(plays(engine)[0].amounts.values()), "steered sound at the first click"
    assert plays(engine)[0].twin


def test_bypass_is_prepared_for_an_empty_rack_too_and_says_what_it_does_without(
    app: App, engine: FakeEngine
) -> None:
    """Its twin costs nothing before the first move: tests/steering."""
    app.new_take()
    assert plays(engine)[0].twin
    switch = app.window.transport.bypass
    assert "same take" in switch.toolTip()
    app.transport.twin.set(False)
    assert "from here on" in switch.toolTip()


def test_no_factory_preset_leaves_the_usable_range_or_holds_a_harmful_slider(
    app: App, bank: FakeBank
) -> None:
    bank._replace(bank.rows[0].id, verdict="harmful")
    app.desk.presets.set_bank(bank)
    presets = [preset for preset in app.desk.presets.all() if preset.factory]
    assert presets
    for preset in presets:
        for strip in preset.strips:
            feature = bank.feature(strip["id"])
            assert feature.row.verdict != "harmful"
            low, high = feature.usable_range or (0.0, 0.0)
            assert low <= strip["amount"] <= high


def test_a_preset_is_heard_before_it_is_taken(
    qtbot: Any, app: App, engine: FakeEngine, bank: FakeBank
) -> None:
    app.rack_actions.add(bank.rows[0].id)
    preset = Preset("Other", ({"id": bank.rows[3].id, "label": "lead", "amount": 0.5},))
    app.rack_actions.load_preset(preset)
    app.window.banner.answer(1)
    assert plays(engine)[-1].amounts == {bank.rows[3].id: 0.5}
    assert list(app.rack.ids()) == [bank.rows[0].id]
    wait(qtbot, app, lambda: "Other" in app.window.banner.words)
    app.window.banner.answer(0)
    assert list(app.rack.ids()) == [bank.rows[3].id]


# -- the prompt -----------------------------------------------------------------------------------------


def test_words_are_completed_and_unknown_ones_underlined_while_one_types(qtbot: Any, app: App) -> None:
    prompt = app.window.transport.prompt
    app.window.activateWindow()
    prompt.setFocus()
    prompt.set_vocabulary(["piano", "electric piano", "flute"])
    qtbot.keyClicks(prompt, "slow fl")
    assert prompt.offers() == ["flute"]
    prompt.complete("flute")
    assert prompt.text() == "slow flute"
    qtbot.keyClicks(prompt, " kazoo")
    assert prompt.underlined() == ["kazoo"]
    plain, marked = _pixels(prompt, "slow flute"), _pixels(prompt, "slow kazoo")
    assert marked > plain, "the wave is drawn"


def _pixels(prompt: Any, text: str) -> int:
    """How many pixels have the colour of a warning."""
    prompt.setText(text)
    picture = prompt.grab().toImage()
    hue = QColor(DARK.warn)
    return sum(
        abs(picture.pixelColor(x, y).red() - hue.red()) + abs(picture.pixelColor(x, y).green() - hue.green())
        < 60
        for x in range(0, 200)
        for y in range(picture.height())
    )


def test_chips_by_kind_put_words_into_the_prompt(app: App) -> None:
    bar = app.window.transport
    app.transport.vocabulary.set(WORDS)
    bar.vocabulary.click()
    assert bar.words.isVisible()
    chips = {chip.text(): chip for chip in bar.words.findChildren(QAbstractButton)}
    assert set(chips) == {"piano", "electric piano", "flute", "slow", "soft"}
    for word in ("slow", "piano"):
        chips[word].click()
    assert app.transport.prompt.value == "slow piano"
    bar.words.close()


def test_the_embedded_vocabulary_has_every_kind_and_no_word_that_is_not_known() -> None:
    from drawbar.corpus import normalise_prompt
    from drawbar.paths import embedded_model_dir

    tokenizer = embedded_model_dir() / "tokenizer.json"
    known = vocabulary(tokenizer)
    assert set(known) == {"Instruments", "Drums", "Key", "Tempo", "Chords", "Mood"}
    assert all(known.values())
    for words in known.values():
        assert normalise_prompt(" ".join(words), tokenizer)[1] == []


# -- looks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "kind"),
    [("jazz drums", "rhythm"), ("piano chords", "instrument"), ("key of F sharp", "harmony"), ("noisy", "timbre"),
     ("loudness", "dynamics"), ("", "")],
)  # fmt: skip
def test_every_label_has_its_kind(label: str, kind: str) -> None:
    assert kind_of(label) == kind


def test_a_tick_says_where_a_slider_can_be_pulled() -> None:
    assert tick_of("proven", (-1.0, 1.5))[2].endswith("up and down")
    assert tick_of("proven", (0.0, 1.5))[2].endswith("up only")
    assert tick_of("proven", (-1.0, 0.0))[2].endswith("down only")
    assert tick_of("untested", None)[1] == "text_faint"


def test_a_fader_shows_its_amount_while_it_is_dragged_and_the_other_slot(app: App, bank: FakeBank) -> None:
    id = bank.rows[0].id
    app.rack_actions.add(id)
    app.rack.set_amount(id, 1.0)
    slider = app.window.rack.strips[id].slider
    before: float | None = slider._ghost
    assert before is None
    app.desk.slots.copy("A", "B")
    app.rack.set_amount(id, -0.5)
    assert slider._ghost == 1.0
    rest = slider.grab().toImage()
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() // 2, slider.height() // 2))
    held = slider.grab().toImage()
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton)
    assert rest != held


def test_the_rack_steps_back_while_bypassed(app: App, bank: FakeBank) -> None:
    app.rack_actions.add(bank.rows[0].id)
    strip = app.window.rack.strips[bank.rows[0].id]
    app.transport.bypass.set(True)
    assert strip.property("bypassed") == "true"
    assert "bypassed" in app.window.rack._count.text()
    app.transport.bypass.set(False)
    assert strip.property("bypassed") == "false"


def test_every_row_of_the_heat_map_has_its_name(app: App, engine: FakeEngine) -> None:
    start_or_stop(app)
    engine.step(3.0)
    poll(app)
    view = app.window.timeline
    view._label_rows()
    low, high = view.heat_plot.getViewBox().viewRange()[1]
    names = view.heat_plot.getAxis("left")._tickLevels[0]
    assert len(names) == round(abs(high - low))


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda p: p.name)
def test_text_is_readable_as_it_is_drawn(
    app: App, qapp: Any, palette: Any, bank: FakeBank, tmp_path: Path
) -> None:
    """WCAG 1.4.3 over the pixels of every label and button of the window, drawn large so that strokes are whole."""
    apply_theme(qapp, palette)
    try:
        app.rack_actions.add(bank.rows[0].id)
        app.library.selected.set(bank.rows[0].id)
        faults = []
        for widget in app.window.findChildren(QWidget):
            if isinstance(widget, (QLabel, QAbstractButton)) and widget.isVisible() and widget.isEnabled():
                text = widget.text()
                if text.strip() and widget.width() > 8 and widget.window() is app.window:
                    ratio = _ratio(app.window, widget)
                    if ratio < 4.5:
                        faults.append(f"{type(widget).__name__} {text[:30]!r}: {ratio:.2f}")
        assert faults == []
    finally:
        apply_theme(qapp, DARK)


def _ratio(window: QWidget, widget: QWidget) -> float:
    """The contrast of what a widget shows: its most frequent colour against the one furthest from it."""
    scale = 3
    picture = QImage(widget.size() * scale, QImage.Format.Format_RGB32)
    picture.setDevicePixelRatio(scale)
    window.render(picture, QPoint(), _region(window, widget))
    raw = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), -1, 4)[..., 2::-1] / 255.0
    linear = np.where(raw <= 0.04045, raw / 12.92, ((raw + 0.055) / 1.055) ** 2.4)
    bright = (linear @ np.array([0.2126, 0.7152, 0.0722])).ravel()
    values, counts = np.unique(bright.round(4), return_counts=True)
    ground = values[np.argmax(counts)]
    return float(max((max(v, ground) + 0.05) / (min(v, ground) + 0.05) for v in values))


def _region(window: QWidget, widget: QWidget) -> Any:
    from PySide6.QtCore import QRect
    from PySide6.QtGui import QRegion

    return QRegion(QRect(widget.mapTo(window, QPoint(0, 0)), widget.size()))
