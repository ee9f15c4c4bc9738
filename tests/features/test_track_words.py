"""Words of whole tracks name features that fire in them; shuffled words name nothing."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.features.labellers.track_words import (
    TrackWordLabeller,
    TrackWordSettings,
    vocabulary,
    words_in,
)

F = 40


class View:
    """Sixty tracks of two clips; feature 3 fires in tracks that say taiko drums, feature 7 in slow ones."""

    layer = 2
    alive = tuple(range(F))

    def __init__(self, shuffled: bool = False) -> None:
        draw = random.Random(1)
        self.said = {
            n: ", ".join(word for word in ("taiko drums", "slow jazz", "piano") if draw.random() < 0.5)
            or "organ"
            for n in range(60)
        }
        order = list(range(60))
        if shuffled:
            draw.shuffle(order)
        self.sound = {n: self.said[order[n]] for n in range(60)}

    def choose(self, split: str, _count: int, _window: int) -> list[int]:
        return list(range(80)) if split == "train" else list(range(80, 120))

    def activation(self, clips: list[int], _window: int) -> Tensor:
        [clip] = clips
        rows = torch.rand(4, F, generator=torch.Generator().manual_seed(clip))
        said = self.sound[clip // 2]
        rows[:, 3] += 2.0 * ("taiko" in said)
        rows[:, 7] += 0.5 * ("slow" in said)
        return rows

    def words(self, clip: int, kind: str) -> tuple[str, str]:
        return f"track {clip // 2}", self.said[clip // 2]

    def frames(self, _clip: int) -> int:
        return 200


def found(view: Any) -> Any:
    return TrackWordLabeller("prompt", "prompt", TrackWordSettings()).label(view, lambda *_: None)


def test_features_get_the_word_of_the_tracks_that_they_fire_in() -> None:
    result = found(View())
    named = {record.feature: record.label for record in result.labels}
    assert named["2/3"].text == "taiko drums", "of two words that always stand together, both"
    assert named["2/7"].text == "slow jazz"
    assert named["2/3"].score > 0.95
    assert named["2/3"].author == "prompt"
    assert len(named) <= 4, "noise gets no name"
    assert result.separation is None or result.separation.true_median > result.separation.shuffled_median


def test_shuffled_words_name_nothing() -> None:
    assert len(found(View(shuffled=True)).labels) <= 1


def test_words_and_pairs_of_words_are_read() -> None:
    assert words_in("Slow jazz with Taiko drums, 120 bpm") == {
        "slow", "jazz", "slow jazz", "taiko", "drums", "taiko drums",
    }  # fmt: skip
    assert words_in("Drums/Kick 01.wav") == {"drums", "kick"}
    assert words_in("") == frozenset()


def test_a_word_needs_tracks_that_have_it_and_tracks_that_lack_it() -> None:
    settings = SimpleNamespace(train_tracks=2, held_out_tracks=1)
    train = [frozenset(t.split()) for t in ("a b", "a b c", "a", "a b", "a")]
    held = [frozenset(t.split()) for t in ("a b", "a c")]
    assert vocabulary(train, held, settings) == ("b",)  # type: ignore[arg-type]


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(BadInputError):
        TrackWordSettings(min_auroc=0.2)
