"""A word becomes a direction where the model knows it, at the layer that holds it; a nonsense word becomes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from drawbar.contrast.words import (
    WordSettings,
    ask,
    best_word_layer,
    fitting_batch_of,
    knows,
    phrase,
    play_pairs,
    word_contrasts,
)
from drawbar.errors import BadInputError
from drawbar.musicgen.spec import ModelSpec
from tests.evidence.planted import FakeModel


class ObedientModel(FakeModel):
    """Plays tokens whose low bit says drums, which layer 1 holds; it knows no word but drums."""

    spec = SimpleNamespace(
        name="fake", d_model=24, n_layers=2, n_q=4, card=1000, max_delay=3, context_frames=1500,
        frames=lambda seconds: round(50 * seconds),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.text = SimpleNamespace(encode=self._encode, unknown_words=lambda text: text.split())

    @staticmethod
    def _encode(prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        return torch.tensor([[float("drums" in prompt)] for prompt in prompts]), torch.ones(1, 1)

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], seconds: float, **_: object) -> Tensor:
        rows = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            drawn = torch.randint(
                0, 500, (4, round(50 * seconds)), generator=torch.Generator().manual_seed(seed)
            )
            drawn[0] = drawn[0] * 2 + ("drums" in prompt)
            rows.append(drawn)
        return torch.stack(rows)


@pytest.fixture
def obedient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for a `Model`, of which it has what is asked for."""
    monkeypatch.setattr("drawbar.contrast.words.fitting_batch", lambda *_: 8)
    return ObedientModel()


HOW = WordSettings(pairs=8, seconds=0.8, shuffles=99)


def test_prompts_differ_in_the_word_only() -> None:
    asked = ask("taiko drums", "no drums", settings=HOW)
    assert len(asked.having) == len(asked.lacking) == len(asked.seeds) == 8
    for having, lacking in zip(asked.having, asked.lacking, strict=True):
        assert having.removesuffix(" with taiko drums") == lacking.removesuffix(" with no drums")
        assert "drums" not in having.removesuffix("taiko drums"), "a context does not name the word already"


def test_adjectives_stand_before_and_a_place_is_filled() -> None:
    assert phrase("piano", "slow") == "slow piano"
    assert phrase("piano", "drums") == "piano with drums"
    assert phrase("piano", "{context} on a toy") == "piano on a toy"
    assert ask("{context} on a toy").name == "on a toy"


def test_own_contexts_are_used_in_turn() -> None:
    asked = ask("drums", contexts=["one", "", " two "], settings=HOW)
    assert asked.lacking[:3] == ("one", "two", "one")


@pytest.mark.parametrize(("word", "against"), [(" ", ""), ("{context}", ""), ("Drums", "drums")])
def test_no_word_and_a_word_against_itself_are_refused(word: str, against: str) -> None:
    with pytest.raises(BadInputError):
        ask(word, against)


def test_the_layer_that_holds_the_word_is_found_and_points_at_it(obedient: Any) -> None:
    asked = ask("drums", settings=HOW)
    assert knows(obedient, asked)
    rows = word_contrasts(obedient, asked, play_pairs(obedient, asked, HOW), [0, 1], HOW)
    best = best_word_layer(rows, 8, 2)
    assert best.layer == 1
    assert best.auroc > 0.95 > best.shuffled
    assert best.p <= 0.02
    assert abs(best.vector[3]) > 0.95, "axis 3 holds the bit"
    assert best.scale == pytest.approx(4.0, rel=0.2)
    assert abs(best.shuffled_vector[3]) < 0.9


def test_pairs_in_which_the_model_did_not_do_as_told_count_little(obedient: Any) -> None:
    how = replace(HOW, pairs=16)
    asked = ask("drums", settings=how)
    takes = play_pairs(obedient, asked, how)
    deaf = torch.arange(16) % 3 == 0  # in a third of the pairs the word changed nothing
    takes[:16][deaf] = takes[16:][deaf]
    scales = {}
    for weigh in ("alike", "heard"):
        row = word_contrasts(obedient, asked, takes, [1], replace(how, weigh=weigh))[0]
        assert abs(row.vector[3]) > 0.95
        scales[weigh] = row.scale
    assert scales["alike"] == pytest.approx(4.0 * 10 / 16, rel=0.2)
    assert scales["heard"] == pytest.approx(4.0, rel=0.2), "as much as where the word was heard"


def test_a_word_that_changes_nothing_is_no_better_than_shuffled_pairs(obedient: Any) -> None:
    asked = ask("blorp", settings=HOW)
    assert not knows(obedient, asked)
    rows = word_contrasts(obedient, asked, play_pairs(obedient, asked, HOW), [0, 1], HOW)
    assert best_word_layer(rows, 8, 2).p > 0.05


def test_of_layers_that_do_as_well_the_one_with_a_pool_is_taken(obedient: Any) -> None:
    asked = ask("drums", settings=HOW)
    row = word_contrasts(obedient, asked, play_pairs(obedient, asked, HOW), [1], HOW)[0]
    rows = [SimpleNamespace(**{**vars(row), "layer": n}) for n in range(6)]
    assert best_word_layer(rows, 8, 6).layer in (2, 3)  # type: ignore[arg-type]
    assert best_word_layer(rows, 8, 6, (4,)).layer == 4  # type: ignore[arg-type]


def test_more_clips_run_at_once_where_there_is_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModelSpec(d_model=1024, n_layers=24, n_heads=16, d_ff=4096, card=2048, text_dim=768)
    sizes = []
    for free in (1 << 30, 8 << 30, 64 << 30):
        monkeypatch.setattr("drawbar.contrast.words.free_bytes", lambda _place, free=free: free)
        sizes.append(fitting_batch_of(spec, 4.0, "cpu"))
    assert 1 <= sizes[0] < sizes[1] <= sizes[2] == 32
