"""A bank's stored trials -> what every direction of a layer did to every measure: the data of the effect map.

A row is a push of norm 1 along a unit vector; both signs of a feature are two rows (of v and of -v), so that what
any push does, whatever its direction, shows as a constant. Effects are in standard deviations between takes.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drawbar.bank import Bank, Trial
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.preregistration import Preregistration, random_sources
from drawbar.evidence.statistics.responses import Floats
from drawbar.evidence.statistics.slopes import location, pair_slopes, prompt_weights, take_sd

_WITHIN = 1.3
"""Only pushes up to this many times the layer's median scale: beyond, nothing is linear."""


@dataclass(frozen=True)
class EffectTable:
    """One layer."""

    layer: int
    scale: float
    """The norm of a typical slider there."""
    ids: tuple[str, ...]
    vectors: Floats
    """``[N, D]``, unit length, sign included."""
    effects: Floats
    """``[N, M]`` per ``scale``."""
    errors: Floats
    """``[N, M]`` standard errors."""
    measures: tuple[str, ...]

    def column(self, measure: str) -> int:
        """Raises BadInputError for a measure that was not taken."""
        if measure not in self.measures:
            raise BadInputError(f"{measure!r} was not measured; there are {', '.join(self.measures)}")
        return self.measures.index(measure)

    def with_rows(
        self, ids: Sequence[str], vectors: Floats, effects: Floats, errors: Floats
    ) -> "EffectTable":
        """The same with what was played since."""
        return EffectTable(
            self.layer,
            self.scale,
            (*self.ids, *ids),
            np.concatenate([self.vectors, vectors]),
            np.concatenate([self.effects, effects]),
            np.concatenate([self.errors, errors]),
            self.measures,
        )


def take_spread(bank: Bank, measures: Sequence[str]) -> Floats:
    """``[M]`` standard deviation between unsteered takes of one prompt, from every unsteered take of the bank."""
    columns = _columns(bank, measures)
    rows = [one for one in bank.trials(kind="unsteered") if one.stage != "screen"]
    return take_sd(
        np.stack([one.values[columns] for one in rows]).astype(float), [one.prompt for one in rows]
    )


def effect_tables(bank: Bank, prereg: Preregistration) -> dict[int, EffectTable]:
    """Layer -> its table. Raises BadInputError for a bank whose evidence kept no trials."""
    measures = prereg.measures
    columns, spread = _columns(bank, measures), take_spread(bank, measures)
    twins = {
        (one.prompt, one.seed): one.values[columns].astype(float)
        for one in bank.trials(kind="unsteered")
        if one.stage == "confirm"
    }
    if not twins:
        raise BadInputError(f"the bank {bank.info.name} holds no trials: run `drawbar prove` first")
    scales = {int(layer): float(scale) for layer, scale in prereg.scales.items()}
    norms = {candidate.id: candidate.scale for candidate in prereg.candidates}
    directions = _directions(bank, prereg, scales, list(norms))
    found: dict[int, list[tuple[str, Floats, Floats, Floats]]] = defaultdict(list)
    for kind in ("feature", "random"):
        for id, trials in _by_id(bank.trials(kind=kind)).items():
            if id not in directions:
                continue
            layer = trials[0].layer
            unit = scales[layer] if kind == "random" else norms[id]
            for sign in (1, -1):
                side = [one for one in trials if 0 < one.amount * sign * unit <= _WITHIN * scales[layer]]
                told = _effect(side, twins, columns, unit / scales[layer], spread)
                if told is not None:
                    found[layer].append((f"{id}{'+' if sign > 0 else '-'}", sign * directions[id], *told))
    return {
        layer: EffectTable(
            layer,
            scales[layer],
            tuple(row[0] for row in rows),
            np.stack([row[1] for row in rows]),
            np.stack([row[2] for row in rows]),
            np.stack([row[3] for row in rows]),
            measures,
        )
        for layer, rows in found.items()
    }


def _columns(bank: Bank, measures: Sequence[str]) -> list[int]:
    known = list(bank.evidence("measures") or ())
    return [known.index(name) for name in measures]


def _by_id(trials: Sequence[Trial]) -> Mapping[str, list[Trial]]:
    found: dict[str, list[Trial]] = defaultdict(list)
    for one in trials:
        if one.stage == "confirm":
            found[one.id].append(one)
    return found


def _directions(
    bank: Bank, prereg: Preregistration, scales: Mapping[int, float], ids: Sequence[str]
) -> dict[str, Floats]:
    rows = np.asarray(bank.vectors(ids)["W_dec"], np.float64)
    found = {id: row / np.linalg.norm(row) for id, row in zip(ids, rows, strict=True)}
    settings = prereg.settings
    for layer, scale in scales.items():
        drawn = random_sources("random", layer, settings.pool, bank.info.d_model, scale, settings.seed)
        found |= {source.id: source.vector.astype(np.float64) for source in drawn}
    return found


def _effect(
    trials: Sequence[Trial],
    twins: Mapping[tuple[str, int], Floats],
    columns: Sequence[int],
    unit: float,
    spread: Floats,
) -> tuple[Floats, Floats] | None:
    """What a push of the layer's scale does, and its standard error, over pairs."""
    amounts = sorted({abs(one.amount) for one in trials})
    if not amounts:
        return None
    pairs = list(twins)
    table = np.full((len(amounts), len(pairs), len(columns)), np.nan)
    for one in trials:
        place = pairs.index((one.prompt, one.seed))
        table[amounts.index(abs(one.amount)), place] = one.values[columns] - twins[one.prompt, one.seed]
    slopes = pair_slopes([amount * unit for amount in amounts], table) / spread
    weights = prompt_weights([prompt for prompt, _ in pairs])
    centre = location(slopes.T, weights)
    error = np.nanstd(slopes, 0, ddof=1) / np.sqrt(len(pairs))
    return centre, error
