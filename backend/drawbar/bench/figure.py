"""Rows of named values -> a dot plot as SVG text, for documents. It knows nothing of what the values mean."""

from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = ("#e4572e", "#8a8f98", "#5b8fb0", "#b5a642", "#7d5ba6", "#3a9679", "#f0a202", "#1c1c1c")
_ROW, _LEFT, _RIGHT, _TOP, _WIDTH = 18, 190, 24, 64, 860


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
    span = _WIDTH - _LEFT - _RIGHT

    def x(value: float) -> float:
        return _LEFT + span * (min(max(value, low), high) - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="Inter, Helvetica, Arial, sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="14" y="22" font-size="14" font-weight="600">{escape(title)}</text>',
    ]
    at = 14.0
    for number, name in enumerate(series):
        parts.append(f'<circle cx="{at + 4:.0f}" cy="40" r="4" fill="{_COLOURS[number % len(_COLOURS)]}"/>')
        parts.append(f'<text x="{at + 12:.0f}" y="44" fill="#333333">{escape(name)}</text>')
        at += 30 + 6.1 * len(name)
    foot = _TOP + _ROW * len(rows)
    steps = round((high - low) / 0.1)
    for tick in (low + 0.1 * n for n in range(steps + 1)):
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP - 8}" y2="{foot}" stroke="#e6e6e6"/>'
        )
        parts.append(
            f'<text x="{x(tick):.1f}" y="{foot + 16}" text-anchor="middle" fill="#666666">{tick:.1f}</text>'
        )
    for mark in marks:
        parts.append(
            f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{_TOP - 8}" y2="{foot}" '
            'stroke="#999999" stroke-dasharray="4 3"/>'
        )
    for number, (name, values) in enumerate(rows.items()):
        y = _TOP + _ROW * number + 4
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="#f3f3f3"/>')
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end" fill="#222222">{escape(name)}</text>'
        )
        for place in reversed(range(len(series))):
            value = values.get(series[place], float("nan"))
            if value == value:
                parts.append(
                    f'<circle cx="{x(value):.1f}" cy="{y}" r="{5 if place == 0 else 3.5}" '
                    f'fill="{_COLOURS[place % len(_COLOURS)]}" fill-opacity="0.9"/>'
                )
    return "\n".join([*parts, "</svg>", ""])
