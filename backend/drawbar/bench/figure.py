"""Named values -> a dot plot or a line plot as SVG text, for documents. It knows nothing of what the values mean."""

import math
from collections.abc import Mapping, Sequence

from drawbar.markup import Drawing, Shape, shape

_COLOURS = ("#e4572e", "#8a8f98", "#5b8fb0", "#b5a642", "#7d5ba6", "#3a9679", "#f0a202", "#1c1c1c")
_ROW, _LEFT, _RIGHT, _TOP, _WIDTH = 18, 190, 24, 64, 860
_ALONE = {
    "xmlns": "http://www.w3.org/2000/svg",
    "font-family": "Inter, Helvetica, Arial, sans-serif",
    "font-size": "11",
}


def dot_plot(
    rows: Mapping[str, Mapping[str, float]],
    series: Sequence[str],
    *,
    title: str,
    low: float = 0.5,
    high: float = 1.0,
    marks: Sequence[float] = (),
) -> str:
    """One line per row, one dot per series; ``marks`` are dashed lines. Values below ``low`` stand at the edge."""
    height = _TOP + _ROW * len(rows) + 40
    foot = _TOP + _ROW * len(rows)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (min(max(value, low), high) - low) / (high - low)

    shapes = _head(title, series, _WIDTH, height)
    for tick in (low + 0.1 * n for n in range(round((high - low) / 0.1) + 1)):
        shapes.append(shape("line", x1=x(tick), x2=x(tick), y1=_TOP - 8, y2=foot, stroke="#e6e6e6"))
        shapes.append(_words(x(tick), foot + 16, f"{tick:.1f}", "#666666", text_anchor="middle"))
    for mark in marks:
        line = {"stroke": "#999999", "stroke_dasharray": "4 3"}
        shapes.append(shape("line", x1=x(mark), x2=x(mark), y1=_TOP - 8, y2=foot, **line))
    for number, (name, values) in enumerate(rows.items()):
        y = _TOP + _ROW * number + 4
        shapes.append(shape("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, stroke="#f3f3f3"))
        shapes.append(_words(_LEFT - 10, y + 4, name, "#222222", text_anchor="end"))
        for place in reversed(range(len(series))):  # the first series on top
            value = values.get(series[place], math.nan)
            if not math.isnan(value):
                colour, size = _COLOURS[place % len(_COLOURS)], 5 if place == 0 else 3.5
                shapes.append(shape("circle", cx=x(value), cy=y, r=size, fill=colour, fill_opacity=0.9))
    return alone(title, _WIDTH, height, shapes)


def line_plot(
    at: Sequence[float], series: Mapping[str, Sequence[float]], *, title: str, across: str, up: str
) -> str:
    """One line per series over ``at`` (from 0 on); ``across`` and ``up`` name the axes."""
    left, foot, height = 56, 276, 320
    values = [value for line in series.values() for value in line]
    step = _round_step(max(values) - min(values))
    low, high = step * math.floor(min(values) / step), step * math.ceil(max(values) / step)
    end, stride = max(at), _round_step(max(at))

    def x(value: float) -> float:
        return left + (_WIDTH - left - _RIGHT) * value / end

    def y(value: float) -> float:
        return foot - (foot - _TOP) * (value - low) / max(high - low, step)

    shapes = _head(title, list(series), _WIDTH, height)
    for number in range(round((high - low) / step) + 1):
        tick = low + number * step
        shapes.append(shape("line", x1=left, x2=_WIDTH - _RIGHT, y1=y(tick), y2=y(tick), stroke="#e6e6e6"))
        shapes.append(_words(left - 8, y(tick) + 4, f"{tick:g}", "#666666", text_anchor="end"))
    for tick in (number * stride for number in range(int(end / stride) + 1)):
        shapes.append(_words(x(tick), foot + 18, f"{tick:g}", "#666666", text_anchor="middle"))
    shapes.append(_words(_WIDTH - _RIGHT, foot + 36, across, "#333333", text_anchor="end"))
    shapes.append(_words(left, _TOP - 8, up, "#333333"))
    for number, line in enumerate(series.values()):
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(at, line, strict=True))
        colour = _COLOURS[number % len(_COLOURS)]
        shapes.append(shape("polyline", points=points, fill="none", stroke=colour, stroke_width=2))
    return alone(title, _WIDTH, height, shapes)


def alone(title: str, width: int, height: int, shapes: Sequence[Shape]) -> str:
    """A drawing as a file of its own."""
    whole = _ALONE | {"width": str(width), "height": str(height)}
    return Drawing(title, width, height, shapes, whole).__html__()


def _head(title: str, series: Sequence[str], width: int, height: int) -> list[Shape]:
    """White ground, title, and which colour is which series."""
    shapes = [
        shape("rect", width=width, height=height, fill="#ffffff"),
        _words(14, 22, title, "#000000", font_size="14", font_weight="600"),
    ]
    at = 14.0
    for number, name in enumerate(series):
        shapes.append(shape("circle", cx=at + 4, cy=40, r=4, fill=_COLOURS[number % len(_COLOURS)]))
        shapes.append(_words(at + 12, 44, name, "#333333"))
        at += 30 + 6.1 * len(name)
    return shapes


def _words(at: float, y: float, text: str, fill: str, **attributes: str) -> Shape:
    return shape("text", words=text, x=at, y=y, fill=fill, **attributes)


def _round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten: ``span`` holds four to ten of them."""
    fourth = max(span, 1e-6) / 4
    power = 10.0 ** math.floor(math.log10(fourth))
    return max(power * factor for factor in (1, 2, 5) if power * factor <= fourth)
