"""Design tokens -> colours, type, spacing, icons and the style sheet; nothing else names a colour."""

import atexit
import os
import tempfile
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from string import Template

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QIcon,
    QIconEngine,
    QImage,
    QPainter,
    QPalette,
    QPen,
    QPixmap,
    QPixmapCache,
)
from PySide6.QtWidgets import QApplication, QStyleFactory

from drawbar.paths import assets_dir
from drawbar_desktop.style.stylesheet import TEMPLATE


@dataclass(frozen=True)
class Palette:
    """Every colour of the window; `on_*` is text drawn upon the colour of that name."""

    name: str
    well: str  # the deepest level: tracks, plots, fields
    ground: str  # the window
    panel: str  # browser, rack, inspector
    raised: str  # buttons, menus
    strip_top: str  # a strip's gradient
    strip_bottom: str
    bar_top: str  # the transport's gradient
    hover: str
    line: str  # hairlines
    line_strong: str  # borders of controls
    line_hover: str
    text: str
    text_soft: str
    text_faint: str
    accent: str  # amber as text, marks and borders
    accent_bright: str
    accent_dim: str  # an accent-tinted surface, for selections
    accent_line: str
    on_accent: str
    fill: str  # amber as light: lamps, waveforms, slider fills
    fill_bright: str
    on_fill: str
    ivory: str  # drawbar caps
    ivory_bright: str
    ivory_shade: str
    ivory_off: str  # a muted strip's cap
    ivory_off_shade: str
    on_ivory: str
    good: str
    warn: str
    cool: str  # automation, the second voice beside amber
    shadow: str
    scrim: str
    select: str  # a neutral surface: what is chosen or switched on
    focus: str  # a neutral line: where the keyboard is, what is selected
    mute: str  # lamps, in the colours that mixers have
    solo: str
    record: str
    on_lamp: str
    instrument: str  # kinds of sound
    rhythm: str
    harmony: str
    timbre: str
    dynamics: str
    heat: tuple[str, str, str, str, str]  # the heat-map's scale, from nothing to full
    spectrum: tuple[str, str, str, str, str]  # the spectrogram's


DARK = Palette(
    name="dark",
    well="#0e0a08",
    ground="#15100d",
    panel="#1c1612",
    raised="#281f19",
    strip_top="#2c221b",
    strip_bottom="#211914",
    bar_top="#241b15",
    hover="#352a22",
    line="#2e241d",
    line_strong="#4b3c31",
    line_hover="#6a5645",
    text="#f4eadc",
    text_soft="#c9b9a5",
    text_faint="#a4937f",
    accent="#f2a03d",
    accent_bright="#ffc477",
    accent_dim="#3d2a17",
    accent_line="#6b4820",
    on_accent="#1d1006",
    fill="#f2a03d",
    fill_bright="#ffc477",
    on_fill="#1d1006",
    ivory="#f6ecdb",
    ivory_bright="#ffffff",
    ivory_shade="#c4b298",
    ivory_off="#8b7d6c",
    ivory_off_shade="#62574b",
    on_ivory="#33261b",
    good="#9cc48a",
    warn="#ff8464",
    cool="#7fc3d6",
    shadow="#000000",
    scrim="rgba(8, 5, 3, 190)",
    select="#372d25",
    focus="#e3d6c3",
    mute="#8fb4e6",
    solo="#f2dc4e",
    record="#ff6b5e",
    on_lamp="#17110d",
    instrument="#e6a08c",
    rhythm="#c7a8ee",
    harmony="#8dbcf2",
    timbre="#7ed0bd",
    dynamics="#d6cd86",
    heat=("#0e0a08", "#3d2114", "#a85a1e", "#f2a03d", "#fff1d6"),
    spectrum=("#0e0a08", "#14304b", "#1d6a86", "#6fbfc6", "#f1fbf6"),
)
LIGHT = Palette(
    name="light",
    well="#fffdf9",
    ground="#ece6dd",
    panel="#f6f2eb",
    raised="#fdfaf5",
    strip_top="#fffdf9",
    strip_bottom="#f3ece2",
    bar_top="#f9f5ee",
    hover="#f0e6d8",
    line="#ddd3c5",
    line_strong="#b9aa97",
    line_hover="#8f7f6c",
    text="#241a12",
    text_soft="#54463a",
    text_faint="#6a5a4b",
    accent="#8a4a00",
    accent_bright="#7a4000",
    accent_dim="#f8e3c4",
    accent_line="#d9a864",
    on_accent="#fffaf2",
    fill="#c9700d",
    fill_bright="#b86200",
    on_fill="#fffaf2",
    ivory="#4a3b2e",
    ivory_bright="#5d4b3b",
    ivory_shade="#2b2019",
    ivory_off="#b3a797",
    ivory_off_shade="#948776",
    on_ivory="#fff3df",
    good="#2f6b24",
    warn="#b3290d",
    cool="#14647a",
    shadow="#7a6a58",
    scrim="rgba(70, 55, 40, 150)",
    select="#e2d6c6",
    focus="#3d2f24",
    mute="#2a5a9c",
    solo="#6a5600",
    record="#b3261a",
    on_lamp="#fffdf9",
    instrument="#9a3f26",
    rhythm="#6a3fa8",
    harmony="#1f5aa6",
    timbre="#0f6657",
    dynamics="#6b5e08",
    heat=("#fffdf9", "#f6dcb4", "#e39a3c", "#a8550a", "#3a1c04"),
    spectrum=("#fffdf9", "#cfe3e8", "#6aa9bd", "#1f6580", "#08202e"),
)


class _Current:
    """The palette in use; widgets read it when they paint, so that a theme needs no second set of widgets."""

    def __init__(self) -> None:
        self.palette = DARK

    def __getattr__(self, token: str) -> "Token":
        return Token(getattr(self.palette, token), token)


class Token(str):
    """A colour that knows its name, so that what keeps it can ask for it again in another theme."""

    __slots__ = ("token",)
    token: str

    def __new__(cls, color: str, token: str) -> "Token":
        """The colour as it is now."""
        result = super().__new__(cls, color)
        result.token = token
        return result


P = _Current()


def now(color: str) -> str:
    """A colour in the palette that is in use now."""
    return getattr(P, color.token) if isinstance(color, Token) else color


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


def icon(name: str, *, on: str | None = None, color: str | None = None) -> QIcon:
    """An icon of Material Design Icons: soft when idle, bright under the pointer, `on` when checked."""
    return QIcon(
        _ThemeIcon(name, (color or P.text_soft, color or P.text, on or color or P.text, P.line_strong))
    )


class _ThemeIcon(QIconEngine):
    """Draws with the palette of the moment, so that a button keeps its icon when the theme changes."""

    def __init__(self, name: str, colors: tuple[str, str, str, str]) -> None:
        super().__init__()
        self._name, self._colors = name, colors

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        """Idle, active, on or disabled."""
        idle, active, on, disabled = map(now, self._colors)
        _drawn(self._name, idle, active, on, disabled).paint(
            painter, rect, Qt.AlignmentFlag.AlignCenter, mode, state
        )

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        """The same as a picture, drawn once: a button asks for it whenever it is painted."""
        result = QPixmap(size)
        key = (
            f"drawbar {self._name} {[*map(now, self._colors)]} {size.width()} {size.height()} {mode} {state}"
        )
        if QPixmapCache.find(key, result):
            return result
        result.fill(Qt.GlobalColor.transparent)
        painter = QPainter(result)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        QPixmapCache.insert(key, result)
        return result


@lru_cache(maxsize=512)
def _drawn(name: str, idle: str, active: str, on: str, disabled: str) -> QIcon:
    import qtawesome

    result: QIcon = qtawesome.icon(
        f"mdi6.{name}", color=idle, color_active=active, color_on=on, color_disabled=disabled
    )
    return result


def apply_theme(app: QApplication, palette: Palette = DARK) -> None:
    """Fusion, our font, our palette and our style sheet; later calls only change the colours."""
    P.palette = palette
    if not app.property("themed"):
        for file in sorted((assets_dir() / "fonts").glob("*.otf")):
            QFontDatabase.addApplicationFont(str(file))
        app.setStyle(QStyleFactory.create("Fusion"))
        app.setFont(font())
        app.setProperty("themed", True)
    app.setPalette(_qpalette(palette))
    app.setStyleSheet(style_sheet(palette))


def icon_size(px: int = 18) -> QSize:
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
        (role.BrightText, p.text),
        (role.Highlight, p.select),
        (role.HighlightedText, p.text),
        (role.ToolTipBase, p.raised),
        (role.ToolTipText, p.text),
        (role.PlaceholderText, p.text_faint),
        (role.Link, p.text),
        (role.Accent, p.focus),
    ):
        result.setColor(where, QColor(token))
    for where in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, where, QColor(p.line_strong))
    return result


def style_sheet(p: Palette) -> str:
    """The Qt style sheet with this palette's colours filled in."""
    values = {f.name: getattr(p, f.name) for f in fields(p)} | {"tick": _tick(p.on_ivory)}
    return Template(TEMPLATE).substitute(values)


@lru_cache
def _tick(color: str) -> str:
    """The tick of a checked box, as a file: a style sheet takes no other picture. Needs no application yet."""
    picture = QImage(32, 32, QImage.Format.Format_ARGB32_Premultiplied)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(
        QPen(QColor(color), 5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    )
    painter.drawPolyline([QPoint(6, 17), QPoint(13, 24), QPoint(26, 9)])
    painter.end()
    handle, name = tempfile.mkstemp(prefix="drawbar-tick-", suffix=".png")
    os.close(handle)
    path = Path(name)
    picture.save(name)
    atexit.register(path.unlink, missing_ok=True)
    return path.as_posix()
