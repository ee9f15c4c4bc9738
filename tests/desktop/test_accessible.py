"""What assistive tools and eyes need: roles, names and values of everything, focus that is seen, contrast."""

import re
from typing import Any

import pytest
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QWidget

from drawbar_desktop.app import App
from drawbar_desktop.style.theme import DARK, LIGHT, Palette, contrast, style_sheet
from drawbar_desktop.widgets.common.histogram import Histogram
from drawbar_desktop.widgets.common.meters import ActivationMeter, LevelMeter
from drawbar_desktop.widgets.rack.amount_slider import AmountSlider
from drawbar_desktop.widgets.rack.macro_strip import MacroFader
from tests.desktop.fakes import FakeEngine


def spoken(widget: QWidget) -> tuple[QAccessible.Role, str, str]:
    """Role, name and value, as a screen reader asks for them."""
    interface = QAccessible.queryAccessibleInterface(widget)
    return (
        interface.role(),
        interface.text(QAccessible.Text.Name),
        interface.text(QAccessible.Text.Value),
    )


def test_what_we_draw_ourselves_has_a_role_a_name_and_a_value(app: App) -> None:
    app.rack_actions.add_best()
    ids = list(app.rack.ids())
    app.rack.set_amount(ids[0], 0.75)
    app.desk.macros.make(ids[1:3], "Band")
    app.library.selected.set(ids[0])
    window = app.window
    role, name, value = spoken(window.rack.strips[ids[0]].slider)
    assert role == QAccessible.Role.Slider
    assert "drums" in name
    assert value == "+0.75"
    roles = {
        AmountSlider: QAccessible.Role.Slider,
        MacroFader: QAccessible.Role.Slider,
        ActivationMeter: QAccessible.Role.Indicator,
        LevelMeter: QAccessible.Role.Indicator,
        Histogram: QAccessible.Role.Chart,
    }
    for kind, expected in roles.items():
        found: list[QWidget] = window.findChildren(kind)
        assert found, kind
        for widget in found:
            role, name, _ = spoken(widget)
            assert role == expected
            assert name, f"{kind.__name__} has no name"


def test_roles_outlive_many_strips(app: App) -> None:
    for _ in range(5):
        app.rack_actions.add_best()
        for id in list(app.rack.ids()):
            assert spoken(app.window.rack.strips[id].slider)[0] == QAccessible.Role.Slider
            app.rack.remove(id)
    assert not app.rack.ids()


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda p: p.name)
def test_focus_and_borders_are_seen(palette: Palette) -> None:
    """WCAG 2.2, 1.4.11: what marks a control's state stands out three to one."""
    for mark in (palette.accent_bright, palette.accent, palette.text):
        for ground in (palette.panel, palette.ground, palette.well):
            assert contrast(mark, ground) >= 3.0, (mark, ground)


def test_everything_that_takes_the_keyboard_shows_it() -> None:
    sheet = style_sheet(DARK)
    for kind in ("QPushButton", "QToolButton", "QLineEdit", "QComboBox", "QSpinBox", "QSlider", "QCheckBox"):
        assert re.search(rf"{kind}[^{{}}]*:focus", sheet), kind


def test_what_can_be_worked_answers_the_pointer() -> None:
    sheet = style_sheet(DARK)
    for kind in ("QPushButton", "QToolButton", "QComboBox", "QSlider"):
        assert re.search(rf"{kind}[^{{}}]*:hover", sheet), kind


def test_colour_is_never_the_only_sign(app: App, engine: FakeEngine, qtbot: Any) -> None:
    app.rack_actions.add_best()
    id = next(iter(app.rack.ids()))
    app.rack.set_amount(id, 3.0)
    slider = app.window.rack.strips[id].slider
    assert app.rack.strip(id).beyond
    assert "beyond the usable range" in spoken(slider)[1]
    engine.fail("layer 3 is not finite")
    app.poll_text()
    assert "layer 3 is not finite" in app.window.status.text.text()
