"""A table of positions and each layer's features -> what every readout foresees at every horizon, beside all controls.

Three kinds of candidates a layer: the whole residual, the best few features, and single features of a shortlist that
is made on training tracks. Each is compared with every control on tracks that nothing was chosen on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject
from drawbar.research.horizon.controls import (
    CONTROLS,
    LOCAL,
    SHUFFLED,
    Chooser,
    RandomFeatures,
    check_controls,
    deal_labels,
    random_rows,
)
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.folds import Columns, fixed
from drawbar.research.horizon.horizons import Bools, Floats
from drawbar.research.horizon.ranking import Ranked, rank
from drawbar.research.horizon.readouts import Judged, Judging, ProbeSettings, compare, difference
from drawbar.research.horizon.rows import PLAIN_CONTROLS, Rows

Told = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class _Layer:
    units: Units
    residual: Floats
    activations: Floats
    random: RandomFeatures
    directions: Floats
    """[N, F]: projections on random directions, as many as there are features."""


class Probes:
    """All readouts of one table; each is fitted once and kept."""

    def __init__(
        self, rows: Rows, units: Sequence[Units], settings: ProbeSettings, told: Told | None = None
    ) -> None:
        self.rows, self.settings = rows, settings
        self._told = told or (lambda _what, _share: None)
        self.judging = Judging(rows.track, rows.held_rows, settings)
        self._layers = {one.layer: self._layer(one) for one in units}
        if set(self._layers) - set(rows.residuals) or not units:
            raise BadInputError(
                f"features of layers {sorted(self._layers)}, residuals of {sorted(rows.residuals)}"
            )
        self._dealt = deal_labels(rows.labels, rows.track, rows.time_s, rows.held_out, settings.seed)
        self._plain: dict[tuple[str, int], Judged] = {}
        self._chosen: dict[tuple[str, int, int, int], Judged] = {}

    def _layer(self, units: Units) -> _Layer:
        residual = self.rows.residuals[units.layer]
        activations = units.activations(residual)
        directions = random_rows(residual.shape[1], len(units.index), self.settings.seed + 100 + units.layer)
        twins = RandomFeatures(units, residual, activations, self.settings.seed + 200 + units.layer)
        return _Layer(units, residual, activations, twins, residual @ directions.T)

    @property
    def long(self) -> int:
        """The farthest horizon."""
        return len(self.rows.horizons) - 1

    def activations(self, layer: int) -> Floats:
        """[N, F]."""
        return self._layers[layer].activations

    # --- readouts ----------------------------------------------------------------------------------------

    def plain(self, name: str, horizon: int) -> Judged:
        """A control that does not know the model."""
        if (name, horizon) not in self._plain:
            columns = fixed(self.rows.known[name])
            self._plain[name, horizon] = self.judging.judge(name, columns, self.rows.labels[:, horizon])
        return self._plain[name, horizon]

    def controls(
        self, layer: int, horizon: int, count: int, chosen: Chooser, candidate: Columns
    ) -> dict[str, Judged]:
        """Every control of a layer, with ``count`` columns where it chooses. Raises ControlError."""
        at, y = self._layers[layer], self.rows.labels[:, horizon]
        dealt = self._dealt[:, horizon]
        columns: dict[str, Columns] = {name: fixed(self.rows.known[name]) for name in PLAIN_CONTROLS}
        columns[SHUFFLED] = Chooser(fixed(at.activations), dealt, count)
        columns["random directions"] = Chooser(fixed(at.directions), y, count)
        columns["random features"] = Chooser(at.random.table, y, count)
        if horizon > 0:
            columns[LOCAL] = Chooser(fixed(at.activations), self.rows.labels[:, 0], count, without=chosen)
        train = ~self.rows.held_rows
        required = tuple(name for name in CONTROLS if name != LOCAL or horizon > 0)
        check_controls(candidate(train), {name: one(train) for name, one in columns.items()}, required)
        found = {name: self.plain(name, horizon) for name in PLAIN_CONTROLS}
        for name in required[len(PLAIN_CONTROLS) :]:
            truth = dealt if name == SHUFFLED else y
            key = (name, layer, horizon, count)
            if name == LOCAL:  # depends on the candidate
                found[name] = self.judging.judge(name, columns[name], truth)
                continue
            if key not in self._chosen:
                self._chosen[key] = self.judging.judge(name, columns[name], truth)
            found[name] = self._chosen[key]
        return found

    # --- candidates --------------------------------------------------------------------------------------

    def sets(self) -> list[JsonObject]:
        """The residual and the best few features of each layer at each horizon, with all margins."""
        results: list[JsonObject] = []
        whole = len(self._layers) * len(self.rows.horizons)
        for layer, at in self._layers.items():
            for horizon, named in enumerate(self.rows.horizons):
                self._told(f"layer {layer}, {named.name}", len(results) / 2 / whole)
                y = self.rows.labels[:, horizon]
                few = Chooser(fixed(at.activations), y, self.settings.few)
                controls = self.controls(layer, horizon, self.settings.few, few, few)
                for name, columns in (("features", few), ("residual", fixed(at.residual))):
                    judged = self.judging.judge(name, columns, y)
                    train = ~self.rows.held_rows
                    chosen = [at.units.ids[c] for c in few.chosen(train)] if name == "features" else []
                    results.append(
                        {
                            "layer": layer,
                            "horizon": named.name,
                            "chosen": chosen,
                            **judged.to_json(),
                            "margins": compare(self.judging, judged, controls),
                            "control_readouts": {n: c.to_json() for n, c in controls.items()},
                        }
                    )
        return results

    def ranking(self) -> dict[int, list[Ranked]]:
        """Every feature of every layer, over training tracks alone."""
        train = ~self.rows.held_rows
        return {
            layer: rank(at.units, at.activations, self.rows.labels, train)
            for layer, at in self._layers.items()
        }

    def feature(self, found: Ranked, *, shared: int = 1) -> JsonObject:
        """One feature alone at every horizon, and against every control at the farthest one."""
        at, long = self._layers[found.layer], self.long
        column = at.activations[:, [found.column]]
        names = [horizon.name for horizon in self.rows.horizons]
        judged = [
            self.judging.judge(found.id, fixed(column), self.rows.labels[:, h]) for h in range(len(names))
        ]
        own = _Only(found.column, fixed(at.activations))
        controls = self.controls(found.layer, long, 1, own, own)
        compared = compare(self.judging, judged[long], controls, shared=shared)
        weight, level = self.judging.held_weights, compared["level"]
        return {
            "id": found.id,
            "layer": found.layer,
            "index": found.index,
            "density": found.density,
            "train_auroc": dict(zip(names, found.auroc, strict=True)),
            "horizons": {name: one.to_json() for name, one in zip(names, judged, strict=True)},
            "margins": compared,
            "long_over_local": difference(judged[long].held, judged[0].held, weight, level).to_json(),
            "rises_before_events": bool(found.auroc[long] > 0.5),
            "control_readouts": {name: control.to_json() for name, control in controls.items()},
        }

    def run(self) -> JsonObject:
        ranking = self.ranking()
        short = shortlist(ranking, self.long, self.settings.shortlist)
        sets = self.sets()
        features = []
        for number, found in enumerate(short):
            self._told(f"feature {found.id}", number / len(short))
            features.append(self.feature(found, shared=len(short)))
        return {
            "horizons": [horizon.name for horizon in self.rows.horizons],
            "tracks": {"train": int((~self.rows.held_out).sum()), "held_out": int(self.rows.held_out.sum())},
            "positions": len(self.rows.track),
            "shares": self.rows.labels.mean(axis=0).tolist(),
            "sets": sets,
            "features": features,
            "ranking": {
                str(layer): [one.to_json() for one in sorted(all, key=lambda r: -r.strength(self.long))[:20]]
                for layer, all in ranking.items()
            },
            "local": {
                str(layer): [one.to_json() for one in sorted(all, key=lambda r: (-r.strength(0), r.id))[:5]]
                for layer, all in ranking.items()
            },
        }


class _Only(Chooser):
    """A choice that is made already: one column."""

    def __init__(self, column: int, table: Columns) -> None:
        super().__init__(table, np.zeros(0, bool), 1)
        self._column = np.array([column], np.int64)

    def chosen(self, learn: Bools) -> NDArray[np.int64]:
        return self._column


def shortlist(ranking: Mapping[int, Sequence[Ranked]], long: int, count: int) -> list[Ranked]:
    """The features that foresee best on training tracks, those first that say more about far than about near events."""
    everyone = [one for layer in ranking.values() for one in layer]
    return sorted(
        everyone, key=lambda one: (one.strength(long) <= one.strength(0), -one.strength(long), one.id)
    )[:count]
