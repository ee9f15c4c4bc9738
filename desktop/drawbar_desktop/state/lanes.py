"""Points drawn or recorded over time -> automation lanes of the sliders, edited with undo; times in seconds."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.taper import clamp_amount
from drawbar_desktop.state.undo import Step, UndoStack

Point = tuple[float, float]
"""(time_s, amount)"""
Stored = dict[str, tuple[Point, ...]]
TOLERANCE = 0.01
NEAR_S = 0.02


def amount_at(points: Sequence[Point], time_s: float) -> float:
    """Linear between points, flat before the first and after the last."""
    after = bisect_right([t for t, _ in points], time_s)
    if after == 0:
        return points[0][1]
    if after == len(points):
        return points[-1][1]
    (t0, a0), (t1, a1) = points[after - 1], points[after]
    return a0 if t1 == t0 else a0 + (a1 - a0) * (time_s - t0) / (t1 - t0)


def thinned(points: Sequence[Point], tolerance: float = TOLERANCE) -> tuple[Point, ...]:
    """Fewer points for the same line (Douglas and Peucker 1973, distance measured in amount)."""
    if len(points) < 3:
        return tuple(points)
    keep, spans = {0, len(points) - 1}, [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        chord = (points[first], points[last])
        worst, at = tolerance, -1
        for i in range(first + 1, last):
            off = abs(points[i][1] - amount_at(chord, points[i][0]))
            if off > worst:
                worst, at = off, i
        if at >= 0:
            keep.add(at)
            spans += [(first, at), (at, last)]
    return tuple(points[i] for i in sorted(keep))


class Lanes:
    """One lane a feature; what is drawn plays at the next take, what is recorded is what was just heard."""

    def __init__(self, undo: UndoStack) -> None:
        self._undo = undo
        self._lanes: Stored = {}
        self._before: Stored | None = None
        self._writing: dict[str, list[Point]] = {}
        self.changed: Event[[]] = Event()

    def __contains__(self, id: object) -> bool:
        return id in self._lanes

    def ids(self) -> tuple[str, ...]:
        return tuple(self._lanes)

    def points(self, id: str) -> tuple[Point, ...]:
        """A feature's points in time order; none without a lane."""
        return self._lanes.get(id, ())

    def amount(self, id: str, time_s: float) -> float | None:
        """What the lane says at a time; None without a lane."""
        points = self._lanes.get(id)
        return amount_at(points, time_s) if points else None

    # -- editing --------------------------------------------------------------------------------------

    def begin_gesture(self) -> None:
        """A drawing or dragging starts: all of it is one undo step."""
        if self._before is None:
            self._before = dict(self._lanes)

    def end_gesture(self, label: str = "draw automation") -> None:
        if self._before is not None:
            before, self._before = self._before, None
            self._record(label, before)

    def put(self, id: str, time_s: float, amount: float) -> None:
        """Add a point, or move the one that stands (within 20 ms) at that time."""
        point = (max(0.0, round(time_s, 4)), clamp_amount(amount))
        points = [p for p in self.points(id) if abs(p[0] - point[0]) > NEAR_S]
        self._edit("automation point", id, sorted([*points, point]))

    def move(self, id: str, index: int, time_s: float, amount: float) -> int:
        """Drag a point between its neighbours -> its index."""
        points = list(self.points(id))
        low = points[index - 1][0] if index > 0 else 0.0
        high = points[index + 1][0] if index + 1 < len(points) else float("inf")
        points[index] = (round(min(max(time_s, low), high), 4), clamp_amount(amount))
        self._edit("move automation point", id, points)
        return index

    def delete(self, id: str, index: int) -> None:
        """Take a point away; a lane without points is gone."""
        points = list(self.points(id))
        if 0 <= index < len(points):
            del points[index]
            self._edit("delete automation point", id, points)

    def clear(self, id: str) -> None:
        if id in self._lanes:
            self._edit("clear automation", id, [])

    def between(self, id: str, start_s: float, end_s: float, amount: float, rest: float = 0.0) -> None:
        """Steer a stretch ("bar 5 to 9"): `amount` inside, what was there (or `rest`) outside, 60 ms flanks."""
        flank = 0.06
        before = self.amount(id, start_s - flank)
        after = self.amount(id, end_s + flank)
        outside = [p for p in self.points(id) if p[0] < start_s - flank or p[0] > end_s + flank]
        fresh = [
            (max(0.0, start_s - flank), rest if before is None else before),
            (start_s, amount),
            (end_s, amount),
            (end_s + flank, rest if after is None else after),
        ]
        self._edit("steer a region", id, sorted([*outside, *fresh]))

    def draw(self, id: str, points: Sequence[Point]) -> None:
        """A freehand stroke replaces what was under it."""
        if not points:
            return
        stroke = sorted((max(0.0, round(t, 4)), clamp_amount(a)) for t, a in points)
        first, last = stroke[0][0], stroke[-1][0]
        outside = [p for p in self.points(id) if p[0] < first - NEAR_S or p[0] > last + NEAR_S]
        self._edit("draw automation", id, sorted([*outside, *thinned(stroke)]))

    # -- recording ------------------------------------------------------------------------------------

    def record(self, id: str, time_s: float, amount: float) -> None:
        """An armed slider moved at that time of the take; not an undo step."""
        self._writing.setdefault(id, []).append((round(time_s, 4), clamp_amount(amount)))

    def recorded(self) -> tuple[str, ...]:
        """The take is over: what was written becomes the lanes -> the features that got one."""
        written, self._writing = self._writing, {}
        for id, points in written.items():
            first, last = points[0][0], points[-1][0]
            outside = [p for p in self.points(id) if p[0] < first or p[0] > last]
            self._lanes[id] = tuple(sorted([*outside, *thinned(_steps(points))]))
        if written:
            self.changed.emit()
        return tuple(written)

    # -- whole ----------------------------------------------------------------------------------------

    def restore(self, lanes: Mapping[str, Sequence[Point]], label: str | None = None) -> None:
        """These lanes and no others; with a label it is an undo step."""
        before = dict(self._lanes)
        self._become({id: tuple(points) for id, points in lanes.items() if points})
        if label is not None:
            self._record(label, before)

    def frames(self, frame_rate_hz: float) -> dict[str, list[tuple[int, float]]]:
        """Points in frames, one a frame, as `drawbar.steering.Lane` wants them."""
        result = {}
        for id, points in self._lanes.items():
            by_frame = {max(0, round(t * frame_rate_hz)): a for t, a in points}
            result[id] = sorted(by_frame.items())
        return result

    def _edit(self, label: str, id: str, points: Sequence[Point]) -> None:
        before = dict(self._lanes)
        after = {k: v for k, v in self._lanes.items() if k != id}
        if points:
            after = {**self._lanes, id: tuple(points)}
        self._become(after)
        if self._before is None:
            self._record(label, before)

    def _record(self, label: str, before: Stored) -> None:
        after = dict(self._lanes)
        if before != after:
            self._undo.push(Step(label, lambda: self._become(before), lambda: self._become(after)))

    def _become(self, lanes: Stored) -> None:
        if lanes != self._lanes:
            self._lanes = dict(lanes)
            self.changed.emit()


def _steps(points: Sequence[Point]) -> list[Point]:
    """Moves as they came -> a line that holds each amount until the next move, if that is a while later."""
    line: list[Point] = []
    for time_s, amount in points:
        if line and time_s - line[-1][0] > 0.15:
            line.append((time_s - 0.06, line[-1][1]))
        place = bisect_left([t for t, _ in line], time_s)
        line.insert(place, (time_s, amount))
    return line
