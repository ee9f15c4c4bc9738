"""Role and value of the widgets that we draw ourselves, for screen readers; Qt knows only its own kinds.

A widget says `accessible_role` (of `ROLES`) and, if it has one, `accessible_value()`.
"""

from PySide6.QtCore import QObject
from PySide6.QtGui import QAccessible, QAccessibleInterface, QAccessibleValueChangeEvent
from PySide6.QtWidgets import QAccessibleWidget, QWidget

ROLES = {
    "slider": QAccessible.Role.Slider,
    "meter": QAccessible.Role.Indicator,
    "chart": QAccessible.Role.Chart,
    "graphic": QAccessible.Role.Graphic,
}
_installed = False


class _Described(QAccessibleWidget):
    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget, ROLES[str(widget.accessible_role)], "")  # type: ignore[attr-defined]
        self._of = widget

    def text(self, kind: QAccessible.Text) -> str:
        """The value as the widget says it; everything else as Qt does."""
        value = getattr(self._of, "accessible_value", None)
        if kind == QAccessible.Text.Value and value is not None:
            return str(value())
        return str(super().text(kind))


def describe(key: str, thing: QObject) -> QAccessibleInterface | None:
    """Qt asks for the interface of an object; None where Qt's own will do."""
    if not isinstance(thing, QWidget) or getattr(thing, "accessible_role", None) not in ROLES:
        return None
    described = _Described(thing)
    thing._described = described  # type: ignore[attr-defined]  # Python lets go of it with the widget
    return described


def install() -> None:
    """Once per process."""
    global _installed
    if not _installed:
        QAccessible.installFactory(describe)
        _installed = True


def value_changed(widget: QWidget, value: float) -> None:
    """Tell a listening screen reader; costs nothing without one."""
    if QAccessible.isActive():
        QAccessible.updateAccessibility(QAccessibleValueChangeEvent(widget, value))
