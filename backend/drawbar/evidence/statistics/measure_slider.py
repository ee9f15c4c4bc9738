"""One slider and its layer's null -> its usable range, both sides, and the measure it is judged by.

The first of two passes: every slider is played before any of them gets its q.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.controls import Slider
from drawbar.evidence.statistics.effects import Slope, slope_of
from drawbar.evidence.statistics.measure_side import Side, allowed_measures, measure_side
from drawbar.evidence.statistics.ranking import Null, shared_pairs
from drawbar.evidence.statistics.responses import Floats, Measured, Pool, Responses
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.side_effects import take_correlations
from drawbar.evidence.statistics.slopes import location, prompt_weights, take_sd
from drawbar.evidence.statistics.usable_range import Reference, Usable, usable_range

SIGNS = (1, -1)


@dataclass(frozen=True)
class Takes:
    """Unsteered takes beyond the twins, to know the spread between takes better."""

    prompts: tuple[str, ...]
    values: Measured
    """``[N, M]``."""


@dataclass(frozen=True)
class Yardstick:
    """What effects are measured in."""

    measures: tuple[str, ...]
    sd: Floats
    """``[M]`` between seeds within a prompt."""
    correlations: Floats
    """``[M, M]`` likewise."""
    guard_levels: Reference | None = None
    """Unsteered cross-entropies by prompt; None takes the twins'."""


class Nulls:
    """The pools by layer, each prepared once for the pairs that sliders share with it."""

    def __init__(self, pools: Mapping[int, Pool]) -> None:
        self._pools = dict(pools)
        self._known: dict[tuple[int, bytes], Null] = {}

    def of(self, layer: int, responses: Responses) -> tuple[Null, npt.NDArray[np.int64]]:
        """The null of a layer and the places of the responses' pairs in it. Raises BadInputError without a pool."""
        if layer not in self._pools:
            raise BadInputError(f"layer {layer} has no pool of random directions: play one for each layer")
        ours, theirs = shared_pairs(responses, self._pools[layer])
        key = (layer, theirs.tobytes())
        if key not in self._known:
            self._known[key] = Null(self._pools[layer], theirs)
        return self._known[key], ours


@dataclass(frozen=True)
class MeasuredSlider:
    """One slider, measured."""

    slider: Slider
    responses: Responses
    usable: Usable
    sides: Mapping[int, Side]
    allowed: npt.NDArray[np.bool_]
    label_judged: bool
    column: int
    """The measure that it is judged by: its label's, else the one that moved most."""
    lean: int
    """-1 if the plus side lowers that measure (only where the label has no judge)."""
    slopes: Mapping[int, Slope]
    """Of that measure."""
    beyond: Mapping[int, bool]
    """Whether only doses outside the usable range have an effect that counts."""
    null: Null

    def p(self, sign: int) -> float:
        side = self.sides[sign]
        return float(side.p[self.column]) if self.label_judged else side.any_p

    @property
    def better(self) -> int:
        """The sign whose evidence is stronger: smaller p, then steeper."""
        return min(
            SIGNS, key=lambda sign: (self.p(sign), -np.nan_to_num(self.lean * self.slopes[sign].slope))
        )


def yardstick(measures: tuple[str, ...], takes: Sequence[Takes]) -> Yardstick:
    """Unsteered takes -> units and correlations of the measures."""
    prompts = tuple(prompt for group in takes for prompt in group.prompts)
    values = np.concatenate([np.asarray(group.values, np.float64) for group in takes])
    return Yardstick(measures, take_sd(values, prompts), take_correlations(values, prompts))


def measure_slider(
    slider: Slider, nulls: Nulls, yard: Yardstick, settings: StatisticsSettings
) -> MeasuredSlider:
    responses, guards = slider.responses, slider.guards
    if responses is None or guards is None:
        raise BadInputError(f"{slider.id} was not confirmed: it has nothing to measure")
    null, shared = nulls.of(slider.layer, responses)
    usable = usable_range(guards, settings.guards, yard.guard_levels)
    allowed = allowed_measures(yard.measures, yard.sd, slider.barred)
    target = _target(slider, responses, yard)

    def side(sign: int, inside: bool) -> Side:
        edge = usable.of(sign) + 1e-9
        amounts = tuple(a for a in responses.side(sign) if (abs(a) <= edge) == inside)
        return measure_side(
            responses,
            null,
            shared,
            sign=sign,
            amounts=amounts,
            scale=slider.scale,
            sd=yard.sd,
            allowed=allowed,
        )

    sides = {sign: side(sign, True) for sign in SIGNS}
    outside = {sign: side(sign, False) for sign in SIGNS}
    column = target if target is not None else _moved(sides, outside, allowed)
    slopes = {
        sign: slope_of(responses, sides[sign].amounts, column, yard.sd[column], settings) for sign in SIGNS
    }
    lean = 1
    if target is None:
        strongest = min(SIGNS, key=lambda sign: sides[sign].any_p)
        lean = -1 if slopes[strongest].slope < 0 else 1
    beyond = {
        sign: _beyond(outside[sign], responses, column, yard, settings, target is not None) for sign in SIGNS
    }
    return MeasuredSlider(
        slider, responses, usable, sides, allowed, target is not None, column, lean, slopes, beyond, null
    )


def _target(slider: Slider, responses: Responses, yard: Yardstick) -> int | None:
    """The label's measure, if a judge that did not write the label hears it and it varies at all."""
    if slider.target is None:
        return None
    column = responses.column(slider.target)
    judges = allowed_measures(yard.measures, np.ones(len(yard.measures)), slider.barred)
    if not judges[column]:
        raise BadInputError(
            f"{slider.id}: {slider.target} belongs to who labelled it (or is a read-back): give another judge's "
            "measure, or none"
        )
    return column if np.isfinite(yard.sd[column]) else None


def _moved(sides: Mapping[int, Side], outside: Mapping[int, Side], allowed: npt.NDArray[np.bool_]) -> int:
    """Without a label to go by: what moved most inside the usable range, else outside, else the first measure."""
    known = [side for group in (sides, outside) for side in sorted(group.values(), key=lambda s: s.any_p)]
    found = next((side.any_column for side in known if side.any_column is not None), None)
    if found is not None:
        return found
    return int(np.flatnonzero(allowed)[0]) if allowed.any() else 0


def _beyond(
    side: Side,
    responses: Responses,
    column: int,
    yard: Yardstick,
    settings: StatisticsSettings,
    judged: bool,
) -> bool:
    """Whether doses outside the usable range have an effect: noticeable, and more than random directions have."""
    if not side.amounts:
        return False
    p = float(side.p[column]) if judged else side.any_p
    if p >= settings.weak_p:
        return False
    at = column if judged or side.any_column is None else side.any_column
    effects = location(responses.differences(side.amounts)[:, :, at], prompt_weights(responses.prompts))
    effects = effects / yard.sd[at]
    return bool(((side.sign * effects if judged else np.abs(effects)) >= settings.noticeable).any())
