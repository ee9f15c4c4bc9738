"""Activations that move in known ways -> the kind of movement, what fires together, and how many survive."""

import numpy as np
import pytest
import torch
from torch import Tensor

from drawbar.features import make_profile
from drawbar.features.coactive import nearest_in_time
from drawbar.features.consistency import consistency, groups
from drawbar.features.firings import firings_of
from drawbar.features.pairs import MemoryPairs
from drawbar.features.profile import Profile, Profiler, ProfileSettings
from drawbar.features.survivors import rates_of, survivors
from drawbar.features.temporal import described, kinds_of

FRAMES, CLIPS, FEATURES = 1000, 24, 12
SUSTAINED, ONSET, PERIODIC, DRIFTING, LOCKED, TWIN, DEAD, ALWAYS = range(8)


def moving_clips() -> list[tuple[Tensor, Tensor]]:
    """Each of the first features moves in its own way in every clip; TWIN fires with SUSTAINED."""
    generator = torch.Generator().manual_seed(0)
    clips = []
    for clip in range(CLIPS):
        curves = torch.zeros(FRAMES, FEATURES)
        time = torch.arange(FRAMES)
        for start in torch.randint(0, FRAMES - 120, (4,), generator=generator).tolist():
            curves[start : start + 100, SUSTAINED] = 2.0
        curves[:, TWIN] = 0.5 * curves[:, SUSTAINED]
        curves[torch.rand(FRAMES, generator=generator) < 0.02, ONSET] = 1.0
        curves[(time + clip * 7) % 25 < 4, PERIODIC] = 1.0
        ramp = time / FRAMES if clip % 8 else 1 - time / FRAMES
        curves[:, DRIFTING] = (torch.rand(FRAMES, generator=generator) < ramp).float() * (0.2 + ramp)
        curves[:6, LOCKED] = 3.0
        curves[:, ALWAYS] = 0.1 + 0.05 * torch.rand(FRAMES, generator=generator)
        top = curves.topk(8, dim=1)
        clips.append((top.values, top.indices))
    return clips


@pytest.fixture(scope="module")
def profile() -> Profile:
    return make_profile(
        MemoryPairs(moving_clips()), FEATURES, ProfileSettings(window_frames=50, pool_clips=8)
    )


def test_each_way_of_moving_is_told_from_the_others(profile: Profile) -> None:
    kinds = kinds_of(profile.temporal)
    found = {name: kinds[name] for name in (SUSTAINED, ONSET, PERIODIC, LOCKED)}
    assert found == {SUSTAINED: "sustained", ONSET: "onset", PERIODIC: "periodic", LOCKED: "position-locked"}
    assert profile.temporal.drift[DRIFTING] > 0.4
    assert profile.temporal.period_s[PERIODIC] == pytest.approx(0.5, abs=0.05)
    assert profile.temporal.run_frames[SUSTAINED] > 90
    assert described(profile.temporal, kinds[LOCKED], LOCKED)["position"] > 0.9


def test_a_feature_that_fires_at_random_places_is_not_called_position_locked(profile: Profile) -> None:
    assert profile.temporal.position[[SUSTAINED, ONSET, PERIODIC]].max() < 0.1


def test_features_that_fire_together_find_each_other_and_others_do_not(profile: Profile) -> None:
    near = nearest_in_time(profile.sketch, profile.sketch, 3, same=True)
    assert near[SUSTAINED][0][0] == TWIN
    assert near[SUSTAINED][0][1] > 0.95
    assert near[DEAD] == []
    assert all(other != SUSTAINED for other, _ in near[ONSET])


def test_sketches_agree_with_the_plain_correlation(profile: Profile) -> None:
    bins = []
    for values, indices in moving_clips():
        dense = torch.zeros(FRAMES, FEATURES).scatter_(1, indices, values)
        bins.append(dense.view(-1, 5, FEATURES).mean(1))
    exact = np.corrcoef(torch.cat(bins).numpy().T[[SUSTAINED, PERIODIC, DRIFTING, TWIN]])
    rows = profile.sketch[[SUSTAINED, PERIODIC, DRIFTING, TWIN]].astype(np.float32)
    np.testing.assert_allclose(rows @ rows.T, exact, atol=0.2)


def test_the_same_moments_in_two_layers_are_duplicates() -> None:
    clips = moving_clips()
    again = [(values * 7, (indices + 1) % FEATURES) for values, indices in clips]
    settings = ProfileSettings(window_frames=50, pool_clips=4)
    one, two = (make_profile(MemoryPairs(part), FEATURES, settings) for part in (clips, again))
    near = nearest_in_time(one.sketch, two.sketch, 1, least=0.9)
    assert near[PERIODIC][0][0] == PERIODIC + 1
    assert near[LOCKED][0][0] == LOCKED + 1


def test_the_paper_counts_ten_second_clips_by_their_time_mean(profile: Profile) -> None:
    assert profile.clips == 2 * CLIPS
    clip_rate, token_rate = rates_of(profile)
    assert clip_rate[LOCKED] == 0.5
    assert clip_rate[ALWAYS] == 1.0
    assert token_rate[LOCKED] == pytest.approx(6 / FRAMES)
    table = survivors(3, clip_rate, token_rate, profile=profile)
    assert table.alive == 7
    assert table.paper == 0  # all of them fire in half of the clips or more
    assert next(r for r in table.clip_grid if (r["low"], r["high"]) == (0.01, 0.5))["survivors"] == 1
    assert next(r for r in table.token_grid if (r["low"], r["high"]) == (0.001, 0.02))["survivors"] == 1
    assert table.mean_grid[0]["least"] == 0.0
    assert table.mean_grid[0]["survivors"] == table.paper


def test_memory_does_not_grow_with_the_audio_and_five_large_layers_fit() -> None:
    small = Profiler(FEATURES)
    before = small.nbytes
    for clip, (values, indices) in enumerate(moving_clips()[:3]):
        small.add(clip, values, indices, pool=True, rhythm=True)
    assert small.nbytes == before
    assert 5 * Profiler(32_768).nbytes < 1.5 * 2**30


def test_sparse_firings_equal_the_dense_activations() -> None:
    values, indices = moving_clips()[0]
    dense = torch.zeros(FRAMES, FEATURES).scatter_(1, indices, values)
    found = firings_of(values, indices)
    assert found.active.tolist() == torch.nonzero(dense.sum(0))[:, 0].tolist()
    torch.testing.assert_close(found.bins(7)[:, 0], dense[:7, found.active].mean(0))
    torch.testing.assert_close(found.bins(7)[:, -1], dense[994:, found.active].mean(0))
    again = (dense[:-1] > 0) & (dense[1:] > 0)
    assert int(found.stayed().sum()) == int(again.sum())


def test_what_follows_from_the_sound_is_consistent_and_noise_is_not() -> None:
    generator = torch.Generator().manual_seed(1)
    sides = []
    for _ in range(2):
        figures = torch.randn(400, 5, generator=generator)
        figures[::50, 2] = torch.nan
        noise = torch.rand(400, generator=generator)
        follows = (figures[:, 0] + 0.3 * torch.randn(400, generator=generator)).clamp_min(0)
        both = (figures[:, 1] ** 2 - 1).clamp_min(0)
        sides.append((torch.stack([follows, both, noise * (noise > 0.6), torch.zeros(400)], 1), figures))
    found = consistency(sides[0], sides[1])
    assert found.auroc[0] > 0.9
    assert found.auroc[1] > 0.9
    assert abs(float(found.auroc[2]) - 0.5) < 0.1
    assert bool(found.auroc[3].isnan())
    assert float(found.shuffled[:3].mean()) < 0.65


def test_features_that_fire_alike_form_one_group(profile: Profile) -> None:
    found = groups(profile.sketch, [SUSTAINED, PERIODIC, TWIN])
    assert found == {SUSTAINED: SUSTAINED, PERIODIC: PERIODIC, TWIN: SUSTAINED}
