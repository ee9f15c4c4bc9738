"""AUROC against the composer's ground truth -> labels, and the best feature of each concept.

The labeller ``truth``. Only composed audio has ground truth; recordings get their labels elsewhere.
"""

from dataclasses import dataclass

from drawbar.bank.records import Label, LabelRecord
from drawbar.errors import BadInputError
from drawbar.features.naming import concept_label
from drawbar.features.scoring import ConceptBest, FeatureBest, Scores

__all__ = ["AUTHOR", "BEST_OF", "TruthSettings", "label_from_truth"]

AUTHOR = "truth"
BEST_OF = "best feature of the concept"
BEST_FOR = "best concept of the feature"


@dataclass(frozen=True)
class TruthSettings:
    """When a concept becomes a label."""

    min_auroc: float = 0.75
    """On held-out clips; below it the feature stays unnamed."""
    window_frames: int = 25
    """Truth and activation are compared over this many frames (0.5 s)."""
    event_window_frames: int = 5
    """The same for drum hits, which last 80 ms."""
    train_clips: int = 300
    """Clips that concepts are chosen on, at most."""
    held_out_clips: int = 150
    """Clips that scores are reported on, at most."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.min_auroc <= 1 or min(self.window_frames, self.event_window_frames) < 1:
            raise BadInputError(f"{self}: min_auroc must lie in 0.5 to 1 and windows be at least one frame")


def label_from_truth(
    layer: int, scores: Scores, settings: TruthSettings, alive: list[int]
) -> list[LabelRecord]:
    """At most one label for each feature that is alive, and one for the best feature of each concept.

    A feature whose held-out AUROC is below ``min_auroc`` gets none: it stays unnamed.
    """
    labels = [
        LabelRecord(f"{layer}/{best.feature}", _label(best, scores))
        for best in scores.per_feature(alive)
        if best.held_out >= settings.min_auroc
    ]
    labels += [
        LabelRecord(f"{layer}/{best.feature}", _best_label(best))
        for best in scores.per_concept(alive)
        if best.held_out >= settings.min_auroc
    ]
    return labels


def _label(best: FeatureBest, scores: Scores) -> Label:
    evidence = {
        "concept": best.concept,
        "auroc_train": round(best.train, 4),
        "auroc_held_out": round(best.held_out, 4),
        "runner_up": best.runner_up,
        "runner_up_auroc_train": round(best.runner_up_train, 4),
    }
    return Label(concept_label(best.concept), AUTHOR, BEST_FOR, round(best.held_out, 4), evidence)


def _best_label(best: ConceptBest) -> Label:
    evidence = {
        "concept": best.concept,
        "auroc_train": round(best.train, 4),
        "auroc_held_out": round(best.held_out, 4),
    }
    return Label(concept_label(best.concept), AUTHOR, BEST_OF, round(best.held_out, 4), evidence)
