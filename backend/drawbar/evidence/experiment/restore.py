"""A proven bank -> the run behind it, put together again from its stored trials, to be judged anew.

Nothing is played: when the statistics have become better, old evidence is judged by them as it stands. Values are
those of the bank, in half precision; sound is not kept, so nothing that listens can be added this way.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from drawbar.bank import Bank, Trial
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.preregistration import Preregistration, of_bank, random_sources
from drawbar.evidence.experiment.selection import Selection
from drawbar.evidence.experiment.sources import save_sources
from drawbar.evidence.experiment.stages import Run
from drawbar.evidence.experiment.to_study import Stages
from drawbar.evidence.experiment.trials import Condition, Pair, Plan, Source, Trials

_FEATURES = ("feature", "inactive feature", "wrong layer")
_RANDOM = ("random", "held-out random")


def restore(bank: Bank, folder: Path) -> tuple[Run, Stages, Selection]:
    """Write preregistration, directions and blocks into ``folder``. Raises BadInputError for a bank without evidence.

    Difference-in-means directions are not in a bank; their trials are, and their norm: some unit vector stands here for
    each, which the statistics know by its digest only.
    """
    chosen = bank.evidence("selection")
    if not chosen:
        raise BadInputError(
            f"the bank {bank.info.name} holds no evidence to judge again: run `drawbar prove` first"
        )
    run = Run(folder, bank.folder, of_bank(bank))
    trials = bank.trials()
    save_sources(run.sources, _sources(bank, run.prereg, trials))
    measures = tuple(bank.evidence("measures"))
    stages = {
        name: _blocks(list(rows), name, run, measures)
        for name, rows in groupby(sorted(trials, key=lambda one: one.stage), key=lambda one: one.stage)
    }
    selection = Selection(
        survivors=tuple(chosen["survivors"]),
        sampled=tuple(chosen["sampled"]),
        dropped=tuple(chosen["dropped"]),
        sliders={name: tuple(ids) for name, ids in chosen["sliders"].items()},
        strengths=chosen["strengths"],
        bar=float(chosen["bar"]),
    )
    return run, Stages(stages["screen"], stages["confirm"], stages["reference"]), selection


def _blocks(rows: Sequence[Trial], stage: str, run: Run, measures: Sequence[str]) -> Trials:
    settings = run.prereg.settings
    conditions = dict.fromkeys(Condition(one.kind, one.id, one.layer, one.amount) for one in rows)
    pairs = dict.fromkeys(Pair(one.prompt, one.seed) for one in rows)
    seconds = settings.screen_s if stage == "screen" else settings.confirm_s
    plan = Plan(stage, seconds, settings.batch, tuple(pairs), tuple(conditions), "restored")
    values = {
        (Condition(one.kind, one.id, one.layer, one.amount), Pair(one.prompt, one.seed)): one.values
        for one in rows
    }
    trials = Trials(run.folder / "blocks", plan)
    for block in plan.blocks():
        cells = [(plan.conditions[c], plan.pairs[p]) for c, p in block.cells]
        stacked = np.stack([values[cell] for cell in cells])
        trials.write(block, np.zeros((len(cells), 0), np.uint16), stacked, measures, 1)
    return trials


def _sources(bank: Bank, prereg: Preregistration, trials: Sequence[Trial]) -> list[Source]:
    settings, width = prereg.settings, bank.info.d_model
    played = dict.fromkeys((one.kind, one.id, one.layer) for one in trials)
    scales = {int(layer): scale for layer, scale in prereg.scales.items()}
    known = {
        (kind, source.id): source
        for layer, scale in scales.items()
        for kind, count in zip(_RANDOM, (settings.pool, settings.held_out), strict=True)
        for source in random_sources(kind, layer, count, width, scale, settings.seed)
    }
    ids = list(dict.fromkeys(id for kind, id, _ in played if kind in _FEATURES))
    rows = dict(zip(ids, np.asarray(bank.vectors(ids)["W_dec"], np.float32), strict=True))
    norms = {candidate.id: candidate.scale for candidate in prereg.candidates}
    found = []
    for kind, id, layer in played:
        if kind in _RANDOM:
            found.append(known[kind, id])
        elif kind in _FEATURES:
            scale = scales[layer] if kind == "inactive feature" else norms[id]
            found.append(Source(kind, id, layer, rows[id] / np.linalg.norm(rows[id]), scale))
        elif kind == "difference in means":
            # A unit vector of its own per concept, so that no two digests are the same.
            vector = np.zeros(width, np.float32)
            vector[len(found) % width] = 1.0
            found.append(Source(kind, id, layer, vector, scales[layer]))
    return found
