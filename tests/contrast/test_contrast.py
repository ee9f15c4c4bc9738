"""Directions from examples: what was planted is found, and the figures come from clips that were left out."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drawbar.bank import Example
from drawbar.contrast import concept_contrasts as concepts
from drawbar.contrast.concept_contrasts import ConceptSettings, bank_contrasts, concept_contrasts
from drawbar.contrast.contrast import ContrastSettings, contrasts, cross_validated, differences
from drawbar.corpus import CONCEPTS
from drawbar.errors import BadInputError
from drawbar.residuals import composed
from drawbar.residuals.composed import Tokens
from tests.evidence.planted import WIDTH, clips, fake_model

DRUMS, BASS = CONCEPTS.index("drums"), CONCEPTS.index("bass")
SHORT = ContrastSettings(window_frames=20, segment_frames=40)


def test_the_planted_axis_is_found_where_it_is_and_its_length_is_the_scale() -> None:
    nothing, there = contrasts(fake_model(), clips(1, 8), clips(0, 8, first=100), [0, 1], SHORT)
    assert there.layer == 1
    assert abs(there.vector[3]) > 0.95
    assert np.linalg.norm(there.vector) == pytest.approx(1, abs=1e-5)
    assert there.scale == pytest.approx(4.0, abs=0.5)
    assert there.difference.mean > 0.99
    assert there.probe.mean > 0.99
    assert there.positives == there.negatives == 8
    assert abs(nothing.difference.mean - 0.5) < 0.3
    assert nothing.difference.spread > 0


def test_noise_is_at_chance_because_whole_clips_are_left_out() -> None:
    """Each clip has its own offset: windows of one clip in both fit and check would be told apart by it."""
    draw = torch.Generator().manual_seed(0)
    owner = torch.arange(40).repeat_interleave(10)
    x = torch.randn(40, WIDTH, generator=draw)[owner] + 0.1 * torch.randn(400, WIDTH, generator=draw)
    truth = (owner < 20)[:, None]
    by_clip = cross_validated(x, truth, owner, owner % 5)[1].mean()
    by_window = cross_validated(x, truth, owner, torch.arange(400) % 5)[1].mean()
    assert by_window > 0.9
    assert by_clip < 0.7


def test_long_clips_count_once_and_do_not_bring_their_place_in_the_sequence() -> None:
    """One side is three times as long; positions drift, and the direction must not follow them."""
    found = contrasts(fake_model(), clips(1, 6, 40), clips(0, 6, 120, first=50), [1], SHORT)[0]
    assert abs(found.vector[3]) > 0.95
    weight = torch.tensor([1.0, 1.0, 0.5, 0.5])
    x = torch.tensor([[2.0], [0.0], [4.0], [8.0]])
    step = differences(x, torch.tensor([[True], [False], [True], [True]]), weight)
    assert float(step) == pytest.approx((2 + 0.5 * 4 + 0.5 * 8) / 2)


def test_too_few_or_equal_examples_are_refused_with_the_cure() -> None:
    with pytest.raises(BadInputError, match="8 examples that have it and 1 that lack it: give at least 3"):
        contrasts(fake_model(), clips(1, 8), clips(0, 1), [1], SHORT)
    model = fake_model()
    model.residuals = lambda tokens, prompts=None, layers=(): {
        1: torch.zeros(len(tokens), tokens.shape[2] + 1, WIDTH)
    }
    with pytest.raises(BadInputError, match="examples that differ"):
        contrasts(model, clips(1, 3), clips(0, 3), [1], SHORT)


@dataclass
class FakePiece:
    """Drums and bass come and go in stretches of 50 frames."""

    concepts: np.ndarray[Any, np.dtype[np.bool_]]


@pytest.fixture
def composer(monkeypatch: pytest.MonkeyPatch) -> None:
    def compose(seed: int, seconds: float) -> FakePiece:
        rng = np.random.default_rng(seed)
        truth = np.zeros((round(seconds * 50), len(CONCEPTS)), bool)
        for concept in (DRUMS, BASS):
            for start in range(0, len(truth), 50):
                truth[start : start + 50, concept] = rng.random() < 0.5
        return FakePiece(truth)

    def render(piece: FakePiece, _font: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
        bits = piece.concepts[:, DRUMS] + 2 * piece.concepts[:, BASS]
        return np.repeat(bits.astype(np.float32), 640)

    monkeypatch.setattr(composed, "compose", compose)
    monkeypatch.setattr(composed, "render_audio", render)
    monkeypatch.setattr(composed, "annotate", lambda piece: piece)


@pytest.mark.usefixtures("composer")
def test_every_concept_gets_its_direction_at_every_layer_and_the_answer_is_kept(tmp_path: Path) -> None:
    settings = ConceptSettings(pieces=30, seconds=4.0, clip_frames=50, least=3)
    model = fake_model()
    found = concept_contrasts(model, [0, 1], tmp_path, settings=settings)
    at = {(one.name, one.layer): one for one in found}
    assert set(at) == {("drums", 0), ("drums", 1), ("bass", 0), ("bass", 1)}
    drums = at["drums", 1]
    assert abs(drums.vector[3]) > 0.9
    assert drums.scale == pytest.approx(4.0, abs=0.6)
    assert drums.auroc_probe > 0.98 > 0.8 > at["drums", 0].auroc_probe
    assert drums.positives + drums.negatives == 30 * 4
    assert drums.spread_probe >= 0
    asked = model.calls
    again = concept_contrasts(model, [0, 1], tmp_path, settings=settings)
    assert model.calls == asked
    assert [(a.name, a.layer, a.auroc_probe) for a in again] == [
        (a.name, a.layer, a.auroc_probe) for a in found
    ]
    assert np.array_equal(again[1].vector, found[1].vector)
    frames = concept_contrasts(model, [0, 1], tmp_path, scope="frame", settings=settings)
    assert {one.scope for one in frames} == {"frame"}
    assert model.calls == asked


def test_a_missing_soundfont_is_told_with_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="fluid-soundfont-gm"):
        concept_contrasts(fake_model(), [1], tmp_path, soundfont=tmp_path / "none.sf2")
    with pytest.raises(BadInputError, match="scope 'bar'"):
        concept_contrasts(fake_model(), [1], tmp_path, scope="bar")


def test_a_bank_gives_contrasts_from_its_own_examples() -> None:
    def example(tokens: Tensor, bin: str, clip: str) -> Example:
        codes = tokens.numpy().astype(np.uint16)
        return Example(codes, 0, codes.shape[1], np.zeros(codes.shape[1], np.float32), bin, clip)

    loud = [example(t, "top", f"loud{n}") for n, t in enumerate(clips(1, 4))]
    quiet = [example(t, "silent", f"quiet{n}") for n, t in enumerate(clips(0, 4, first=80))]
    shared = example(clips(0, 1, first=7)[0], "silent", "loud0")

    class FakeBank:
        def require_site(self, fingerprint: str) -> None:
            assert fingerprint == "f" * 64

        def count(self) -> int:
            return 3

        def search(self, limit: int) -> list[Any]:
            labels = {"1/0": "ticks", "1/1": "ticks", "1/2": "", "1/3": "rare"}
            return [SimpleNamespace(id=id, label=label) for id, label in labels.items()]

        def examples(self, id: str, bin: str) -> list[Example]:
            own = {"1/0": [*loud[:2], *quiet, shared], "1/1": loud[2:], "1/3": loud}[id]
            return [one for one in own if one.bin == bin]

    bank: Any = FakeBank()
    found = bank_contrasts(fake_model(), bank, [1], settings=SHORT)
    assert [(one.name, one.layer) for one in found] == [("ticks", 1)]
    assert abs(found[0].vector[3]) > 0.9
    assert found[0].negatives == 4


def test_kept_pieces_are_read_back_as_they_were(tmp_path: Path, composer: None) -> None:
    how = ConceptSettings(pieces=4, seconds=2.0, folds=2)
    arguments = (fake_model(), tmp_path / "pieces", how, tmp_path, lambda what, share: None)
    first, second = (concepts._tokens(*arguments) for _ in range(2))
    assert all(isinstance(one, Tokens) for one in first)
    assert all(
        torch.equal(a.codes, b.codes) and torch.equal(a.truth, b.truth)
        for a, b in zip(first, second, strict=True)
    )
