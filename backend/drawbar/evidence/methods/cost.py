"""A contest and its confirmation -> how many clips they are and how long they take on this machine."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from drawbar.evidence.experiment.trials import Pair
from drawbar.evidence.methods.arms.registry import PLAYED, WORDS
from drawbar.evidence.methods.confirm import ConfirmSettings
from drawbar.evidence.methods.contest import Contest
from drawbar.evidence.methods.method import Steer

_TIMED = 8


@dataclass(frozen=True)
class Cost:
    """What a run takes."""

    clips: Mapping[str, int]
    """By what they are for."""
    seconds_per_clip: float

    @property
    def total(self) -> int:
        return sum(self.clips.values())

    @property
    def seconds(self) -> float:
        return self.total * self.seconds_per_clip


def cost_of(contest: Contest, confirming: ConfirmSettings) -> Cost:
    """Counted before anything is played; a clip's time is measured on eight unsteered ones.

    Winners may be of one layer or of two: pools for three sets of layers are counted, the most that come up here.
    """
    settings, concepts, layers = contest.settings, len(contest.concepts), len(contest.material.layers)
    sliders = [name for name in settings.arms if name != WORDS]
    amounts = len(settings.amounts) * len(sliders) + (WORDS in settings.arms)
    trying = 2 * 2 * concepts if PLAYED in settings.arms else 0
    places = layers + (layers > 1)
    beside = 2 * len(confirming.amounts) + 4
    fixed = concepts * beside + confirming.held_out * len(confirming.amounts) + 1
    confirm, again = (
        fixed + places * size * len(confirming.norms) for size in (confirming.pool, confirming.pool_again)
    )
    clips = {
        "trying solutions": settings.pairs * trying,
        "comparing": settings.pairs * (concepts * amounts + 1),
        "confirming": settings.pairs * confirm,
        "replicating on new prompts": settings.pairs * again,
    }
    return Cost(clips, _seconds_per_clip(contest))


def _seconds_per_clip(contest: Contest) -> float:
    pairs = [Pair(contest.settings.prompts[0], 900_000 + n) for n in range(_TIMED)]
    cells = [(0.0, pair) for pair in pairs]
    contest.stage.block(None, cells[:2])
    started = time.perf_counter()
    contest.stage.block(Steer(words="with drums"), cells)
    return (time.perf_counter() - started) / len(cells)
