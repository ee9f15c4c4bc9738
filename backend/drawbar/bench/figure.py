"""Rows of named values -> a dot plot as SVG text, for documents. It knows nothing of what the values mean."""

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

    def words(at: float, y: float, text: str, fill: str, **attributes: str) -> Shape:
        return shape("text", words=text, x=at, y=y, fill=fill, **attributes)

    shapes = [
        shape("rect", width=_WIDTH, height=height, fill="#ffffff"),
        words(14, 22, title, "#000000", font_size="14", font_weight="600"),
    ]
    at = 14.0
    for number, name in enumerate(series):
        shapes.append(shape("circle", cx=at + 4, cy=40, r=4, fill=_COLOURS[number % len(_COLOURS)]))
        shapes.append(words(at + 12, 44, name, "#333333"))
        at += 30 + 6.1 * len(name)
    for tick in (low + 0.1 * n for n in range(round((high - low) / 0.1) + 1)):
        shapes.append(shape("line", x1=x(tick), x2=x(tick), y1=_TOP - 8, y2=foot, stroke="#e6e6e6"))
        shapes.append(words(x(tick), foot + 16, f"{tick:.1f}", "#666666", text_anchor="middle"))
    for mark in marks:
        line = {"stroke": "#999999", "stroke_dasharray": "4 3"}
        shapes.append(shape("line", x1=x(mark), x2=x(mark), y1=_TOP - 8, y2=foot, **line))
    for number, (name, values) in enumerate(rows.items()):
        y = _TOP + _ROW * number + 4
        shapes.append(shape("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, stroke="#f3f3f3"))
        shapes.append(words(_LEFT - 10, y + 4, name, "#222222", text_anchor="end"))
        for place in reversed(range(len(series))):  # the first series on top
            value = values.get(series[place], math.nan)
            if not math.isnan(value):
                colour, size = _COLOURS[place % len(_COLOURS)], 5 if place == 0 else 3.5
                shapes.append(shape("circle", cx=x(value), cy=y, r=size, fill=colour, fill_opacity=0.9))
    whole = _ALONE | {"width": str(_WIDTH), "height": str(height)}
    return Drawing(title, _WIDTH, height, shapes, whole).__html__()
