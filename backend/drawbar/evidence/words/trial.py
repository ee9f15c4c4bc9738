"""A direction made from a word, and what the word itself moves -> its effect, its rank among random ones, its card.

The measure that decides is the word's own: the sum of what judges heard change between takes with and without it,
so that a slider is asked whether it moves what the word moves. Judges never see a residual.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.evidence.experiment.judges import Judge
from drawbar.evidence.experiment.trials import Condition, Source
from drawbar.evidence.statistics.controls import Control, Slider
from drawbar.evidence.statistics.measure_slider import (
    MeasuredSlider,
    Nulls,
    Takes,
    Yardstick,
    measure_slider,
    yardstick,
)
from drawbar.evidence.statistics.responses import Pool, Responses
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.words.yard import Floats, Tell, Yard, play_cells
from drawbar.musicgen import Model

OWN_JUDGE = "word"
"""The part before the colon of the measure that is the word's own."""
SHUFFLED = "shuffled pairs"
AMOUNTS = (-1.0, -0.5, 0.25, 0.5, 1.0, 2.0)
_CLEAR = 3.0
"""Standard errors that a measure must move by to be part of what the word moves."""


@dataclass(frozen=True)
class Profile:
    """What a word moves: weights over the judges' measures."""

    word: str
    weights: NDArray[np.float64]
    """``[M]`` standardised effects of the word; 0 where it is not clear."""
    unit: NDArray[np.float64]
    """``[M]`` standard deviation between takes."""
    moved: tuple[tuple[str, float], ...]
    """The measures that it moves clearly, strongest first, in standard deviations between takes."""

    @property
    def measure(self) -> str:
        return f"{OWN_JUDGE}:{self.word}"

    def of(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Values ``[..., M]`` -> one figure each; the word itself moves it by 1."""
        heard = np.where(self.weights == 0, 0.0, np.asarray(values, np.float64) / self.unit)
        found: NDArray[np.float64] = heard @ self.weights / max(float(self.weights @ self.weights), 1e-12)
        return found


@dataclass(frozen=True, eq=False)
class Tried:
    """One word's slider, played."""

    measured: MeasuredSlider
    yard: Yardstick
    share: float
    """Of what the word moves, how much +1 moves; negative if it goes the other way."""
    shuffled: float
    """The same of the direction of shuffled pairs."""
    random: float
    """The 95 % quantile of the same of random directions at the same norm."""
    effects: Mapping[str, float]
    """Measure -> effect of +1 in standard deviations between takes, of what the word moves."""


def profile_of(word: str, having: Floats, lacking: Floats, yard: Yard) -> Profile:
    """What judges heard in takes with and without the word, ``[P, M]`` each -> what it moves."""
    prompts, alone = yard.takes
    names = yard.measures[: yard.judged]
    unit = yardstick(names, [Takes(prompts, alone[:, : yard.judged])]).sd
    steps = (having - lacking)[:, : yard.judged].astype(np.float64) / unit
    known = np.isfinite(steps)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, steps, 0.0).sum(0) / count
    spread = np.sqrt((np.where(known, steps - mean, 0.0) ** 2).sum(0) / np.maximum(count - 1, 1))
    clear = np.isfinite(unit) & (count > 1) & (np.abs(mean) > _CLEAR * spread / np.sqrt(count))
    weights = np.where(clear, mean, 0.0)
    order = np.argsort(-np.abs(weights))
    moved = tuple((names[n], float(weights[n])) for n in order if weights[n])
    return Profile(word, weights, np.where(np.isfinite(unit), unit, 1.0), moved)


def try_slider(
    model: Model,
    judges: Sequence[Judge],
    slider: Source,
    shuffled: Source,
    profile: Profile,
    yard: Yard,
    settings: StatisticsSettings,
    *,
    progress: Tell | None = None,
) -> Tried:
    """Play the slider and its shuffled twin on the yard's pairs, and rank it among the random directions."""
    conditions = [Condition("feature", slider.id, slider.layer, amount) for amount in AMOUNTS]
    conditions.append(Condition("held-out random", shuffled.id, shuffled.layer, 1.0))
    cells = [(condition, pair) for condition in conditions for pair in yard.pairs]
    values = play_cells(
        model,
        judges,
        cells,
        {(one.kind, one.id): one for one in (slider, shuffled)},
        yard.seconds,
        yard.guidance,
        yard.branch,
        temperature=yard.temperature,
        top_k=yard.top_k,
        progress=None if progress is None else lambda share: progress(f"{profile.word}: trying it", share),
    ).reshape(len(conditions), len(yard.pairs), -1)
    names, judged = (*yard.measures[: yard.judged], profile.measure), yard.judged
    pool = Pool(names, *_pairs(yard), _with_own(yard.twins, profile, judged), yard.norms,
                _with_own(yard.random, profile, judged))  # fmt: skip
    doses = dict(zip(AMOUNTS, values, strict=False))
    responses = _responses(yard, profile, doses)
    guard_doses = {amount: rows[:, judged:] for amount, rows in doses.items()}
    guards = Responses(yard.measures[judged:], *_pairs(yard), yard.twins[:, judged:], guard_doses)
    control = Control(
        SHUFFLED,
        shuffled.layer,
        shuffled.digest,
        shuffled.scale,
        _responses(yard, profile, {1.0: values[-1]}),
    )
    prompts, alone = yard.takes
    takes = [Takes(pool.prompts, pool.twins), Takes(prompts, _with_own(alone, profile, judged))]
    units = yardstick(names, takes)
    measured = measure_slider(
        Slider(
            slider.id,
            slider.layer,
            slider.scale,
            slider.digest,
            target=profile.measure if profile.moved else None,
            responses=responses,
            guards=guards,
            controls={SHUFFLED: control},
        ),
        Nulls({slider.layer: pool}),
        units,
        settings,
    )
    steps = responses.differences([1.0])[0].mean(0)
    other = control.responses.differences([1.0])[0].mean(0)
    crowd = measured.null.differences(min(slider.scale, 1.05 * yard.norms[-1]))[..., -1].mean(1)
    return Tried(
        measured,
        units,
        float(steps[-1]),
        float(other[-1]),
        float(np.nanquantile(crowd, 0.95)),
        {name: float(steps[names.index(name)] / units.sd[names.index(name)]) for name, _ in profile.moved},
    )


def _pairs(yard: Yard) -> tuple[tuple[str, ...], tuple[int, ...]]:
    return tuple(pair.prompt for pair in yard.pairs), tuple(pair.seed for pair in yard.pairs)


def _responses(yard: Yard, profile: Profile, doses: Mapping[float, Floats]) -> Responses:
    names = (*yard.measures[: yard.judged], profile.measure)
    steered = {amount: _with_own(rows, profile, yard.judged) for amount, rows in doses.items()}
    return Responses(names, *_pairs(yard), _with_own(yard.twins, profile, yard.judged), steered)


def _with_own(values: Floats, profile: Profile, judged: int) -> Floats:
    """Judges' columns and the word's own behind them."""
    heard = values[..., :judged]
    found: Floats = np.concatenate([heard, profile.of(heard)[..., None]], -1).astype(np.float32)
    return found
