"""Figures of a study -> small SVG drawings: intervals side by side, a curve with bands, points around a line.

Text and numbers only; colours come from the page's style. Knows nothing of files.
"""

from collections.abc import Sequence
from html import escape

_WIDTH, _ROW, _LEFT, _RIGHT = 640, 20, 190, 70

Interval = tuple[str, float, float, float, str]
"""Label, value, low, high, and the class of its colour: ``own`` or ``control``."""


def forest(rows: Sequence[Interval], *, low: float, high: float, line: float, caption: str) -> str:
    """Intervals below one another; values beyond ``low`` and ``high`` are cut off at the edge."""

    def x(value: float) -> float:
        return _LEFT + (min(max(value, low), high) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    height = _ROW * len(rows) + 26
    parts = [_head(height, caption)]
    parts.append(f'<line class="zero" x1="{x(line):.1f}" x2="{x(line):.1f}" y1="4" y2="{height - 20}"/>')
    for tick in (low, line, high):
        parts.append(
            f'<text class="tick" x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>'
        )
    for number, (label, value, lower, upper, kind) in enumerate(rows):
        y = 14 + _ROW * number
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(label)}</text>'
            f'<line class="{kind}" x1="{x(lower):.1f}" x2="{x(upper):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="{kind}" cx="{x(value):.1f}" cy="{y}" r="4"/>'
            f'<text class="value" x="{_WIDTH - _RIGHT + 8}" y="{y + 4}">{value:.3f}</text>'
        )
    return "".join(parts) + "</svg>"


def curve(points: Sequence[tuple[float, float, float, float]], *, across: str, up: str) -> str:
    """(x, share, low, high), shares from 0 to 1, as a line with a band."""
    left, top, width, height = 52, 10, 420, 180
    lowest = min(point[0] for point in points)
    span = max(max(point[0] for point in points) - lowest, 1e-9)

    def at(x: float, y: float) -> str:
        return f"{left + (x - lowest) / span * width:.1f},{top + (1 - y) * height:.1f}"

    ordered = sorted(points)
    band = [at(x, high) for x, _, _, high in ordered] + [at(x, low) for x, _, low, _ in reversed(ordered)]
    parts = [_head(top + height + 44, f"{up} against {across}", left + width + 30)]
    parts.append(f'<polygon class="band" points="{" ".join(band)}"/>')
    parts.append(f'<polyline class="own" points="{" ".join(at(x, y) for x, y, _, _ in ordered)}"/>')
    for x, y, _, _ in ordered:
        cx, cy = at(x, y).split(",")
        parts.append(f'<circle class="own" cx="{cx}" cy="{cy}" r="4"/>')
        parts.append(
            f'<text class="tick" x="{cx}" y="{top + height + 16}" text-anchor="middle">{x:.2f}</text>'
        )
    for share in (0.0, 0.5, 0.8, 1.0):
        y = top + (1 - share) * height
        parts.append(f'<line class="zero" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 36}" text-anchor="middle">{escape(across)}</text>'
    )
    return "".join(parts) + "</svg>"


def scatter(
    twins: Sequence[tuple[float, float]],
    own: tuple[float, float],
    local: tuple[float, float],
    *,
    across: str,
    up: str,
) -> str:
    """Random twins as dots, the candidate and the local feature as marks."""
    left, top, width, height = 70, 10, 400, 200
    xs = [x for x, _ in (*twins, own, local)]
    ys = [y for _, y in (*twins, own, local)]
    x0, y0 = min(xs), min(ys)
    dx, dy = max(max(xs) - x0, 1e-6), max(max(ys) - y0, 1e-6)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x - x0) / dx * width, top + (1 - (y - y0) / dy) * height

    parts = [_head(top + height + 44, f"{up} against {across}", left + width + 40)]
    for value in (x0, x0 + dx):
        parts.append(
            f'<text class="tick" x="{at(value, y0)[0]:.1f}" y="{top + height + 18}">{value:.3f}</text>'
        )
    for value in (y0, y0 + dy):
        parts.append(
            f'<text class="tick" x="{left - 10}" y="{at(x0, value)[1] + 4:.1f}" text-anchor="end">{value:.3f}</text>'
        )
    for point, kind, size in (*((one, "control", 4) for one in twins), (local, "local", 6), (own, "own", 6)):
        x, y = at(*point)
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size}"/>')
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">{escape(across)}</text>'
    )
    return "".join(parts) + "</svg>"


def _head(height: float, caption: str, width: float = _WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{escape(caption, quote=True)}"><title>{escape(caption)}</title>'
    )
