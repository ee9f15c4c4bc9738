"""Residuals of a known dictionary -> the SAE finds it; a killed run ends like an undisturbed one."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError, CheckpointError, NotFiniteError
from drawbar.residuals import MemoryRows, MixedBatches
from drawbar.sae import SAE, SaeSettings, measure, seed_stability
from drawbar.sae.train import train_sae

PLANTED = functional.normalize(torch.randn(24, 16, generator=torch.Generator().manual_seed(5)), dim=1)
SETTINGS = SaeSettings(
    d_sae=24, k=2, batch=256, steps=500, lr=5e-3, k_aux=8, dead_after=5_000, log_every=50, save_every=20
)


def planted(n: int, seed: int) -> Iterator[Tensor]:
    """Residuals far from the origin: two of 24 directions, of random strength."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.rand(n, 24, generator=generator).topk(2, dim=1).indices
        strength = torch.rand(n, 2, generator=generator) * 20 + 10
        yield torch.zeros(n, 24).scatter(1, order, strength) @ PLANTED + 50.0


@pytest.fixture(scope="module")
def trained() -> SAE:
    return train_sae(planted(256, 1), SETTINGS, layer=3, fingerprint="a" * 64).sae


def test_planted_directions_are_found(trained: SAE) -> None:
    best = (PLANTED @ trained.W_dec.T).amax(1)
    assert float(best.mean()) > 0.95
    assert seed_stability(trained, trained) == pytest.approx(1.0, abs=1e-5)


def test_metrics_in_residual_units(trained: SAE) -> None:
    found = measure(trained, itertools.islice(planted(256, 9), 8))
    assert found.fvu < 0.1
    assert found.l0 <= 2
    assert found.dead_share < 0.2
    assert found.tokens == 2048


def test_the_site_travels_with_the_weights(trained: SAE) -> None:
    assert (trained.layer, trained.fingerprint) == (3, "a" * 64)
    torch.testing.assert_close(trained.W_dec.norm(dim=1), torch.ones(24))


def test_a_killed_run_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    settings = SaeSettings(
        d_sae=24, k=2, batch=100, steps=60, k_aux=8, dead_after=500, log_every=10, save_every=7
    )
    clips = [next(planted(130, seed)) for seed in range(6)]

    def stream() -> MixedBatches:
        return MixedBatches(MemoryRows(clips), 100, seed=4, block_rows=300)

    def kill(step: int, _steps: int, _row: object) -> None:
        if step == 40:
            raise KilledError

    whole = train_sae(stream(), settings)
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(KilledError):
        train_sae(stream(), settings, checkpoint=checkpoint, progress=kill)
    resumed = train_sae(stream(), settings, checkpoint=checkpoint)
    assert resumed.history == whole.history
    for name, value in whole.sae.weights().items():
        assert torch.equal(value, resumed.sae.weights()[name]), name


def test_a_stream_that_cannot_be_rewound_is_replayed(tmp_path: Path) -> None:
    settings = SaeSettings(d_sae=24, k=2, batch=64, steps=20, save_every=10, log_every=5)
    short = SaeSettings(**{**vars(settings), "steps": 20})
    whole = train_sae(planted(64, 2), settings)

    def stop(step: int, *_: object) -> None:
        if step == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_sae(planted(64, 2), short, checkpoint=tmp_path / "c.pt", progress=stop)
    resumed = train_sae(planted(64, 2), short, checkpoint=tmp_path / "c.pt")
    assert torch.equal(resumed.sae.W_dec, whole.sae.W_dec)


class KilledError(Exception):
    """Stands for a kill."""


def with_dead_half(settings: SaeSettings, path: Path) -> SAE:
    """Train on from a checkpoint in which half of the features have been silenced."""

    def kill(step: int, *_: object) -> None:
        if step == 50:
            raise KilledError

    with pytest.raises(KilledError):
        train_sae(planted(256, 3), settings, checkpoint=path, progress=kill)
    state = torch.load(path, weights_only=True)
    state["runs"][0]["sae"]["W_enc"][:, :12] *= 0.02
    state["runs"][0]["silent_for"][:12] = 1_000_000
    torch.save(state, path)
    return train_sae(planted(256, 3), settings, checkpoint=path).sae


def test_dead_features_are_brought_back(tmp_path: Path) -> None:
    settings = {**vars(SETTINGS), "steps": 300}
    shares = [
        measure(with_dead_half(SaeSettings(**settings | {"k_aux": k_aux}), tmp_path / f"{k_aux}.pt"),
                itertools.islice(planted(256, 8), 10)).dead_share
        for k_aux in (0, 12)
    ]  # fmt: skip
    assert shares[0] > 0.3
    assert shares[1] < shares[0] / 2


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    settings = SaeSettings(d_sae=24, k=2, batch=64, steps=4, save_every=2, log_every=2)
    train_sae(planted(64, 2), settings, checkpoint=tmp_path / "c.pt")
    other = SaeSettings(**{**vars(settings), "k": 3})
    with pytest.raises(CheckpointError, match="other settings"):
        train_sae(planted(64, 2), other, checkpoint=tmp_path / "c.pt")


def test_a_stream_that_ends_or_is_not_finite_is_named() -> None:
    settings = SaeSettings(d_sae=24, k=2, batch=64, steps=4, log_every=1)
    with pytest.raises(BadInputError, match="ended at step 2"):
        train_sae(itertools.islice(planted(64, 2), 2), settings)
    with pytest.raises(BadInputError, match="mean norm"):
        train_sae(iter([torch.full((64, 16), torch.nan)]), settings)
    good = next(planted(64, 2))
    with pytest.raises(NotFiniteError, match="step 2"):
        train_sae(iter([good, good * torch.inf]), settings)


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"k": 50, "d_sae": 40}, {"steps": 0}, {"warmup": 0.9, "decay": 0.9}, {"k_aux": -1}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInputError):
        SaeSettings(**wrong)  # type: ignore[arg-type]
