"""Guard figures of every dose -> how far a slider can go to each side before quality breaks.

Cross-entropies are compared with the mean over many unsteered takes of the same prompt (a single twin says too
little), the other figures with the unsteered twin's, pair by pair. Walks outwards from 0 and stops at the first dose
that does not hold; the edge is interpolated between the last that holds and the first that does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from drawbar.evidence.statistics.responses import Floats, Responses
from drawbar.evidence.statistics.settings import GuardLimits
from drawbar.evidence.statistics.slopes import prompt_weights, take_sd

_LEAST_CE = 1e-9


@dataclass(frozen=True)
class GuardRow:
    """One dose."""

    amount: float
    ce_ratio: tuple[float, ...]
    """Cross-entropy over the unsteered takes' per codebook."""
    ce_error: float
    """Standard error of the first one."""
    loudness_db: float
    """Louder than the twins by."""
    silent_share: float
    clipped_share: float
    repetition: float
    """Each the mean difference from the twins."""
    broken: tuple[str, ...]
    """Limits that this dose, or a smaller one, does not hold."""

    @property
    def holds(self) -> bool:
        return not self.broken


@dataclass(frozen=True)
class Usable:
    """Both sides of one slider."""

    up: float
    """Largest usable amount, 0 if the first dose breaks."""
    down: float
    """The same to the minus side, as a positive number."""
    rows: tuple[GuardRow, ...]
    """By rising amount."""

    def of(self, sign: int) -> float:
        return self.up if sign > 0 else self.down


Reference = Mapping[str, Mapping[str, float]]
"""Prompt -> cross-entropy measure -> its mean over unsteered takes."""


def usable_range(guards: Responses, limits: GuardLimits, reference: Reference | None = None) -> Usable:
    """Guard measures (``ce_0`` .. , ``loudness_db``, ``silent_share``, ``clipped_share``, ``repetition``, ``finite``).

    Cross-entropies are compared with ``reference``, else with the twins' mean per prompt: a single twin whose music
    happens to be very easy to foresee would make every steered take look broken. Raises BadInputError for a guard
    that was not measured.
    """
    up, up_rows = _side(guards, limits, 1, reference)
    down, down_rows = _side(guards, limits, -1, reference)
    return Usable(up, down, tuple(sorted(up_rows + down_rows, key=lambda row: row.amount)))


def rising_fit(figures: Floats) -> Floats:
    """Figures ``[D]`` outwards from 0 -> the nearest that never fall and never lie below 0 (isotonic regression)."""
    blocks: list[tuple[float, int]] = []
    for figure in figures:
        value, size = float(figure), 1
        while blocks and blocks[-1][0] > value:
            before, count = blocks.pop()
            value, size = (before * count + value * size) / (count + size), count + size
        blocks.append((value, size))
    fitted = np.concatenate([np.full(size, value) for value, size in blocks] or [np.zeros(0)])
    found: Floats = np.maximum(fitted, 0.0)
    return found


def _side(
    guards: Responses, limits: GuardLimits, sign: int, reference: Reference | None
) -> tuple[float, list[GuardRow]]:
    amounts = guards.side(sign)
    if not amounts:
        return 0.0, []
    weights = prompt_weights(guards.prompts)
    names, figures = _figures(guards, amounts, weights, reference)
    means = dict(zip(names, _means(figures, weights), strict=True))
    errors = dict(zip(names, _errors(figures, guards.prompts, weights), strict=True))
    size = np.abs(np.array(amounts))
    finite = guards.differences(amounts)[:, :, guards.column("finite")]
    whole = np.nan_to_num(finite, nan=-1.0).min(1) >= 0
    first_bad = {"finite": _first(~whole)}
    edge = size[first_bad["finite"] - 1] if first_bad["finite"] > 0 else 0.0
    for name, figure, limit in _limits(limits):
        direction = -1.0 if name.endswith("fall") else 1.0
        fitted = rising_fit(direction * np.nan_to_num(means[figure])) - limits.errors * errors[figure]
        bad = _first(fitted > limit)
        first_bad[name] = bad
        edge = min(edge, _edge(size, fitted, limit, bad))
    rows = []
    for place, amount in enumerate(amounts):
        broken = tuple(_READABLE[name] for name, bad in first_bad.items() if bad <= place)
        ratio = tuple(1 + float(means[name][place]) for name in sorted(means) if name.startswith("ce_"))
        rows.append(
            GuardRow(
                amount=amount,
                ce_ratio=ratio,
                ce_error=errors["ce_0"],
                loudness_db=float(means["loudness_db"][place]),
                silent_share=float(means["silent_share"][place]),
                clipped_share=float(means["clipped_share"][place]),
                repetition=float(means["repetition"][place]),
                broken=tuple(dict.fromkeys(broken)),
            )
        )
    return float(edge), rows


_READABLE: Mapping[str, str] = {
    "finite": "not finite",
    "ce rise": "cross-entropy",
    "ce fall": "cross-entropy",
    "loudness rise": "loudness",
    "loudness fall": "loudness",
    "silence": "silence",
    "clipping": "clipping",
    "repetition": "repetition",
}


def _limits(limits: GuardLimits) -> list[tuple[str, str, float]]:
    """Name, figure and limit of each guard; the figure rises with the damage, but for those that fall."""
    return [
        ("ce rise", "ce_0", limits.ce_rise),
        ("ce fall", "ce_0", limits.ce_fall),
        ("loudness rise", "loudness_db", limits.loudness_db),
        ("loudness fall", "loudness_db", limits.loudness_db),
        ("silence", "silent_share", limits.silent_share),
        ("clipping", "clipped_share", limits.clipped_share),
        ("repetition", "repetition", limits.repetition),
    ]


def _figures(
    guards: Responses, amounts: tuple[float, ...], weights: Floats, reference: Reference | None
) -> tuple[list[str], Floats]:
    """Guards and their changes from the twins ``[G, D, P]``; cross-entropies as shares of the reference's mean."""
    for name in ("ce_0", "loudness_db", "silent_share", "clipped_share", "repetition"):
        guards.column(name)  # says what is missing
    names = [name for name in guards.measures if name != "finite"]
    places = [guards.column(name) for name in names]
    played = np.stack([np.asarray(guards.doses[a], np.float64)[:, places] for a in amounts])
    twins = np.asarray(guards.twins, np.float64)[:, places]
    changes = np.moveaxis(played - twins, -1, 0)
    for place, name in enumerate(names):
        if name.startswith("ce_"):
            level = _levels(guards.prompts, name, twins[:, place], reference)
            changes[place] = (played[..., place] - level) / max(float((weights * level).sum()), _LEAST_CE)
    return names, changes


def _levels(prompts: tuple[str, ...], name: str, twins: Floats, reference: Reference | None) -> Floats:
    """What the unsteered model has on average for each pair's prompt, ``[P]``."""
    if reference is not None:
        return np.array([reference[prompt][name] for prompt in prompts])
    of = np.asarray(prompts)
    return np.array([np.nanmean(twins[of == prompt]) for prompt in prompts])


def _means(figures: Floats, weights: Floats) -> Floats:
    """``[G, D, P]`` -> ``[G, D]``; plain means, because one take in eight that falls silent is the point."""
    have = np.isfinite(figures)
    used = weights * have
    found: Floats = (np.where(have, figures, 0.0) * used).sum(-1) / np.maximum(used.sum(-1), 1e-12)
    return found


def _errors(figures: Floats, prompts: tuple[str, ...], weights: Floats) -> list[float]:
    """Standard error ``[G]`` of a dose's mean: spread between seeds within prompts, pooled over the doses."""
    count, doses, pairs = figures.shape
    sd = take_sd(figures.reshape(count * doses, pairs).T, prompts).reshape(count, doses)
    variance = (np.nan_to_num(sd) ** 2).mean(1) * (weights**2).sum()
    return [float(value) for value in np.sqrt(variance)]


def _first(bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    places = np.flatnonzero(bad)
    return int(places[0]) if len(places) else len(bad)


def _edge(size: Floats, fitted: Floats, limit: float, bad: int) -> float:
    if bad == len(size):
        return float(size[-1])
    if bad == 0:
        return 0.0
    step = (limit - fitted[bad - 1]) / (fitted[bad] - fitted[bad - 1])
    return float(size[bad - 1] + step * (size[bad] - size[bad - 1]))
