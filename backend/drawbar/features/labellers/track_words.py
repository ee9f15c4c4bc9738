"""Words of whole tracks (prompt, caption, tags, folders) -> the word in whose tracks a feature fires.

Chosen on the tracks of the training split, scored on held-out ones; each track counts once, however long it is. Says
nothing that a coin could have said: the score must also lie clearly above chance for so few tracks.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import torch
from torch import Tensor

from drawbar.bank.records import Label, LabelRecord
from drawbar.errors import BadInputError
from drawbar.features.labellers.interface import Labelled, LayerView, Tell, partners, separate
from drawbar.residuals.areas import auroc_columns

_NOTHING = frozenset(
    (
        "a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with", "without", "very",
        "bpm", "no", "is", "it", "this", "that", "wav", "mp3", "flac", "ogg", "track", "music", "audio", "untitled",
    )
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_][\w'-]+")


@dataclass(frozen=True)
class TrackWordSettings:
    """When a word becomes a label. Raises BadInputError for impossible numbers."""

    min_auroc: float = 0.75
    """On held-out tracks."""
    errors: float = 2.5
    """Standard errors that the held-out AUROC must lie above chance: few tracks say little."""
    train_tracks: int = 4
    """Tracks that must have the word, and that must lack it."""
    held_out_tracks: int = 3
    """The same of held-out ones."""
    most_clips: int = 2_000
    """Clips that are looked at in each split, at most."""
    window_frames: int = 50

    def __post_init__(self) -> None:
        if not 0.5 <= self.min_auroc <= 1 or min(self.train_tracks, self.held_out_tracks) < 2:
            raise BadInputError(f"{self}: min_auroc must lie in 0.5 to 1, and a word be in at least 2 tracks")


class TrackWordLabeller:
    """The best word of each feature."""

    def __init__(self, author: str, method: str, settings: TrackWordSettings) -> None:
        """``author`` is ``prompt`` (the track's text) or ``tags`` (its tags and folders)."""
        self.author, self._method, self._settings = author, method, settings

    def key(self) -> object:
        return [1, self._method, asdict(self._settings)]

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """At most one label for each feature that is alive."""
        cfg = self._settings
        sides = []
        for number, split in enumerate(("train", "held-out")):
            sides.append(self._tracks(view, split))
            tell(number + 1, 3)
        (train, texts), (held_out, other) = sides
        words = vocabulary(texts, other, cfg)
        if not words:
            return Labelled()
        chosen_on = auroc_columns(train, _truth(texts, words))
        truth = _truth(other, words)
        scored_on = auroc_columns(held_out, truth)
        positives = truth.sum(0).double()
        negatives = len(truth) - positives
        # Of the Mann-Whitney statistic under chance (Hanley and McNeil 1982).
        error = ((len(truth) + 1) / (12 * positives * negatives)).sqrt()
        best = chosen_on.nan_to_num(0.0)
        labels, true, picked = [], [], []
        for feature in view.alive:
            column = int(best[feature].argmax())
            area = float(scored_on[feature, column])
            if float(best[feature, column]) < cfg.min_auroc:
                continue
            true.append(area)
            picked.append((feature, column))
            if area >= max(cfg.min_auroc, 0.5 + cfg.errors * float(error[column])):
                labels.append(
                    self._record(view, feature, words[column], best[feature, column], area, positives[column])
                )
        shuffled = [
            float(scored_on[feature, picked[other_at][1]])
            for (feature, _), other_at in zip(picked, partners([words[c] for _, c in picked]), strict=True)
            if other_at is not None
        ]
        tell(3, 3)
        return Labelled(labels, separate(true, shuffled), {"words": list(words)})

    def _record(
        self, view: LayerView, feature: int, word: str, chosen: Tensor, area: float, tracks: Tensor
    ) -> LabelRecord:
        evidence = {
            "auroc_train": round(float(chosen), 4),
            "auroc_held_out": round(area, 4),
            "held_out_tracks": int(tracks),
            "phrase": f"fires in tracks whose {self._method} says {word!r}",
        }
        label = Label(word, self.author, f"word of the {self._method}", round(area, 4), evidence)
        return LabelRecord(f"{view.layer}/{feature}", label)

    def _tracks(self, view: LayerView, split: str) -> tuple[Tensor, list[frozenset[str]]]:
        """Mean activation of each track ``[tracks, F]`` and its words; tracks without a word are left out."""
        sums: dict[str, tuple[Tensor, int]] = {}
        said: dict[str, frozenset[str]] = {}
        for clip in view.choose(split, self._settings.most_clips, self._settings.window_frames):
            track, text = view.words(clip, self.author)
            found = words_in(text)
            rows = view.activation([clip], min(self._settings.window_frames, view.frames(clip)))
            if not found or not len(rows):
                continue
            before, count = sums.get(track, (torch.zeros(rows.shape[1]), 0))
            sums[track], said[track] = (before + rows.sum(0), count + len(rows)), found
        if not sums:
            return torch.zeros(0, 0), []
        return torch.stack([total / count for total, count in sums.values()]), list(said.values())


def words_in(text: str) -> frozenset[str]:
    """The words of a text, and each two that stand side by side."""
    found: set[str] = set()
    for part in re.split(r"[,;/|.]", text.casefold()):
        words = [word for word in _WORD.findall(part)]
        found |= {word for word in words if word not in _NOTHING}
        found |= {f"{a} {b}" for a, b in pairwise(words) if not {a, b} & _NOTHING}
    return frozenset(found)


def vocabulary(
    train: Sequence[frozenset[str]], held_out: Sequence[frozenset[str]], settings: TrackWordSettings
) -> tuple[str, ...]:
    """Words that enough tracks of both splits have and lack, in alphabetical order.

    Of words that stand in exactly the same tracks only the longest is kept: "taiko" is always "taiko drums".
    """
    counts = [Counter(word for words in side for word in words) for side in (train, held_out)]
    least = (settings.train_tracks, settings.held_out_tracks)
    sizes = (len(train), len(held_out))
    common = sorted(
        word
        for word in counts[0]
        if all(n <= count[word] <= size - n for n, count, size in zip(least, counts, sizes, strict=True))
    )
    tracks = {
        word: tuple(n for n, words in enumerate((*train, *held_out)) if word in words) for word in common
    }
    longest: dict[tuple[int, ...], str] = {}
    for word in common:
        if len(word) > len(longest.get(tracks[word], "")):
            longest[tracks[word]] = word
    return tuple(sorted(longest.values()))


def _truth(texts: Sequence[frozenset[str]], words: Sequence[str]) -> Tensor:
    return torch.tensor([[word in text for word in words] for text in texts], dtype=torch.bool).view(
        len(texts), len(words)
    )
