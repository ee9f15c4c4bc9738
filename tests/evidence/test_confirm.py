"""Methods compared and winners confirmed in a made-up world: effects are linear, and what is true of them is known."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drawbar.bank import Push
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.trials import Pair
from drawbar.evidence.methods.confirm import ConfirmSettings, confirm
from drawbar.evidence.methods.contest import Contest, ContestSettings
from drawbar.evidence.methods.method import Method, Steer
from drawbar.evidence.methods.play import KEPT, SURPRISE, Played
from drawbar.evidence.statistics.responses import Floats

D, LAYERS, SCALE = 24, (1, 3), 10.0
MEASURES = ("detector:drums", "detector:bass", "detector:chords", "descriptor:loudness_db")
GUARDS = ("ce_0", "loudness_db", "silent_share", "clipped_share", "repetition", "finite")
WORLD = {layer: np.random.default_rng(layer).standard_normal((D, len(MEASURES))) for layer in range(4)}
CONCEPTS = ("drums", "bass")


class FakeStage:
    """Clips of the made-up world; twins differ by prompt and seed, with a spread of 1."""

    judged, guarded = MEASURES, GUARDS

    def twins(self, pairs: Sequence[Pair]) -> Played:
        return self.play(None, pairs, (0.0,))

    def play(self, steer: Steer | None, pairs: Sequence[Pair], amounts: Sequence[float]) -> Played:
        rows = []
        for amount in amounts:
            cells = [self._clip(steer, pair, amount) for pair in pairs]
            rows.append(np.stack(cells))
        names = (*MEASURES, *GUARDS, *KEPT, SURPRISE)
        return Played(names, tuple(pairs), tuple(amounts), np.stack(rows).astype(np.float32))

    def _clip(self, steer: Steer | None, pair: Pair, amount: float) -> Floats:
        first = np.random.default_rng(pair.seed).standard_normal(len(MEASURES))
        moved = np.zeros(len(MEASURES))
        if steer is not None:
            moved = amount / SCALE * sum(p.vector.astype(float) @ WORLD[p.layer] for p in steer.pushes)
            key = [
                pair.seed,
                round(abs(1000 * amount)),
                int(amount > 0),
                int(abs(1e4 * steer.pushes[0].vector[0])),
            ]
            moved = moved + 0.5 * np.random.default_rng(key).standard_normal(len(MEASURES))
        found: Floats = np.concatenate(
            [first + moved, [4.0, -20.0, 0.0, 0.0, 0.1, 1.0], [0.9, 0.8, 0.7, 0.9], [0.0]]
        )
        return found


class FakeBank:
    info = SimpleNamespace(d_model=D)

    def count(self) -> int:
        return 2

    def search(self, *, layer: int, limit: int) -> list[Any]:
        return [SimpleNamespace(id=f"{layer}/{n}", density=0.1 * n) for n in range(2)]

    def vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        return {"W_dec": [np.random.default_rng(len(id)).standard_normal(D) for id in ids]}


def material() -> Any:
    def others(concept: str) -> Any:
        return np.array([name != f"detector:{concept}" for name in MEASURES])

    return SimpleNamespace(
        bank=FakeBank(),
        model=SimpleNamespace(spec=SimpleNamespace(n_layers=4)),
        measures=MEASURES,
        spread=np.ones(len(MEASURES)),
        prereg=SimpleNamespace(settings=SimpleNamespace(concepts=False), concepts=()),
        scale=lambda layer: SCALE,
        target=lambda concept: f"detector:{concept}",
        others=others,
    )


def direction(concept: str, *, clean: bool, layers: tuple[int, ...] = (1,)) -> Steer:
    """What moves a concept: with whatever goes along with it, or with nothing else."""
    column, pushes = MEASURES.index(f"detector:{concept}"), []
    for layer in layers:
        vector = WORLD[layer][:, column]
        if clean:
            rest = np.delete(WORLD[layer], column, 1)
            vector = vector - rest @ np.linalg.lstsq(rest, vector, rcond=None)[0]
        else:
            vector = vector + 2 * WORLD[layer][:, 3]
        pushes.append(Push(layer, (SCALE * vector / np.linalg.norm(vector) / len(layers)).astype(np.float32)))
    return Steer(tuple(pushes))


def contest() -> Contest:
    fake: Any = FakeStage()
    settings = ContestSettings(concepts=CONCEPTS, amounts=(-1.0, -0.5, 0.5, 1.0))
    return Contest(material(), fake, settings)


SMALL = ConfirmSettings(
    amounts=(-2.0, -1.0, 1.0, 2.0), pool=59, pool_again=59, norms=(0.2, 0.6, 1.5), held_out=3
)


def test_the_clean_direction_wins_is_proven_replicated_and_scaled_to_one_step() -> None:
    run = contest()
    methods = [
        Method("difference in means", {c: direction(c, clean=False) for c in CONCEPTS}),
        Method(
            "effect map",
            {"drums": direction("drums", clean=True), "bass": direction("bass", clean=True, layers=(1, 3))},
        ),
    ]
    scores = run.compare(methods)
    assert {c: s.method for c, s in run.winners(scores).items()} == dict.fromkeys(CONCEPTS, "effect map")
    sliders, summary = confirm(run, methods, scores, SMALL)
    assert [(one.name, one.verdict) for one in sliders] == [("drums", "proven"), ("bass", "proven")]
    assert summary["proven"] == 2
    assert summary["replicated"] == {"again": 2, "of": 2}
    assert summary["specific"]["at_least_3"] == 2
    assert summary["median_effect"] > summary["median_effect_difference_in_means"]
    assert summary["null"]["proven"] == 0
    drums, bass = sliders
    assert drums.axes == ("rhythm",)
    assert drums.card is not None
    assert drums.card["up"]["slope"] == pytest.approx(1.0, abs=0.45)  # +1 is one standard deviation
    assert len(bass.pushes) == 2
    assert drums.page["kept"]["harmony"] == pytest.approx(0.9)
    assert drums.page["replicated"] is True


def test_directions_of_shuffled_concepts_prove_nothing() -> None:
    """Directions of nothing, under the concepts' names: some move the target a little by accident, none is proven."""
    run = contest()
    rng = np.random.default_rng(7)
    methods = []
    for name in ("difference in means", "shuffled"):
        drawn = {}
        for concept in CONCEPTS:
            own = WORLD[1][:, MEASURES.index(f"detector:{concept}")]
            own = own / np.linalg.norm(own)
            vector = rng.standard_normal(D)
            vector = vector - own * (vector @ own) + 0.2 * own
            drawn[concept] = Steer((Push(1, (SCALE * vector / np.linalg.norm(vector)).astype(np.float32)),))
        methods.append(Method(name, drawn))
    scores = run.compare(methods)
    if not run.winners(scores):
        return
    sliders, summary = confirm(run, methods, scores, SMALL)
    assert summary["proven"] == 0
    assert all(one.verdict != "proven" for one in sliders)


def test_without_a_winner_nothing_is_published() -> None:
    with pytest.raises(BadInputError, match="nothing can be published"):
        confirm(contest(), [], [], SMALL)


def test_a_pool_that_can_show_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match="at least 19"):
        ConfirmSettings(pool=5)
