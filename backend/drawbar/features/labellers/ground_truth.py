"""AUROC against the composer's ground truth -> labels, and the best feature of each concept.

The labeller ``truth``. Only composed audio has ground truth; recordings get their labels elsewhere.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from drawbar.bank.records import Label, LabelRecord
from drawbar.corpus.naming import concept_label
from drawbar.errors import BadInputError
from drawbar.features.labellers.interface import Labelled, LayerView, Separation, Tell, partners, separate
from drawbar.features.scoring import ConceptBest, FeatureBest, Scores, score

AUTHOR = "truth"
BEST_OF = "best feature of the concept"
BEST_FOR = "best concept of the feature"
_EVENT = "hit:"  # concepts that last a few frames


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


class TruthLabeller:
    """The best concept of each feature."""

    author = AUTHOR

    def __init__(self, settings: TruthSettings) -> None:
        self._settings = settings

    def key(self) -> object:
        return [2, asdict(self._settings)]

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """Labels of the features that are alive; nothing where nothing is known."""
        scores = self._scores(view, tell)
        if scores is None:
            return Labelled()
        table = [
            asdict(best) | {"feature": f"{view.layer}/{best.feature}"}
            for best in scores.per_concept(view.alive)
        ]
        labels = label_from_truth(view.layer, scores, self._settings, view.alive)
        return Labelled(labels, _separation(scores, view.alive, self._settings), {"concepts": table})

    def _scores(self, view: LayerView, tell: Tell) -> Scores | None:
        """States over half-second windows, events over tenth-second ones, side by side."""
        cfg = self._settings
        parts: list[Scores] = []
        for number, event in enumerate((False, True)):
            columns = [i for i, name in enumerate(view.concepts) if name.startswith(_EVENT) == event]
            window = cfg.event_window_frames if event else cfg.window_frames
            share = window / cfg.window_frames if event else 1.0
            sides = []
            for split, most in (("train", cfg.train_clips), ("held-out", cfg.held_out_clips)):
                clips = view.choose(split, max(8, round(most * share)), window)
                known = [clip for clip in clips if view.truth(clip) is not None]
                if columns and known:
                    truth = torch.cat([_truth_windows(view, c, window, columns, event) for c in known])
                    sides.append((view.activation(known, window), truth))
            if len(sides) == 2:
                parts.append(score([view.concepts[i] for i in columns], sides[0], sides[1]))
            tell(number + 1, 2)
        if not parts:
            return None
        names = tuple(name for part in parts for name in part.names)
        return Scores(
            names, torch.cat([p.train for p in parts], 1), torch.cat([p.held_out for p in parts], 1)
        )


def _truth_windows(view: LayerView, clip: int, window: int, columns: list[int], event: bool) -> Tensor:
    """Bool [W, C]: an event counts if it touches the window, a state if it fills half of it."""
    truth = view.truth(clip)
    assert truth is not None  # the caller asked
    count = len(truth) // window
    cells = truth[: count * window, columns].view(count, window, -1).float().mean(1)
    return cells > 0 if event else cells >= 0.5


def _separation(scores: Scores, alive: list[int], settings: TruthSettings) -> Separation | None:
    chosen = [best for best in scores.per_feature(alive) if best.train >= settings.min_auroc]
    other = partners([best.concept for best in chosen])
    column = {name: place for place, name in enumerate(scores.names)}
    shuffled = [
        float(scores.held_out[best.feature, column[chosen[j].concept]])
        for best, j in zip(chosen, other, strict=True)
        if j is not None
    ]
    return separate([best.held_out for best in chosen], shuffled)


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
        "runner_up_auroc_held_out": _rounded(
            float(scores.held_out[best.feature, scores.names.index(best.runner_up)])
        ),
    }
    return Label(concept_label(best.concept), AUTHOR, BEST_FOR, round(best.held_out, 4), evidence)


def _rounded(value: float) -> float | None:
    return round(value, 4) if value == value else None


def _best_label(best: ConceptBest) -> Label:
    evidence = {
        "concept": best.concept,
        "auroc_train": round(best.train, 4),
        "auroc_held_out": round(best.held_out, 4),
    }
    return Label(concept_label(best.concept), AUTHOR, BEST_OF, round(best.held_out, 4), evidence)
