"""A layer of a model -> what random directions do there: from the bank that was proven on it, or played now.

What a word's slider is compared with. A bank keeps every trial, so its pool serves sliders that came later; other
models and layers get a smaller pool, played once and kept beside the run.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from drawbar.bank import Bank
from drawbar.contrast.musical_words import CONTEXTS
from drawbar.contrast.words import fitting_batch
from drawbar.evidence.experiment.generate_clips import listen
from drawbar.evidence.experiment.judges import Judge
from drawbar.evidence.experiment.preregistration import random_sources
from drawbar.evidence.experiment.quality_guards import guard_names
from drawbar.evidence.experiment.sources import steering_of
from drawbar.evidence.experiment.trials import Condition, Pair, Source
from drawbar.files.atomic_write import atomic
from drawbar.musicgen import Model

Tell = Callable[[str, float], None]
Floats = NDArray[np.float32]

ALONE = 4
"""Unsteered takes a prompt, to know the spread between takes."""


@dataclass(frozen=True)
class PoolSettings:
    """A pool that is played here. Its smallest p is 1 / (1 + directions)."""

    directions: int = 59
    norms: tuple[float, ...] = (0.5, 1.0, 2.0)
    """In units of the slider that asked for it first."""
    pairs: int = 4
    seconds: float = 4.0
    seed: int = 710_000
    guidance: float | None = 3.0
    branch: str = "conditional"


@dataclass(frozen=True, eq=False)
class Yard:
    """The pairs that sliders of one layer are tried on, and what was heard there already."""

    layer: int
    pairs: tuple[Pair, ...]
    seconds: float
    guidance: float | None
    temperature: float
    top_k: int
    branch: str
    measures: tuple[str, ...]
    """Judges' measures, then guards: the columns of all values."""
    judged: int
    """How many of them are judges'."""
    twins: Floats
    """``[P, M]`` unsteered."""
    norms: tuple[float, ...]
    """Norms that the random directions were added with, rising."""
    random: Floats
    """``[R, L, P, M]``."""
    takes: tuple[tuple[str, ...], Floats]
    """Prompts and values ``[N, M]`` of unsteered takes: how much takes differ by themselves."""
    source: str
    """Where it comes from, in words."""


def yard_for(
    model: Model,
    judges: Sequence[Judge],
    layer: int,
    scale: float,
    *,
    bank: Bank | None = None,
    folder: Path | None = None,
    settings: PoolSettings | None = None,
    progress: Tell | None = None,
) -> Yard:
    """The bank's, where it has one that these judges heard; else one that is played, or read from ``folder``."""
    found = None if bank is None else _of_bank(model, judges, layer, bank)
    return found or _played(
        model,
        judges,
        layer,
        scale,
        folder,
        settings or PoolSettings(),
        progress or (lambda _what, _share: None),
    )


def tested_layers(model: Model, bank: Bank | None) -> tuple[int, ...]:
    """Layers at which a bank has a pool of random directions for this model."""
    if bank is None or bank.info.fingerprint != model.fingerprint:
        return ()
    prereg = bank.evidence("preregistration")
    return tuple(sorted(int(layer) for layer in prereg.get("scales", {}))) if prereg else ()


def columns(model: Model, judges: Sequence[Judge]) -> tuple[str, ...]:
    """Names of what ``listen`` gives."""
    return (*(name for judge in judges for name in judge.measures), *guard_names(model.spec.n_q))


def _of_bank(model: Model, judges: Sequence[Judge], layer: int, bank: Bank) -> Yard | None:
    names = columns(model, judges)
    prereg: Mapping[str, Any] | None = bank.evidence("preregistration")
    same = json.loads(json.dumps([judge.key() for judge in judges]))
    if layer not in tested_layers(model, bank) or prereg is None:
        return None
    if prereg["judges"] != same or tuple(bank.evidence("measures") or ()) != names:
        return None
    played = prereg["settings"]
    twins = [t for t in bank.trials(kind="unsteered") if t.stage == "confirm"]
    alone = [t for t in bank.trials(kind="unsteered") if t.stage == "reference"] or twins
    pairs = tuple(Pair(t.prompt, t.seed) for t in twins)
    norms = tuple(float(norm) for norm in played["pool_norms"])
    pool: dict[tuple[str, float, Pair], Floats] = {
        (t.id, t.amount, Pair(t.prompt, t.seed)): np.asarray(t.values, np.float32)
        for t in bank.trials(kind="random")
        if t.stage == "confirm" and t.layer == layer
    }
    ids = sorted({key[0] for key in pool})
    if not pairs or not ids:
        return None
    unit = float(prereg["scales"][str(layer)])
    return Yard(
        layer,
        pairs,
        float(played["confirm_s"]),
        played["guidance"],
        float(played["temperature"]),
        int(played["top_k"]),
        str(played["branch"]),
        names,
        len(names) - len(guard_names(model.spec.n_q)),
        np.stack([np.asarray(t.values, np.float32) for t in twins]),
        tuple(norm * unit for norm in norms),
        np.stack(
            [np.stack([np.stack([pool[id, norm, pair] for pair in pairs]) for norm in norms]) for id in ids]
        ),
        (tuple(t.prompt for t in alone), np.stack([np.asarray(t.values, np.float32) for t in alone])),
        f"{len(ids)} random directions of the bank {bank.info.name}",
    )


def _played(
    model: Model,
    judges: Sequence[Judge],
    layer: int,
    scale: float,
    folder: Path | None,
    how: PoolSettings,
    tell: Tell,
) -> Yard:
    pairs = tuple(Pair(CONTEXTS[n % len(CONTEXTS)], how.seed + n) for n in range(how.pairs))
    names = columns(model, judges)
    asked = [model.fingerprint, layer, asdict(how), [judge.key() for judge in judges], list(CONTEXTS)]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    kept = None if folder is None else folder / f"pool-{layer}-{digest}.safetensors"
    if kept is not None and kept.is_file():
        rows = load_file(kept)
    else:
        rows = _play_pool(model, judges, layer, scale, pairs, how, tell)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with atomic(kept) as part:
                save_file(rows, part)
    return Yard(
        layer,
        pairs,
        how.seconds,
        how.guidance,
        1.0,
        250,
        how.branch,
        names,
        len(names) - len(guard_names(model.spec.n_q)),
        rows["twins"],
        tuple(rows["norms"].tolist()),
        rows["random"],
        (tuple(pair.prompt for pair in pairs for _ in range(ALONE)), rows["takes"]),
        f"{how.directions} random directions played on this machine",
    )


def _play_pool(
    model: Model,
    judges: Sequence[Judge],
    layer: int,
    scale: float,
    pairs: Sequence[Pair],
    how: PoolSettings,
    tell: Tell,
) -> dict[str, NDArray[Any]]:
    width = model.spec.d_model
    sources = random_sources("random", layer, how.directions, width, scale, how.seed)
    conditions = [Condition("random", s.id, layer, norm) for s in sources for norm in how.norms]
    table = {(s.kind, s.id): s for s in sources}
    alone = [Pair(pair.prompt, pair.seed + 1000 * (n + 1)) for pair in pairs for n in range(ALONE)]
    twin = Condition("unsteered", "", 0, 0.0)
    cells = [(twin, pair) for pair in (*pairs, *alone)] + [(c, pair) for c in conditions for pair in pairs]
    values = play_cells(
        model, judges, cells, table, how.seconds, how.guidance, how.branch,
        progress=lambda share: tell("playing random directions", share),
    )  # fmt: skip
    first, second = len(pairs), len(pairs) + len(alone)
    shape = (how.directions, len(how.norms), len(pairs), values.shape[1])
    return {
        "twins": values[:first].copy(),
        "takes": values[first:second].copy(),
        "random": values[second:].reshape(shape).copy(),
        "norms": np.array([norm * scale for norm in how.norms], np.float64),
    }


def play_cells(
    model: Model,
    judges: Sequence[Judge],
    cells: Sequence[tuple[Condition, Pair]],
    sources: Mapping[tuple[str, str], Source],
    seconds: float,
    guidance: float | None,
    branch: str,
    *,
    temperature: float = 1.0,
    top_k: int = 250,
    progress: Callable[[float], None] | None = None,
) -> Floats:
    """Play conditions on pairs and listen -> ``[cells, M]``."""
    size = fitting_batch(model, seconds)
    found = []
    for first in range(0, len(cells), size):
        part = cells[first : first + size]

        def told(done: int, total: int, first: int = first, count: int = len(part)) -> None:
            if progress is not None:
                progress((first + count * done / total) / len(cells))

        tokens = model.generate(
            [pair.prompt for _, pair in part],
            [pair.seed for _, pair in part],
            seconds,
            guidance=guidance,
            temperature=temperature,
            top_k=top_k,
            steering=[steering_of(condition, dict(sources), {}, model.spec, branch) for condition, _ in part],
            batch=len(part),
            progress=told,
        )
        found.append(listen(model, judges, tokens))
    return np.concatenate(found)
