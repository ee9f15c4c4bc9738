"""Figures of a study -> small drawings: intervals side by side, a curve with bands, points around a line.

Colours come from the page's style. Knows nothing of files.
"""

from collections.abc import Sequence

from drawbar.markup import Drawing, Shape, shape

_WIDTH, _ROW, _LEFT, _RIGHT = 640, 20, 190, 70

Interval = tuple[str, float, float, float, str]
"""Label, value, low, high, and the class of its colour: ``own`` or ``control``."""


def _words(x: float, y: float, words: str, kind: str = "", anchor: str = "middle") -> Shape:
    return shape("text", kind, words=words, x=x, y=y, text_anchor=anchor)


def _drawing(caption: str, width: float, height: float, shapes: Sequence[Shape]) -> Drawing:
    return Drawing(caption, width, height, shapes, {"width": f"{width:g}"})


def forest(rows: Sequence[Interval], *, low: float, high: float, line: float, caption: str) -> Drawing:
    """Intervals below one another; values beyond ``low`` and ``high`` are cut off at the edge."""

    def x(value: float) -> float:
        return _LEFT + (min(max(value, low), high) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    height = _ROW * len(rows) + 26
    shapes = [shape("line", "zero", x1=x(line), x2=x(line), y1=4, y2=height - 20)]
    shapes += [_words(x(tick), height - 6, f"{tick:g}", "tick") for tick in (low, line, high)]
    for number, (label, value, lower, upper, kind) in enumerate(rows):
        y = 14 + _ROW * number
        shapes += [
            _words(_LEFT - 8, y + 4, label, anchor="end"),
            shape("line", kind, x1=x(lower), x2=x(upper), y1=y, y2=y),
            shape("circle", kind, cx=x(value), cy=y, r=4),
            _words(_WIDTH - _RIGHT + 8, y + 4, f"{value:.3f}", "value", "start"),
        ]
    return _drawing(caption, _WIDTH, height, shapes)


def curve(points: Sequence[tuple[float, float, float, float]], *, across: str, up: str) -> Drawing:
    """(x, share, low, high), shares from 0 to 1, as a line with a band."""
    left, top, width, height = 52, 10, 420, 180
    lowest = min(point[0] for point in points)
    span = max(max(point[0] for point in points) - lowest, 1e-9)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x - lowest) / span * width, top + (1 - y) * height

    def line(tag: str, kind: str, places: Sequence[tuple[float, float]]) -> Shape:
        return shape(tag, kind, points=" ".join("{:.1f},{:.1f}".format(*at(*place)) for place in places))

    ordered = sorted(points)
    band = [(x, high) for x, _, _, high in ordered] + [(x, low) for x, _, low, _ in reversed(ordered)]
    shapes = [line("polygon", "band", band), line("polyline", "own", [(x, y) for x, y, _, _ in ordered])]
    for x, y, _, _ in ordered:
        cx, cy = at(x, y)
        shapes.append(shape("circle", "own", cx=cx, cy=cy, r=4))
        shapes.append(_words(cx, top + height + 16, f"{x:.2f}", "tick"))
    for share in (0.0, 0.5, 0.8, 1.0):
        _, y = at(lowest, share)
        shapes.append(shape("line", "zero", x1=left, x2=left + width, y1=y, y2=y))
        shapes.append(_words(left - 6, y + 4, f"{share:g}", "tick", "end"))
    shapes.append(_words(left + width / 2, top + height + 36, across))
    return _drawing(f"{up} against {across}", left + width + 30, top + height + 44, shapes)


def scatter(
    twins: Sequence[tuple[float, float]],
    own: tuple[float, float],
    local: tuple[float, float],
    *,
    across: str,
    up: str,
) -> Drawing:
    """Random twins as dots, the candidate and the local feature as marks."""
    left, top, width, height = 70, 10, 400, 200
    xs = [x for x, _ in (*twins, own, local)]
    ys = [y for _, y in (*twins, own, local)]
    x0, y0 = min(xs), min(ys)
    dx, dy = max(max(xs) - x0, 1e-6), max(max(ys) - y0, 1e-6)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x - x0) / dx * width, top + (1 - (y - y0) / dy) * height

    shapes = [
        _words(at(value, y0)[0], top + height + 18, f"{value:.3f}", "tick", "start")
        for value in (x0, x0 + dx)
    ]
    shapes += [
        _words(left - 10, at(x0, value)[1] + 4, f"{value:.3f}", "tick", "end") for value in (y0, y0 + dy)
    ]
    for point, kind, size in (*((one, "control", 4) for one in twins), (local, "local", 6), (own, "own", 6)):
        cx, cy = at(*point)
        shapes.append(shape("circle", kind, cx=cx, cy=cy, r=size))
    shapes.append(_words(left + width / 2, top + height + 38, across))
    return _drawing(f"{up} against {across}", left + width + 40, top + height + 44, shapes)
