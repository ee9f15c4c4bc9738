"""An own direction plays as a feature does: rendered, automated, live, in takes, without a bank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drawbar.live import TakeSettings, render
from drawbar.live.takes.take import load_settings
from drawbar.musicgen.parity.fixed_steering import FixedSteering
from drawbar.steering import Automation, OwnDirections
from drawbar.steering.automation import Lane
from drawbar.steering.own import OwnDirection

ID = "mine/brighter"


@pytest.fixture
def saved(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnDirection:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path))
    vector = np.random.default_rng(1).standard_normal(32).astype(np.float32)
    own = OwnDirection("brighter", model.fingerprint, "tiny", 2, vector / np.linalg.norm(vector), 20.0)
    OwnDirections().save(own)
    return own


def test_it_is_added_at_its_layer_with_or_without_a_bank(model: Any, bank: Any, saved: OwnDirection) -> None:
    plain = render(model, None, TakeSettings("", 3, 1.0)).tokens
    alone = render(model, None, TakeSettings("", 3, 1.0, amounts={ID: 1.0})).tokens
    assert not np.array_equal(alone, plain)
    conditional = torch.from_numpy(20.0 * saved.vector) / TakeSettings().guidance
    fixed = FixedSteering({2: torch.stack([conditional, torch.zeros_like(conditional)])})
    wanted = model.generate(None, [3], 1.0, steering=fixed)
    np.testing.assert_array_equal(alone, wanted[0].numpy())
    both = render(model, bank, TakeSettings("", 3, 1.0, amounts={ID: 1.0, "1/0": 0.0})).tokens
    np.testing.assert_array_equal(both, alone)


def test_a_take_with_it_is_restored_from_its_file(model: Any, saved: OwnDirection, tmp_path: Path) -> None:
    take = render(model, None, TakeSettings("", 3, 1.0, amounts={ID: 1.0}))
    again = load_settings(take.save(tmp_path / "take.wav"))
    assert again.amounts == {ID: 1.0}
    np.testing.assert_array_equal(render(model, None, again).tokens, take.tokens)


def test_a_lane_moves_it(model: Any, saved: OwnDirection) -> None:
    silent = Automation([Lane(ID, ((0, 0.0),))])
    plain = render(model, None, TakeSettings("", 3, 1.0)).tokens
    moved = render(model, None, TakeSettings("", 3, 1.0, amounts={ID: 2.0}), silent).tokens
    np.testing.assert_array_equal(moved, plain)


def test_it_has_a_slider_and_a_meter_while_playing(saved: OwnDirection, studio: Callable[..., Any]) -> None:
    played = studio()
    played.engine.add_feature(ID)
    played.engine.set_amount(ID, 1.0)
    take = played.play(TakeSettings("", 3, 1.0, amounts={ID: 1.0}))
    assert ID in take.automation["lanes"]
    ids, activations = played.engine.trace.activations(0)
    assert ID in ids
    assert np.isfinite(activations).all()
