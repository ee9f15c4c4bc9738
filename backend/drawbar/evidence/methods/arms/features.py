"""Features' measured effects -> the best single feature, and a sparse blend of up to 20 at one layer or two.

Features are chosen by what they do to sound (Arad et al. 2025), but for the first arm, which goes by what they
react to. A blend assumes that effects add up; TADA (arXiv 2602.11910) blends 20 at two layers.
"""

from collections import defaultdict

import numpy as np

from drawbar.bank import Push
from drawbar.errors import BadInputError
from drawbar.evidence.methods.effect_table import EffectTable
from drawbar.evidence.methods.material import Material
from drawbar.evidence.methods.method import Steer
from drawbar.evidence.statistics.responses import Floats

_SURE = 1.0
"""Effects are counted this many standard errors nearer to nothing."""


def by_activation(material: Material, concept: str) -> Steer | None:
    """The feature whose label is the concept and tells it best."""
    best: tuple[float, str] | None = None
    for candidate in material.prereg.candidates:
        if candidate.concept == concept:
            labels = material.bank.feature(candidate.id).labels
            score = max((label.score or 0.0 for label in labels), default=0.0)
            best = max(best or (0.0, ""), (score, candidate.id))
    if best is None:
        return None
    id = best[1]
    layer = int(id.split("/")[0])
    vector = np.asarray(material.bank.vectors([id])["W_dec"][0], np.float32)
    return _steer(material, {layer: vector.astype(np.float64)}, ((id, 1.0),))


def by_trial(material: Material, concept: str) -> Steer | None:
    """The feature that moves the concept's measure furthest for what else it moves."""
    found = [
        (worth, layer, place)
        for layer, table in material.tables.items()
        for worth, place in [_best(material, table, concept)]
    ]
    worth, layer, place = max(found)
    if worth <= 0:
        return None
    table = material.tables[layer]
    return _steer(material, {layer: table.vectors[place]}, ((table.ids[place][:-1], 1.0),))


def sparse(material: Material, concept: str, *, most: int = 20, layers: int = 1) -> Steer | None:
    """Greedily: add the feature, and the share of it, that gains most of the target for its side effects.

    The worth of a blend is its target less the size of its side effects, at unit norm; adding stops where nothing
    gains. Raises BadInputError for fewer than one layer.
    """
    if layers < 1:
        raise BadInputError(f"{layers} layers: give 1 or more")
    ranked = sorted(material.tables, key=lambda layer: -_best(material, material.tables[layer], concept)[0])
    chosen = ranked[:layers]
    column, others = material.measures.index(material.target(concept)), material.others(concept)
    vectors: list[tuple[int, Floats, str]] = []
    effects = []
    for layer in chosen:
        table = material.tables[layer]
        for place in _features(table):
            vectors.append((layer, table.vectors[place], table.ids[place]))
            effects.append(_shrunk(table, place))
    effect = np.stack(effects)
    shares: dict[int, float] = {}
    worth = 0.0
    for _ in range(most):
        gains = []
        for step in (0.25, 0.5, 1.0):
            free = [n for n in _promising(effect[:, column]) if not _opposite(n, shares, vectors)]
            tried = [shares | {n: shares.get(n, 0.0) + step} for n in free]
            gains += [(_worth(one, vectors, effect, column, others), n) for n, one in enumerate(tried)]
            best, n = max(gains[-len(tried) :])
            if best > worth:
                worth, better = best, tried[n]
        if not gains or max(gain for gain, _ in gains) < worth - 1e-12 or better == shares:
            break
        shares = better
    if not shares:
        return None
    pushes: dict[int, Floats] = defaultdict(lambda: np.zeros(material.bank.info.d_model))
    for n, share in shares.items():
        pushes[vectors[n][0]] = pushes[vectors[n][0]] + share * vectors[n][1]
    names = tuple((vectors[n][2][:-1], _sign(vectors[n][2]) * share) for n, share in shares.items())
    return _steer(material, dict(pushes), tuple(sorted(names, key=lambda one: -abs(one[1]))))


def _best(material: Material, table: EffectTable, concept: str) -> tuple[float, int]:
    column, others = material.measures.index(material.target(concept)), material.others(concept)
    worths = [(_single(_shrunk(table, place), column, others), place) for place in _features(table)]
    return max(worths)


def _features(table: EffectTable) -> list[int]:
    return [place for place, id in enumerate(table.ids) if not id.startswith("random")]


def _promising(effects: Floats, count: int = 60) -> list[int]:
    return [int(n) for n in np.argsort(-effects)[:count]]


def _shrunk(table: EffectTable, place: int) -> Floats:
    """Effects nearer to nothing by what is not sure of them."""
    effect, error = table.effects[place], np.nan_to_num(table.errors[place])
    found: Floats = np.sign(effect) * np.maximum(np.abs(effect) - _SURE * error, 0.0)
    return found


def _single(effect: Floats, column: int, others: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """Effect over what preservation is left (see ``statistics.preservation``): the target at equal preservation."""
    return float(effect[column] / (1.0 + np.abs(effect[others]).mean()))


def _worth(
    shares: dict[int, float],
    vectors: list[tuple[int, Floats, str]],
    effect: Floats,
    column: int,
    others: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> float:
    pushes: dict[int, Floats] = {}
    for n, share in shares.items():
        layer, vector, _ = vectors[n]
        pushes[layer] = pushes.get(layer, 0.0) + share * vector
    norm = float(np.sqrt(sum(float(push @ push) for push in pushes.values())))
    if norm < 0.5 * max(shares.values()):
        return -np.inf  # they cancel: what is left of them was never played
    total = sum((share * effect[n] for n, share in shares.items()), np.zeros(effect.shape[1])) / norm
    return _single(total, column, others)


def _opposite(n: int, shares: dict[int, float], vectors: list[tuple[int, Floats, str]]) -> bool:
    """Whether the same feature is in the blend with its other sign."""
    return any(vectors[m][2][:-1] == vectors[n][2][:-1] and m != n for m in shares)


def _sign(id: str) -> float:
    return 1.0 if id.endswith("+") else -1.0


def _steer(material: Material, pushes: dict[int, Floats], features: tuple[tuple[str, float], ...]) -> Steer:
    """Amount 1 is a push of the layers' typical scale, all layers together."""
    total = float(np.sqrt(sum(float(push @ push) for push in pushes.values())))
    made = [
        Push(layer, (material.scale(layer) * push / total).astype(np.float32))
        for layer, push in pushes.items()
    ]
    return Steer(tuple(sorted(made, key=lambda p: -float(np.linalg.norm(p.vector)))), features=features)
