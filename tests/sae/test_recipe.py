"""The measured recipe: as measured where it was measured, scaled elsewhere, and what somebody says wins."""

import pytest

from drawbar.bundled.recipe import BankSettings
from drawbar.sae import SaeSettings
from drawbar.sae.recipe import in_words, measured_recipe


def test_it_is_the_shipped_banks_where_that_was_measured() -> None:
    found, shipped = measured_recipe(256, 600_000), BankSettings().sae
    for name in ("d_sae", "k", "activation", "batch", "steps", "prefixes", "slow", "slow_frames"):
        assert getattr(found, name) == getattr(shipped, name), name
    assert found.lr == pytest.approx(2e-3)


def test_it_grows_with_the_model_and_shrinks_with_the_corpus() -> None:
    large, small = measured_recipe(1024, 30_000_000), measured_recipe(256, 27 * 60 * 50)
    assert (large.d_sae, large.k) == (4096, 32)
    assert large.steps > 10_000
    assert small.d_sae == 1024
    assert measured_recipe(256, 20_000).d_sae == 256
    assert small.steps == 1000


def test_what_is_said_wins_and_the_rest_fits_it() -> None:
    found = measured_recipe(256, 600_000, SaeSettings(d_sae=128, k=4, steps=7))
    assert (found.d_sae, found.k, found.steps) == (128, 4, 7)
    assert found.prefixes == (4, 12, 48)
    assert measured_recipe(256, 600_000, SaeSettings(d_sae=24, k=3)).prefixes == ()
    assert measured_recipe(64, 600_000, SaeSettings(expansion=2)).d_sae == 128
    assert "1024 features, 16 at once" in in_words(measured_recipe(256, 600_000), 3.3)
