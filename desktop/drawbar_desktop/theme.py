"""Design tokens -> colours, type, spacing and one style sheet; nothing else names a colour."""

from dataclasses import dataclass, fields
from string import Template

from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from drawbar.paths import assets_dir

__all__ = ["DARK", "SPACE", "TYPE", "Palette", "apply_theme", "contrast", "font", "icon", "qcolor"]


@dataclass(frozen=True)
class Palette:
    """Every colour of the window; `on_*` is text drawn upon the colour of that name."""

    well: str  # the deepest level: tracks, plots, fields
    ground: str  # the window
    panel: str  # browser, rack, inspector
    raised: str  # strips, buttons
    hover: str
    line: str  # hairlines
    line_strong: str  # borders of controls
    text: str
    text_soft: str
    text_faint: str
    accent: str
    accent_bright: str
    accent_dim: str  # an accent-tinted surface, for selections
    on_accent: str
    ivory: str  # drawbar caps
    ivory_shade: str
    on_ivory: str
    good: str
    warn: str


DARK = Palette(
    well="#0e0a08",
    ground="#15100d",
    panel="#1c1612",
    raised="#281f19",
    hover="#352a22",
    line="#2e241d",
    line_strong="#4b3c31",
    text="#f4eadc",
    text_soft="#c9b9a5",
    text_faint="#a4937f",
    accent="#f2a03d",
    accent_bright="#ffc477",
    accent_dim="#3d2a17",
    on_accent="#1d1006",
    ivory="#f6ecdb",
    ivory_shade="#c4b298",
    on_ivory="#33261b",
    good="#9cc48a",
    warn="#ff8464",
)


class SPACE:
    """Distances in pixels, multiples of four."""

    xs, s, m, l, xl = 4, 8, 12, 16, 24  # noqa: E741
    radius = 7


class TYPE:
    """Sizes in pixels."""

    caption, small, body, strong, title, display = 10, 11, 13, 13, 15, 20


_FAMILY = "Inter"
_FALLBACK = ("Inter", "SF Pro Text", "Segoe UI", "Noto Sans", "DejaVu Sans", "sans-serif")


def qcolor(token: str, alpha: float = 1.0) -> QColor:
    """A token's colour, optionally translucent."""
    color = QColor(token)
    color.setAlphaF(alpha)
    return color


def contrast(a: str, b: str) -> float:
    """The contrast ratio of two colours (WCAG 2.1, relative luminance)."""

    def luminance(token: str) -> float:
        channels = [int(token[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def font(size_px: int = TYPE.body, weight: QFont.Weight = QFont.Weight.Normal, spacing: float = 0.0) -> QFont:
    """The interface font with figures of equal width, so that read-outs do not dance."""
    result = QFont()
    result.setFamilies(list(_FALLBACK))
    result.setPixelSize(size_px)
    result.setWeight(weight)
    if spacing:
        result.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, spacing)
    if hasattr(result, "setFeature"):  # Qt 6.7
        result.setFeature(QFont.Tag("tnum"), 1)
    return result


def icon(name: str, palette: Palette = DARK, *, on: str | None = None, color: str | None = None) -> QIcon:
    """An icon of Material Design Icons: soft when idle, bright under the pointer, `on` when checked."""
    import qtawesome

    idle = color or palette.text_soft
    result: QIcon = qtawesome.icon(
        f"mdi6.{name}",
        color=idle,
        color_active=color or palette.text,
        color_on=on or color or palette.accent,
        color_disabled=palette.line_strong,
    )
    return result


def apply_theme(app: QApplication, palette: Palette = DARK) -> None:
    """Fusion, our palette, our font and our style sheet."""
    for file in sorted((assets_dir() / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(file))
    app.setStyle(QStyleFactory.create("Fusion"))
    app.setFont(font())
    app.setPalette(_qpalette(palette))
    app.setStyleSheet(style_sheet(palette))


def icon_size(px: int = 18) -> QSize:
    """A square icon size."""
    return QSize(px, px)


def _qpalette(p: Palette) -> QPalette:
    result = QPalette()
    role = QPalette.ColorRole
    for where, token in (
        (role.Window, p.ground),
        (role.WindowText, p.text),
        (role.Base, p.well),
        (role.AlternateBase, p.panel),
        (role.Text, p.text),
        (role.Button, p.raised),
        (role.ButtonText, p.text),
        (role.BrightText, p.accent_bright),
        (role.Highlight, p.accent),
        (role.HighlightedText, p.on_accent),
        (role.ToolTipBase, p.raised),
        (role.ToolTipText, p.text),
        (role.PlaceholderText, p.text_faint),
        (role.Link, p.accent),
        (role.Accent, p.accent),
    ):
        result.setColor(where, QColor(token))
    for where in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, where, QColor(p.line_strong))
    return result


def style_sheet(p: Palette) -> str:
    """The Qt style sheet with this palette's colours filled in."""
    return Template(_QSS).substitute({f.name: getattr(p, f.name) for f in fields(p)})


_QSS = """
QWidget { color: $text; }
QMainWindow, #root { background: $ground; }
QToolTip { background: $raised; color: $text; border: 1px solid $line_strong; padding: 5px 8px; }

#transport { background: qlineargradient(x1:0, y1:0, x2:0, y2:1, stop:0 #241b15, stop:1 $panel);
             border-bottom: 1px solid $line; }
#panel { background: $panel; border: 1px solid $line; border-radius: 10px; }
#rackFloor { background: $well; border: 1px solid $line; border-radius: 10px; }
#strip { background: qlineargradient(x1:0, y1:0, x2:0, y2:1, stop:0 #2c221b, stop:1 #211914);
         border: 1px solid $line; border-radius: 9px; }
#strip[selected="true"] { border: 1px solid $accent; }
#statusLine { background: $ground; }

#heading { font-size: 13px; font-weight: 600; color: $text; }
#wordmark { font-size: 18px; font-weight: 600; color: $text; }
#caption { font-size: 10px; font-weight: 600; color: $text_faint; }
#soft { color: $text_soft; }
#small { font-size: 11px; color: $text_soft; }
#faint { font-size: 11px; color: $text_faint; }
#promptHint { font-size: 11px; color: $accent_bright; background: $accent_dim; border-radius: 5px;
    padding: 3px 8px; }
#number { font-size: 13px; font-weight: 600; color: $text; }
#number[alarm="true"] { color: $warn; }
#clock { font-size: 20px; font-weight: 600; color: $text; }
#featureTitle { font-size: 17px; font-weight: 600; color: $text; }
#stripTitle { font-size: 12px; font-weight: 600; color: $text; }
#tag { font-size: 10px; font-weight: 600; color: $text_soft; background: $well;
    border: 1px solid $line_strong;
       border-radius: 4px; padding: 1px 5px; }
#tag[tone="accent"] { color: $accent_bright; background: $accent_dim; border-color: #6b4820; }

QLineEdit, QSpinBox, QComboBox { background: $well; color: $text; border: 1px solid $line_strong;
    border-radius: 7px;
    padding: 0 10px; min-height: 32px; selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:hover, QSpinBox:hover, QComboBox:hover { border-color: #6a5645; }
QLineEdit:focus, QSpinBox:focus, QComboBox:focus { border: 1px solid $accent; }
QLineEdit#prompt { font-size: 15px; min-height: 36px; padding: 0 12px; }
QLineEdit#search { padding: 0 6px 0 2px; }
QLineEdit#value { background: $well; border: 1px solid $line; border-radius: 5px; min-height: 22px;
    padding: 0 2px;
    font-weight: 600; font-size: 12px; }
QLineEdit#value:hover { border-color: $line_strong; }
QLineEdit#value:focus { border-color: $accent; }
QComboBox::drop-down { border: 0; width: 22px; }
QComboBox::down-arrow { image: none; width: 0; }
QComboBox QAbstractItemView { background: $raised; border: 1px solid $line_strong; padding: 4px; outline: 0;
    selection-background-color: $accent_dim; selection-color: $text; }

QPushButton { background: $raised; border: 1px solid $line_strong; border-radius: 7px; padding: 0 12px;
    min-height: 32px; font-weight: 500; }
QPushButton:hover { background: $hover; border-color: #6a5645; }
QPushButton:pressed { background: $well; }
QPushButton:focus { border: 1px solid $accent; }
QPushButton:disabled { color: $text_faint; background: $panel; border-color: $line; }
QPushButton:checked { background: $accent_dim; border-color: $accent; color: $accent_bright; }
QPushButton#primary { background: $accent; color: $on_accent; border: 1px solid $accent; font-weight: 600; }
QPushButton#primary:hover { background: $accent_bright; }
QPushButton#primary:focus { border: 2px solid $text; }
QPushButton#primary:disabled { background: $accent_dim; color: $text_faint; border-color: $line_strong; }
QPushButton#chip { min-height: 24px; border-radius: 12px; padding: 0 9px; font-size: 11px;
    background: transparent; }
QPushButton#chip[bare="true"] { padding: 0 2px; }
QPushButton#chip:hover { background: $hover; }
QPushButton#chip:checked { background: $accent_dim; border-color: $accent; color: $accent_bright; }
QPushButton#chip:focus { border-color: $accent_bright; }
QPushButton#link { background: transparent; border: 1px solid transparent; padding: 0 4px; min-height: 22px;
    color: $accent_bright; text-align: left; font-size: 12px; }
QPushButton#link:hover { background: $hover; }
QPushButton#link:focus { border-color: $accent; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 3px; }
QToolButton:hover { background: $hover; }
QToolButton:focus { border-color: $accent; }
QToolButton:checked { background: $accent_dim; border-color: #6b4820; }
QToolButton#framed { background: $raised; border: 1px solid $line_strong; min-width: 26px; min-height: 26px; }
QToolButton#framed:hover { background: $hover; }
QToolButton#framed:checked { background: $accent_dim; border-color: $accent; }
QToolButton#framed:focus { border-color: $accent; }

QListView { background: transparent; border: 0; outline: 0; }
QScrollArea { background: transparent; border: 0; }
QScrollArea > QWidget > QWidget { background: transparent; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle { background: $line_strong; border-radius: 3px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $text_faint; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $accent_dim; }

QSlider::groove:horizontal { height: 4px; background: $well; border: 1px solid $line_strong;
    border-radius: 3px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal { background: $ivory; width: 12px; height: 16px; margin: -7px 0;
    border-radius: 4px;
    border: 1px solid $on_ivory; }
QSlider::handle:horizontal:hover { background: #ffffff; }
QSlider:focus { border: 1px solid $accent; border-radius: 6px; }
#separator { background: $line; max-height: 1px; min-height: 1px; border: 0; }
#addSlot { background: transparent; border: 1px dashed $line_strong; border-radius: 9px; color: $text_faint;
    font-size: 11px; font-weight: 500; padding: 0 8px; }
#addSlot:hover { background: $panel; border-color: $text_faint; color: $text_soft; }
#addSlot:focus { border-color: $accent; }
#scrim { background: rgba(8, 5, 3, 190); }
#card { background: $raised; border: 1px solid $line_strong; border-radius: 12px; }
"""
