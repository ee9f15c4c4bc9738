"""Figures of the evidence -> drawings that take their colours from the page's style sheet."""

import math
from collections.abc import Sequence

from drawbar.evidence.report.content import Slider
from drawbar.evidence.report.words import amount_text, figure
from drawbar.markup import Drawing, Shape, shape

_W, _H, _LEFT, _RIGHT, _TOP, _FOOT = 520, 260, 44, 14, 24, 30


class _Frame:
    """Data -> places in the drawing."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], width: int = _W, height: int = _H
    ) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            round(_LEFT + across * (self.width - _LEFT - _RIGHT), 1),
            round(self.height - _FOOT - up * (self.height - _TOP - _FOOT), 1),
        )

    def path(self, kind: str, points: Sequence[tuple[float, float]], close: str = "") -> Shape:
        places = (f"{x},{y}" for x, y in (self.at(*point) for point in points))
        return shape("path", kind, d=f"M{'L'.join(places)}{close}")

    def line(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> Shape:
        (x1, y1), (x2, y2) = self.at(*start), self.at(*end)
        return shape("line", kind, x1=x1, y1=y1, x2=x2, y2=y2)

    def point(self, x: float, y: float, kind: str, title: str) -> Shape:
        cx, cy = self.at(x, y)
        return shape("circle", kind, cx=cx, cy=cy, r=4.5, title=title)

    def drawing(self, label: str, shapes: Sequence[Shape]) -> Drawing:
        return Drawing(label, self.width, self.height, shapes, {"class": "plot"})


def _words(x: float, y: float, words: str, anchor: str = "middle") -> Shape:
    return shape("text", "tick", words=words, x=x, y=y, text_anchor=anchor)


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = power * next((m for m in (1, 2, 5, 10) if m * power >= rough), 10)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def dose_plot(slider: Slider) -> Drawing | None:
    """Effect against amount: doses with intervals, the random band, difference in means, the usable range."""
    doses, band = slider.points(), slider.points("random directions")
    means = slider.points("difference in means")
    if not doses:
        return None
    frame = _frame(doses, band, means)
    shapes = [
        _words(_LEFT - 30, 12, "standard deviations between takes", "start"),
        *_usable(slider, frame),
        *_grid(frame, [d["amount"] for d in doses]),
        *_band(band, frame),
    ]
    if means:
        shapes.append(frame.path("means", _through_zero([(m["amount"], m["effect"]) for m in means])))
    shapes.append(frame.path("dose", _through_zero([(d["amount"], d["effect"]) for d in doses])))
    low, high = slider.usable or (-math.inf, math.inf)
    for dose in doses:
        amount, effect = dose["amount"], dose["effect"]
        ends = (dose.get("low", effect), dose.get("high", effect))
        shapes.append(frame.line("whisker", (amount, ends[0]), (amount, ends[1])))
        inside = low - 1e-9 <= amount <= high + 1e-9
        told = f"{amount_text(amount)}: {figure(effect, sign=True)} ({figure(ends[0])} to {figure(ends[1])})"
        shapes.append(frame.point(amount, effect, "point" if inside else "point outside", told))
    words = ", ".join(f"{figure(d['effect'], sign=True)} at {amount_text(d['amount'])}" for d in doses)
    return frame.drawing(f"Effect by amount: {words}", shapes)


def _frame(*curves: list[dict[str, float]]) -> _Frame:
    points = [point for curve in curves for point in curve]
    xs = [point["amount"] for point in points]
    # Far-off ends of an interval would flatten everything else: the doses and the band decide, whiskers may leave.
    ys = [point["effect"] for point in points] + [
        point[end] for curve in curves[:2] for point in curve for end in ("low", "high") if end in point
    ]
    low, high = min(*ys, 0.0, -0.5), max(*ys, 0.0, 0.5)
    pad = 0.06 * (high - low)
    edge = max(max(map(abs, xs)), 1.0) * 1.08
    return _Frame((-edge, edge), (low - pad, high + pad))


def _through_zero(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """With no amount there is no effect: the origin belongs to every curve."""
    return sorted({*points, (0.0, 0.0)})


def _grid(frame: _Frame, amounts: Sequence[float]) -> list[Shape]:
    shapes = []
    for value in _ticks(*frame.y):
        shapes.append(frame.line("axis" if value == 0 else "grid", (frame.x[0], value), (frame.x[1], value)))
        shapes.append(
            _words(_LEFT - 8, frame.at(0, value)[1] + 4, figure(value, 1 if value % 1 else 0), "end")
        )
    for amount in sorted({0.0, *amounts}):
        shapes.append(_words(frame.at(amount, 0)[0], frame.height - 10, amount_text(amount)))
    shapes.append(frame.line("axis", (0, frame.y[0]), (0, frame.y[1])))
    return shapes


def _usable(slider: Slider, frame: _Frame) -> list[Shape]:
    if slider.usable is None:
        return []
    low, high = max(slider.usable[0], frame.x[0]), min(slider.usable[1], frame.x[1])
    (x1, _), (x2, _) = frame.at(low, 0), frame.at(high, 0)
    if x2 - x1 < 1:
        return []
    height = frame.height - _TOP - _FOOT
    return [shape("rect", "usable", x=x1, y=_TOP, width=x2 - x1, height=height, rx=3)]


def _band(band: list[dict[str, float]], frame: _Frame) -> list[Shape]:
    if not all("low" in point and "high" in point for point in band) or not band:
        return []
    zero = {"amount": 0.0, "low": 0.0, "high": 0.0, "effect": 0.0}
    around = sorted([*band, zero], key=lambda point: point["amount"])
    upper = [(point["amount"], point["high"]) for point in around]
    lower = [(point["amount"], point["low"]) for point in reversed(around)]
    return [frame.path("band", [*upper, *lower], "Z")]


def range_bar(usable: tuple[float, float] | None, reach: float = 2.0) -> Drawing:
    """The usable range as a small bar around zero."""
    width, height = 96, 12
    middle = width / 2
    shapes = [shape("rect", "track", x=0, y=4, width=width, height=4, rx=2)]
    if usable is not None:
        low, high = (max(-reach, min(reach, end)) for end in usable)
        x, span = middle + low / reach * middle, (high - low) / reach * middle
        shapes.append(shape("rect", "reach", x=x, y=3, width=max(span, 0.5), height=6, rx=3))
    shapes.append(shape("line", "axis", x1=middle, y1=0, x2=middle, y2=height))
    told = "not known" if usable is None else f"{amount_text(usable[0])} to {amount_text(usable[1])}"
    return Drawing(f"usable: {told}", width, height, shapes, {"class": "mini"})


def interval_bar(effect: float | None, low: float | None, high: float | None, reach: float) -> Drawing:
    """A slope with its interval around zero, on a scale shared by a table."""
    width, height = 120, 14
    middle = width / 2
    shapes = [shape("line", "axis", x1=middle, y1=0, x2=middle, y2=height)]
    if effect is not None and low is not None and high is not None and reach > 0:
        x1, x, x2 = (middle + max(-1.0, min(1.0, v / reach)) * (middle - 4) for v in (low, effect, high))
        shapes.append(shape("line", "whisker", x1=x1, y1=7, x2=x2, y2=7))
        shapes.append(shape("circle", "point", cx=x, cy=7, r=3.5))
    told = f"{figure(effect)} ({figure(low)} to {figure(high)})"
    return Drawing(told, width, height, shapes, {"class": "mini"})


def p_histogram(values: Sequence[float]) -> Drawing | None:
    """How p is spread over all candidates; without any effect the bars would all be as high as the line."""
    if not values:
        return None
    counts = [0] * 20
    for value in values:
        counts[min(19, int(value * 20))] += 1
    frame = _Frame((0.0, 1.0), (0.0, max(*counts, 1) * 1.05), height=220)
    shapes = []
    for tick in _ticks(0, frame.y[1], 4):
        shapes.append(frame.line("axis" if tick == 0 else "grid", (0, tick), (1, tick)))
        shapes.append(_words(_LEFT - 8, frame.at(0, tick)[1] + 4, f"{tick:g}", "end"))
    for place, count in enumerate(counts):
        (x1, y1), (x2, y0) = frame.at(place / 20, count), frame.at((place + 1) / 20, 0)
        kind = "bar first" if place == 0 else "bar"
        told = f"p from {place / 20:.2f} to {(place + 1) / 20:.2f}: {count}"
        shapes.append(
            shape("rect", kind, x=x1 + 1.5, y=y1, width=x2 - x1 - 3, height=y0 - y1, rx=2, title=told)
        )
    level = len(values) / 20
    shapes.append(frame.line("chance", (0, level), (1, level)))
    shapes += [_words(frame.at(t, 0)[0], frame.height - 10, f"{t:g}") for t in (0, 0.25, 0.5, 0.75, 1)]
    return frame.drawing(
        f"Histogram of p over {len(values)} candidates; chance gives {level:.1f} a bar", shapes
    )


def scatter(points: Sequence[tuple[float, float, str, str]]) -> Drawing | None:
    """(baseline, slider, title, verdict): above the line the slider moves more than difference in means."""
    if not points:
        return None
    values = [value for x, y, *_ in points for value in (x, y)]
    low, high = min(*values, 0.0), max(*values, 0.5)
    pad = 0.06 * (high - low)
    span = (low - pad, high + pad)
    frame = _Frame(span, span, height=360)
    shapes = []
    for tick in _ticks(*span):
        for start, end in (((span[0], tick), (span[1], tick)), ((tick, span[0]), (tick, span[1]))):
            shapes.append(frame.line("axis" if tick == 0 else "grid", start, end))
        x, y = frame.at(tick, tick)
        told = figure(tick, 1 if tick % 1 else 0)
        shapes += [_words(_LEFT - 8, y + 4, told, "end"), _words(x, frame.height - 10, told)]
    shapes.append(frame.line("chance", (span[0], span[0]), (span[1], span[1])))
    for baseline, effect, title, verdict in points:
        kind = "point" if verdict == "proven" else "point outside"
        shapes.append(
            frame.point(baseline, effect, kind, f"{title}: {figure(effect)} against {figure(baseline)}")
        )
    shapes.append(_words(_LEFT + 6, _TOP, "slider \u2191", "start"))
    shapes.append(_words(_W - _RIGHT, frame.at(0, 0)[1] - 7, "difference in means \u2192", "end"))
    above = sum(y >= x for x, y, *_ in points)
    return frame.drawing(f"{above} of {len(points)} sliders lie above difference in means", shapes)
