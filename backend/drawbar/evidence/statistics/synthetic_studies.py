"""A seed and known effects -> a study whose truth is known, to check the statistics with.

Takes are prompt offsets and heavy-tailed noise that is correlated between measures. A push makes a take forget its
twin (the stronger the more), harms every measure a little, and moves each at random: that is what random directions
do, and sliders without an effect are no different from them. Real effects come on top of that.
"""

from dataclasses import dataclass

import numpy as np

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.analysis import Study
from drawbar.evidence.statistics.controls import Control, Slider
from drawbar.evidence.statistics.responses import Floats, Pool, Responses

GUARDS = ("ce_0", "ce_1", "loudness_db", "silent_share", "clipped_share", "repetition", "finite")


@dataclass(frozen=True)
class SyntheticSettings:
    """Sizes and truth. Raises BadInputError for sizes that make no study."""

    sliders: int = 10
    directions: int = 400
    prompts: int = 4
    seeds: int = 2
    """Per prompt."""
    measures: int = 8
    amounts: tuple[float, ...] = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
    norms: tuple[float, ...] = (0.5, 1.25, 3.0)
    scales: tuple[float, ...] = (0.6, 1.0, 1.5)
    """Norm per amount of the sliders, in turn; most doses lie between the pool's norms."""
    affected: float = 0.0
    """Share of the sliders that have a real effect on their target."""
    effect: float = 0.0
    """That effect, in standard deviations between takes per amount."""
    judged: float = 0.5
    """Share of the sliders whose label has a judge."""
    drift: float = 0.3
    """What random directions really do per norm 1: standard deviation over directions."""
    harm: float = 0.2
    """What every push does to every measure per norm 1."""
    correlation: float = 0.5
    """Of the noise between measures."""
    tails: float = 4.0
    """Degrees of freedom of the noise (Student's t)."""

    def __post_init__(self) -> None:
        if min(self.sliders, self.prompts, self.measures) < 1 or self.seeds < 2 or self.tails <= 2:
            raise BadInputError(f"{self}: at least 1 slider, prompt and measure, 2 seeds, and tails above 2")
        if not 0 <= self.correlation < 1 or not 0 <= self.affected <= 1 or not 0 <= self.judged <= 1:
            raise BadInputError(f"{self}: correlation, affected and judged are shares")


class _World:
    """Draws takes by the rules above."""

    def __init__(self, settings: SyntheticSettings, rng: np.random.Generator) -> None:
        self.settings, self.rng = settings, rng
        self.prompts = tuple(f"prompt {p}" for p in range(settings.prompts) for _ in range(settings.seeds))
        self.seeds = tuple(range(settings.seeds)) * settings.prompts
        self.measures = tuple(f"detector:m{n}" for n in range(settings.measures))
        offsets = 3 * rng.standard_normal((settings.prompts, settings.measures))
        self._offsets = np.repeat(offsets, settings.seeds, axis=0)
        self._first = self._noise(())
        self.twins = self._offsets + self._first

    def _noise(self, shape: tuple[int, ...]) -> Floats:
        """Noise ``[*shape, P, M]`` of variance 1."""
        s = self.settings
        size = (*shape, len(self.seeds), s.measures)
        common = self.rng.standard_normal((*size[:-1], 1))
        own = self.rng.standard_normal(size)
        thick = np.sqrt((s.tails - 2) / self.rng.chisquare(s.tails, (*size[:-1], 1)))
        found: Floats = (np.sqrt(s.correlation) * common + np.sqrt(1 - s.correlation) * own) * thick
        return found

    def drifts(self, count: int) -> Floats:
        """What directions really do per norm ``[count, M]``."""
        found: Floats = self.settings.drift * self.rng.standard_normal((count, self.settings.measures))
        return found

    def takes(self, drifts: Floats, pushes: Floats) -> Floats:
        """Directions ``[N, M]`` at signed norms ``[D]`` -> takes ``[N, D, P, M]``."""
        norm = np.abs(pushes)
        keep = np.exp(-norm)[:, None, None]
        moved = pushes[:, None] * drifts[:, None] - self.settings.harm * norm[:, None]
        noise = self._noise((len(drifts), len(pushes)))
        found: Floats = self._offsets + keep * self._first + np.sqrt(1 - keep**2) * noise + moved[:, :, None]
        return found

    def responses(self, takes: Floats, amounts: tuple[float, ...]) -> Responses:
        """Takes ``[D, P, M]`` -> responses."""
        doses = dict(zip(amounts, takes, strict=True))
        return Responses(self.measures, self.prompts, self.seeds, self.twins, doses)


def synthetic_study(settings: SyntheticSettings, seed: int) -> tuple[Study, tuple[str, ...]]:
    """A study of one layer, and the ids of the sliders that have a real effect (on measure 0 upwards, in turn)."""
    world = _World(settings, np.random.default_rng(seed))
    pool = Pool(
        world.measures,
        world.prompts,
        world.seeds,
        world.twins,
        settings.norms,
        world.takes(world.drifts(settings.directions), np.array(settings.norms)),
    )
    real = round(settings.affected * settings.sliders)
    judged = round(settings.judged * settings.sliders)
    guards = guard_responses(world.prompts, world.seeds, settings.amounts)
    drifts = world.drifts(settings.sliders)
    sliders = []
    for n in range(settings.sliders):
        scale = settings.scales[n % len(settings.scales)]
        target = n % settings.measures
        # Which sliders have a judge, and which an effect, go around at different speeds.
        has_judge = (n * judged) % settings.sliders < judged
        if n < real:
            drifts[n, target] += settings.effect / scale
        takes = world.takes(drifts[n : n + 1], scale * np.array(settings.amounts))[0]
        sliders.append(
            Slider(
                id=f"0/{n}",
                layer=0,
                scale=scale,
                digest=f"slider {n}",
                target=world.measures[target] if has_judge else None,
                responses=world.responses(takes, settings.amounts),
                guards=guards,
                controls=_controls(world, scale),
            )
        )
    return Study(tuple(sliders), {0: pool}), tuple(f"0/{n}" for n in range(real))


def guard_responses(
    prompts: tuple[str, ...], seeds: tuple[int, ...], amounts: tuple[float, ...], breaks: float = np.inf
) -> Responses:
    """Guards that hold everywhere, but for cross-entropy at and beyond the amount ``breaks`` (20 % up there)."""
    twins = np.tile([4.0, 5.0, -20.0, 0.0, 0.0, 0.1, 1.0], (len(seeds), 1))
    doses = {amount: twins.copy() for amount in amounts}
    for amount, values in doses.items():
        if abs(amount) >= breaks:
            values[:, 0] *= 1.2
    return Responses(GUARDS, prompts, seeds, twins, doses)


def _controls(world: _World, scale: float) -> dict[str, Control]:
    amounts = world.settings.amounts
    takes = world.takes(world.drifts(4), scale * np.array(amounts))
    kinds = ("inactive feature", "wrong layer", "pass-through", "difference in means")
    return {
        kind: Control(
            kind,
            1 if kind == "wrong layer" else 0,
            f"{kind} of the world",
            None if kind == "pass-through" else scale,
            world.responses(row, amounts),
        )
        for kind, row in zip(kinds, takes, strict=True)
    }
