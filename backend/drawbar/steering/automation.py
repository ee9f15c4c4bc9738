"""Points in time -> a slider's amount at every frame, linear between points; JSON there and back.

Knows nothing of directions or of the model.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject


@dataclass(frozen=True)
class Lane:
    """One feature's amounts: the value before the first point and after the last is theirs.

    Two points on one frame are a jump: the later one holds from that frame on. NaN means off (clamp). Raises
    BadInputError for no points, frames that go back, or an infinite amount.
    """

    id: str
    points: tuple[tuple[int, float], ...]
    """``(frame, amount)``, frames ascending."""

    def __post_init__(self) -> None:
        frames = [frame for frame, _ in self.points]
        if not frames or frames != sorted(frames):
            raise BadInputError(f"lane {self.id}: it needs points whose frames ascend, got {frames[:8]}")
        if any(math.isinf(amount) for _, amount in self.points):
            raise BadInputError(f"lane {self.id}: an amount is infinite")
        object.__setattr__(self, "_frames", frames)

    def amount(self, frame: int) -> float:
        after = bisect_right(self._frames, frame)  # type: ignore[attr-defined]
        if after == 0:
            return self.points[0][1]
        left_frame, left = self.points[after - 1]
        if after == len(self.points) or left_frame == frame:
            return left
        right_frame, right = self.points[after]
        if math.isnan(left) or math.isnan(right):
            return left
        return left + (right - left) * ((frame - left_frame) / (right_frame - left_frame))


class Automation:
    """Lanes by feature. Raises BadInputError when two lanes belong to one feature.

    ``kept`` maps ``(codebook, frame)`` to the tokens that a rewind kept although their position was computed again
    with other amounts (at most ``K (K - 1) / 2`` per rewind); a replay takes them over and so gives the same take.
    """

    def __init__(self, lanes: Iterable[Lane] = (), kept: Mapping[tuple[int, int], int] | None = None) -> None:
        self.lanes: tuple[Lane, ...] = tuple(lanes)
        self.kept: dict[tuple[int, int], int] = dict(kept or {})
        self._by_id = {lane.id: lane for lane in self.lanes}
        if len(self._by_id) != len(self.lanes):
            raise BadInputError("two lanes belong to the same feature: join their points")

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._by_id)

    def amount(self, id: str, frame: int) -> float:
        """The amount of a feature that has a lane, at a frame."""
        return self._by_id[id].amount(frame)

    def keeping(self, kept: Mapping[tuple[int, int], int]) -> Automation:
        """The same lanes with these kept tokens."""
        return Automation(self.lanes, kept)

    def to_json(self) -> JsonObject:
        """Plain values: ``{"lanes": {id: [[frame, amount], ...]}, "kept": [[codebook, frame, token], ...]}``.

        Off is null.
        """
        lanes = {
            lane.id: [[frame, None if math.isnan(amount) else amount] for frame, amount in lane.points]
            for lane in self.lanes
        }
        return {"lanes": lanes, "kept": [[*place, token] for place, token in sorted(self.kept.items())]}

    @classmethod
    def from_json(cls, values: JsonMapping) -> Automation:
        """The inverse of ``to_json``. Raises BadInputError for anything else."""
        try:
            lanes = [
                Lane(id, tuple((int(f), math.nan if a is None else float(a)) for f, a in points))
                for id, points in values["lanes"].items()
            ]
            return cls(lanes, {(int(k), int(t)): int(token) for k, t, token in values.get("kept", ())})
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise BadInputError(
                f"this is not automation ({error}): expected lanes of id -> [[frame, amount], ...]"
            ) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Automation) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Automation({list(self.lanes)!r})"
