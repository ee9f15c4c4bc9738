"""Figures of the evidence -> inline SVG that takes its colours from the page's style sheet."""

import math
from collections.abc import Sequence
from html import escape

from drawbar.evidence.report.content import Slider
from drawbar.evidence.report.words import amount_text, figure

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

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{x},{y}" for x, y in (self.at(*point) for point in points))

    def line(self, name: str, start: tuple[float, float], end: tuple[float, float]) -> str:
        (x1, y1), (x2, y2) = self.at(*start), self.at(*end)
        return f'<line class="{name}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'

    def text(self, x: float, y: float, words: str, name: str = "tick", anchor: str = "middle") -> str:
        return f'<text class="{name}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(name: str, label: str, width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(parts)
        + "</svg>"
    )


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = power * next((m for m in (1, 2, 5, 10) if m * power >= rough), 10)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def dose_plot(slider: Slider) -> str:
    """Effect against amount: doses with intervals, the random band, difference in means, the usable range."""
    doses, band = slider.points(), slider.points("random directions")
    means = slider.points("difference in means")
    if not doses:
        return ""
    frame = _frame(doses, band, means)
    unit = frame.text(_LEFT - 30, 12, "standard deviations between takes", anchor="start")
    parts = [unit, *_usable(slider, frame), *_grid(frame, [d["amount"] for d in doses]), *_band(band, frame)]
    if means:
        curve = _through_zero([(m["amount"], m["effect"]) for m in means])
        parts.append(f'<path class="means" d="{frame.path(curve)}"/>')
    curve = _through_zero([(d["amount"], d["effect"]) for d in doses])
    parts.append(f'<path class="dose" d="{frame.path(curve)}"/>')
    low, high = slider.usable or (-math.inf, math.inf)
    for dose in doses:
        amount, effect = dose["amount"], dose["effect"]
        ends = (dose.get("low", effect), dose.get("high", effect))
        parts.append(frame.line("whisker", (amount, ends[0]), (amount, ends[1])))
        x, y = frame.at(amount, effect)
        inside = low - 1e-9 <= amount <= high + 1e-9
        told = f"{amount_text(amount)}: {figure(effect, sign=True)} ({figure(ends[0])} to {figure(ends[1])})"
        name = "point" if inside else "point outside"
        parts.append(f'<circle class="{name}" cx="{x}" cy="{y}" r="4.5"><title>{told}</title></circle>')
    words = ", ".join(f"{figure(d['effect'], sign=True)} at {amount_text(d['amount'])}" for d in doses)
    return _svg("plot", f"Effect by amount: {words}", _W, _H, parts)


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


def _grid(frame: _Frame, amounts: Sequence[float]) -> list[str]:
    parts = []
    for value in _ticks(*frame.y):
        name = "axis" if value == 0 else "grid"
        parts.append(frame.line(name, (frame.x[0], value), (frame.x[1], value)))
        _, y = frame.at(0, value)
        parts.append(frame.text(_LEFT - 8, y + 4, figure(value, 1 if value % 1 else 0), anchor="end"))
    for amount in sorted({0.0, *amounts}):
        x, _ = frame.at(amount, 0)
        parts.append(frame.text(x, frame.height - 10, amount_text(amount)))
    parts.append(frame.line("axis", (0, frame.y[0]), (0, frame.y[1])))
    return parts


def _usable(slider: Slider, frame: _Frame) -> list[str]:
    if slider.usable is None:
        return []
    low, high = max(slider.usable[0], frame.x[0]), min(slider.usable[1], frame.x[1])
    (x1, _), (x2, _) = frame.at(low, 0), frame.at(high, 0)
    if x2 - x1 < 1:
        return []
    height = frame.height - _TOP - _FOOT
    return [
        f'<rect class="usable" x="{x1}" y="{_TOP}" width="{round(x2 - x1, 1)}" height="{height}" rx="3"/>'
    ]


def _band(band: list[dict[str, float]], frame: _Frame) -> list[str]:
    if not all("low" in point and "high" in point for point in band) or not band:
        return []
    zero = {"amount": 0.0, "low": 0.0, "high": 0.0, "effect": 0.0}
    around = sorted([*band, zero], key=lambda point: point["amount"])
    upper = [(point["amount"], point["high"]) for point in around]
    lower = [(point["amount"], point["low"]) for point in reversed(around)]
    return [f'<path class="band" d="{frame.path([*upper, *lower])}Z"/>']


def range_bar(usable: tuple[float, float] | None, reach: float = 2.0) -> str:
    """The usable range as a small bar around zero."""
    width, height = 96, 12
    middle = width / 2
    parts = [f'<line class="axis" x1="{middle}" y1="0" x2="{middle}" y2="{height}"/>']
    parts.insert(0, f'<rect class="track" x="0" y="4" width="{width}" height="4" rx="2"/>')
    if usable is not None:
        low, high = (max(-reach, min(reach, end)) for end in usable)
        x = middle + low / reach * middle
        span = (high - low) / reach * middle
        parts.insert(
            1, f'<rect class="reach" x="{x:.1f}" y="3" width="{max(span, 0.5):.1f}" height="6" rx="3"/>'
        )
    told = "not known" if usable is None else f"{amount_text(usable[0])} to {amount_text(usable[1])}"
    return _svg("mini", f"usable: {told}", width, height, parts)


def interval_bar(effect: float | None, low: float | None, high: float | None, reach: float) -> str:
    """A slope with its interval around zero, on a scale shared by a table."""
    width, height = 120, 14
    middle = width / 2
    parts = [f'<line class="axis" x1="{middle}" y1="0" x2="{middle}" y2="{height}"/>']
    if effect is not None and low is not None and high is not None and reach > 0:

        def x(value: float) -> float:
            return middle + max(-1.0, min(1.0, value / reach)) * (middle - 4)

        parts.append(f'<line class="whisker" x1="{x(low):.1f}" y1="7" x2="{x(high):.1f}" y2="7"/>')
        parts.append(f'<circle class="point" cx="{x(effect):.1f}" cy="7" r="3.5"/>')
    told = f"{figure(effect)} ({figure(low)} to {figure(high)})"
    return _svg("mini", told, width, height, parts)


def p_histogram(values: Sequence[float]) -> str:
    """How p is spread over all candidates; without any effect the bars would all be as high as the line."""
    if not values:
        return ""
    counts = [0] * 20
    for value in values:
        counts[min(19, int(value * 20))] += 1
    frame = _Frame((0.0, 1.0), (0.0, max(*counts, 1) * 1.05), height=220)
    parts = []
    for tick in _ticks(0, frame.y[1], 4):
        parts.append(frame.line("axis" if tick == 0 else "grid", (0, tick), (1, tick)))
        parts.append(frame.text(_LEFT - 8, frame.at(0, tick)[1] + 4, f"{tick:g}", anchor="end"))
    for place, count in enumerate(counts):
        (x1, y1), (x2, y0) = frame.at(place / 20, count), frame.at((place + 1) / 20, 0)
        name = "bar first" if place == 0 else "bar"
        parts.append(
            f'<rect class="{name}" x="{x1 + 1.5}" y="{y1}" width="{x2 - x1 - 3:.1f}" height="{y0 - y1:.1f}" rx="2">'
            f"<title>p from {place / 20:.2f} to {(place + 1) / 20:.2f}: {count}</title></rect>"
        )
    level = len(values) / 20
    parts.append(frame.line("chance", (0, level), (1, level)))
    parts += [frame.text(frame.at(t, 0)[0], frame.height - 10, f"{t:g}") for t in (0, 0.25, 0.5, 0.75, 1)]
    return _svg(
        "plot",
        f"Histogram of p over {len(values)} candidates; chance gives {level:.1f} a bar",
        _W,
        220,
        parts,
    )


def scatter(points: Sequence[tuple[float, float, str, str]]) -> str:
    """(baseline, slider, title, verdict): above the line the slider moves more than difference in means."""
    if not points:
        return ""
    values = [value for x, y, *_ in points for value in (x, y)]
    low, high = min(*values, 0.0), max(*values, 0.5)
    pad = 0.06 * (high - low)
    span = (low - pad, high + pad)
    frame = _Frame(span, span, height=360)
    parts = []
    for tick in _ticks(*span):
        for start, end in (((span[0], tick), (span[1], tick)), ((tick, span[0]), (tick, span[1]))):
            parts.append(frame.line("axis" if tick == 0 else "grid", start, end))
        x, y = frame.at(tick, tick)
        told = figure(tick, 1 if tick % 1 else 0)
        parts.append(frame.text(_LEFT - 8, y + 4, told, anchor="end"))
        parts.append(frame.text(x, frame.height - 10, told))
    parts.append(frame.line("chance", (span[0], span[0]), (span[1], span[1])))
    for baseline, effect, title, verdict in points:
        x, y = frame.at(baseline, effect)
        name = "point" if verdict == "proven" else "point outside"
        told = f"{title}: {figure(effect)} against {figure(baseline)}"
        parts.append(
            f'<circle class="{name}" cx="{x}" cy="{y}" r="4.5"><title>{escape(told)}</title></circle>'
        )
    parts.append(frame.text(_LEFT + 6, _TOP, "slider \u2191", anchor="start"))
    parts.append(frame.text(_W - _RIGHT, frame.at(0, 0)[1] - 7, "difference in means \u2192", anchor="end"))
    above = sum(y >= x for x, y, *_ in points)
    return _svg("plot", f"{above} of {len(points)} sliders lie above difference in means", _W, 360, parts)
