"""Pasts that went wrong: as much of them as asked for, held or misplaced, and the same for the same seed."""

import numpy as np
import torch

from drawbar.bundled.context_noise import from_there, gone_wrong

TOKENS = np.random.default_rng(0).integers(0, 300, (8, 1_000))


def spoilt(rate: float, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return gone_wrong(TOKENS, rate, np.random.default_rng(seed))


def test_without_a_rate_nothing_is_spoilt() -> None:
    assert np.array_equal(spoilt(0.0, 1), TOKENS)


def test_about_as_much_is_spoilt_as_was_asked_for() -> None:
    shares = [np.mean(spoilt(0.3, seed) != TOKENS) for seed in range(40)]
    assert 0.2 < np.mean(shares) < 0.4  # stretches overlap, and the last one may be long


def test_stretches_hold_still_or_come_from_elsewhere() -> None:
    held, moved = 0.0, 0.0
    for seed in range(20):
        found = spoilt(0.3, seed)
        wrong = found[:, 1:] != TOKENS[:, 1:]
        still = found[:, 1:] == found[:, :-1]
        held += np.mean(still[wrong])
        moved += np.mean(~still[wrong])
        assert set(np.unique(found)) <= set(np.unique(TOKENS))
    assert held > moved > 0


def test_the_same_seed_spoils_the_same_places_and_leaves_the_clip_alone() -> None:
    before = TOKENS.copy()
    assert np.array_equal(spoilt(0.3, 5), spoilt(0.3, 5))
    assert np.array_equal(TOKENS, before)


def test_from_a_wrong_past_the_music_changes_when_it_changes_and_not_before() -> None:
    music = torch.tensor([[[5, 5, 5, 7, 7, 8]]])
    held = torch.tensor([[[5, 2, 2, 2, 9, 8]]])
    assert from_there(music, held).tolist() == [[[5, 5, 2, 7, 2, 8]]]
    assert torch.equal(from_there(music, music), music)
