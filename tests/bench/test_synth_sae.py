"""A world whose features are known, and what SAEs find of it."""

import pytest
import torch

from drawbar.bench.synth_sae import Sampler, World, judge, ours, run
from drawbar.errors import BadInputError
from drawbar.sae import SAE

SMALL = World(features=64, width=32, roots=4, branching=2, depth=2, most=0.3, least=0.02, rank=4)


def test_children_fire_only_beside_their_parent_and_exclude_one_another() -> None:
    sampler = Sampler(SMALL)
    truth = sampler.truth(4000)
    parent = sampler._made["parent"]
    children = torch.nonzero(parent >= 0).flatten()
    assert len(children) == 24
    assert not bool(((truth[:, children] > 0) & (truth[:, parent[children]] == 0)).any())
    for above in parent[children].unique():
        siblings = torch.nonzero(parent == above).flatten()
        assert int((truth[:, siblings] > 0).sum(1).max()) <= 1
    shares = (truth > 0).float().mean(0)
    assert float(shares[:8].mean()) > float(shares[-8:].mean())


def test_an_sae_that_is_the_truth_finds_everything() -> None:
    sampler = Sampler(SMALL)
    sae = SAE(SMALL.width, SMALL.features, 8)
    with torch.no_grad():
        sae.W_dec.copy_(sampler.directions)
        sae.W_enc.copy_(torch.linalg.pinv(sampler.directions))
        sae.b_enc.zero_()
        sae.b_dec.copy_(sampler._made["bias"])
    found = judge(sae, Sampler(SMALL, 1), 2000, 1000)
    assert found.mcc == pytest.approx(1.0, abs=1e-5)
    assert found.uniqueness == 1.0


def test_a_trained_one_is_better_than_chance_and_stands_beside_the_published() -> None:
    result = run(SMALL, {n: s for n, s in ours(32, 6, 60, 256).items() if n != "TopK"}, samples=2000)
    rows = {row["sae"]: row for row in result["rows"]}
    assert rows["Matryoshka"]["published"]["f1"] == 0.8793
    assert all(row["f1"] > 0.2 and row["mcc"] > 0.4 for row in rows.values())


def test_a_world_of_nothing_is_refused() -> None:
    with pytest.raises(BadInputError):
        World(features=2)
