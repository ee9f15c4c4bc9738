"""Activations made by hand -> densities, quantiles, examples and what is written of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.features import make_profile
from drawbar.features.excerpts import cut_examples
from drawbar.features.pairs import MemoryPairs, ShardPairs, encode_pairs, window_means, write_pairs
from drawbar.features.picks import Part
from drawbar.features.profile import Profile, ProfileSettings, join_profiles
from drawbar.features.storage import load_profile, save_profile
from drawbar.sae import SAE

FEATURES, K, FRAMES, CLIPS = 30, 4, 200, 12
CFG = ProfileSettings(window_frames=50, top=2, silent=1, pool_clips=CLIPS)


def some_clips() -> list[tuple[Tensor, Tensor]]:
    """Feature f fires with log-normal strength; 29 never fires; 28 only in clip 3, frames 100 to 149."""
    generator = torch.Generator().manual_seed(0)
    clips = []
    for clip in range(CLIPS):
        indices = torch.rand(FRAMES, 28, generator=generator).topk(K, dim=1).indices
        values = (torch.randn(FRAMES, K, generator=generator) * 0.7).exp() * (indices + 1)
        values[::5, 0] = 0
        if clip == 3:
            indices[100:150, 1], values[100:150, 1] = 28, 9.0
        clips.append((values, indices))
    return clips


@pytest.fixture(scope="module")
def source() -> MemoryPairs:
    return MemoryPairs(some_clips())


@pytest.fixture(scope="module")
def profile(source: MemoryPairs) -> Profile:
    return make_profile(source, FEATURES, CFG)


def firings(feature: int) -> Tensor:
    return torch.cat([values[(indices == feature) & (values > 0)] for values, indices in some_clips()])


def test_counts_and_quantiles_are_those_of_the_firing_positions(profile: Profile) -> None:
    assert (profile.tokens, profile.clips) == (FRAMES * CLIPS, CLIPS)
    for feature in (0, 7, 27):
        strength = firings(feature).numpy()
        assert profile.fired[feature] == len(strength)
        assert profile.mean[feature] == pytest.approx(strength.sum() / profile.tokens, rel=1e-4)
        wanted = np.quantile(strength, (0.05, 0.5, 0.9, 0.99))
        np.testing.assert_allclose(profile.quantiles[feature, :4], wanted, rtol=0.06)
        assert profile.counts[feature].sum() == len(strength)
        assert (
            profile.edges[feature, 0] <= strength.min() < strength.max() <= profile.edges[feature, -1] * 1.03
        )
    assert profile.fired[29] == 0
    assert profile.fired_clips[28] == 1
    assert profile.persistence[28] == pytest.approx(49 / 50, abs=0.01)


def test_a_slider_unit_needs_200_firings(profile: Profile) -> None:
    trusted = profile.fired >= 200
    np.testing.assert_array_equal(profile.scale[trusted], profile.quantiles[trusted, 3])
    assert profile.scale[28] == pytest.approx(np.median(profile.quantiles[trusted, 3]))


def test_examples_cover_strong_middle_and_silent_windows(profile: Profile, source: MemoryPairs) -> None:
    picks = [pick for pick in profile.picks if pick.feature == 28]
    assert [(p.bin, p.clip, p.start_frame) for p in picks if p.bin != "silent"] == [("top", 3, 100)]
    assert not any(pick.feature == 29 for pick in profile.picks)
    means = {
        (c, w * 50): float(m[5])
        for c in range(CLIPS)
        for w, m in enumerate(window_means(*source.pairs(c), FEATURES, 50))
    }
    mine = {pick.bin: means[(pick.clip, pick.start_frame)] for pick in profile.picks if pick.feature == 5}
    assert mine["top"] >= mine["q75"] >= mine["q50"] >= mine["q25"]
    assert max(means.values()) == max(means[(p.clip, p.start_frame)] for p in profile.picks if p.feature == 5)


def test_examples_carry_tokens_and_activations_of_their_window(profile: Profile, source: MemoryPairs) -> None:
    tokens = [torch.full((4, FRAMES), clip) + torch.arange(FRAMES) for clip in range(CLIPS)]
    names = [f"clip{n}" for n in range(CLIPS)]
    found = dict(cut_examples(profile.picks, source, tokens.__getitem__, names, ["CC0"] * CLIPS, 50))
    assert sorted(found) == sorted({pick.feature for pick in profile.picks})
    top = next(example for example in found[28] if example.bin == "top")
    assert (top.clip, top.start_frame, top.end_frame, top.licence) == ("clip3", 100, 150, "CC0")
    assert top.activations.tolist() == [9.0] * 50
    assert top.tokens[0, 0] == 103
    silent = next(example for example in found[28] if example.bin == "silent")
    assert not silent.activations.any()


def test_it_survives_the_disk(profile: Profile, tmp_path: Path) -> None:
    save_profile(tmp_path / "p.safetensors", profile)
    again = load_profile(tmp_path / "p.safetensors")
    assert again.picks == profile.picks
    assert (again.tokens, again.clips) == (profile.tokens, profile.clips)
    np.testing.assert_array_equal(again.quantiles, profile.quantiles)
    np.testing.assert_array_equal(again.counts, profile.counts)


def test_pairs_on_disk_equal_the_encoder(tmp_path: Path) -> None:
    sae = SAE(6, 20, 3)
    sae.initialise(torch.Generator().manual_seed(0))
    rows = torch.randn(90, 6, generator=torch.Generator().manual_seed(1))
    values, indices = encode_pairs(sae, rows)
    write_pairs(tmp_path / "a.safetensors", values, indices, [60, 30], sae.d_sae)
    second = ShardPairs([tmp_path / "a.safetensors"]).pairs(1)
    dense = torch.zeros(30, 20).scatter(1, second[1], second[0])
    torch.testing.assert_close(dense, sae.encode(rows[60:]).detach(), atol=2e-3, rtol=2e-3)


def test_no_clips_are_an_error(source: MemoryPairs) -> None:
    with pytest.raises(BadInputError, match="no clips"):
        make_profile(source, FEATURES, clips=[])


def test_parts_of_the_features_join_to_the_profile_of_all(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(3)
    clips = [
        (torch.rand(120, 4, generator=draw), torch.rand(120, 30, generator=draw).topk(4, 1).indices)
        for _ in range(9)
    ]
    cfg = ProfileSettings(window_frames=20, pool_clips=5, rhythm_clips=7)
    source = MemoryPairs(clips)
    save_profile(tmp_path / "whole", make_profile(source, 30, cfg))
    cuts = (Part(0, 11, 30), Part(11, 12, 30), Part(12, 30, 30))
    save_profile(tmp_path / "joined", join_profiles([make_profile(source, 30, cfg, part=p) for p in cuts]))
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()
