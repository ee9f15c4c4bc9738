"""Names of several words: each word tells what the others leave unexplained; noise gets no name."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drawbar.audio_analysis.detectors import Detectors
from drawbar.corpus.naming import descriptor_label
from drawbar.errors import BadInputError
from drawbar.features.labellers.compound import CompoundLabeller, CompoundSettings, pursue
from drawbar.features.labellers.interface import SoundWindows
from drawbar.features.labellers.sound_windows import DetectorSounds
from drawbar.paths import assets_dir

COLUMNS = ("loudness_db", "centroid_hz", "pulse", "pitch_hz")


class View:
    """Feature 0 is high where it is dark and has a pulse, feature 1 is loud, feature 2 is noise."""

    layer = 1
    alive = (0, 1, 2)

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self.figures = {split: torch.randn(400, 4, generator=draw) for split in ("train", "held-out")}
        self.noise = torch.randn(800, generator=draw)

    def sounds(self, _name: str) -> SoundWindows:
        return SoundWindows(COLUMNS, 25, [0], [1], self.figures["train"], self.figures["held-out"])

    def activation(self, clips: list[int], _window: int) -> Tensor:
        x = self.figures["train" if clips == [0] else "held-out"]
        noise = self.noise[:400] if clips == [0] else self.noise[400:]
        dark = (x[:, 2] - x[:, 1]).clamp(min=0)
        return torch.stack([dark, (x[:, 0] + 0.2 * noise).clamp(min=0), noise.clamp(min=0)], 1)


def test_two_words_name_what_neither_names_alone() -> None:
    view: Any = View()
    found = CompoundLabeller(CompoundSettings(), ["descriptors"]).label(view, lambda *_: None)
    named = {record.feature: record.label for record in found.labels}
    assert set(named["1/0"].text.split(", ")) == {"steady pulse", "dark"}
    assert named["1/1"].text == "loud"
    assert "1/2" not in named, "noise"
    score = named["1/0"].score
    assert score is not None
    assert score > 0.9
    assert found.separation is not None
    assert found.separation.true_median > found.separation.shuffled_median


def test_the_pursuit_explains_as_well_as_least_squares_on_its_columns() -> None:
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(1))
    y = (2 * x[:, 4] - x[:, 1])[:, None]
    chosen, weights = pursue(x, y, 2)
    assert set(chosen[0].tolist()) == {1, 4}
    naive = torch.linalg.lstsq(x[:, chosen[0]], y / y.std()).solution[:, 0]
    assert torch.allclose(weights[0], naive, atol=0.02)


def test_detectors_hear_windows_at_any_rate_and_say_what_they_hear() -> None:
    sounds = DetectorSounds(25, Detectors.load(assets_dir() / "detectors"))
    rng = np.random.default_rng(0)
    for rate in (32_000, 16_000):
        found = sounds.describe(rng.normal(0, 0.1, 2 * rate).astype(np.float32), rate, 100)
        assert found.shape == (4, len(sounds.columns))
        assert torch.isfinite(found).all()
    assert descriptor_label("heard:drums:rock", True) == "rock drums"
    assert descriptor_label("heard:drums", False) == "no drums"
    assert all(name.startswith("heard:") for name in sounds.columns)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(BadInputError):
        CompoundSettings(most=0)
