"""A small random MusicGen in the released layout -> harvest, SAE, cross-entropy recovered, bank and analysis."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from drawbar.bank import Bank
from drawbar.features import analyse
from drawbar.features.labellers.descriptors import DescriptorSettings
from drawbar.features.profile import ProfileSettings
from drawbar.musicgen import Model, load_model
from drawbar.pipeline import BuildSettings, build
from drawbar.residuals import harvest
from drawbar.sae import SaeSettings, cross_entropy_recovered, load_sae
from tests.musicgen.tiny import SPEC, write_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_checkpoint(tmp_path_factory.mktemp("model")))


def test_rows_are_the_models_residuals_behind_the_start_step(model: Model) -> None:
    generator = torch.Generator().manual_seed(0)
    clips = [torch.randint(0, SPEC.card, (4, t), generator=generator) for t in (20, 12)]
    (found,) = harvest(model, clips, [0, 2])
    for layer in (0, 2):
        alone = torch.cat([model.residuals(clip[None], None, [layer])[layer][0, 1:] for clip in clips])
        torch.testing.assert_close(found.rows[layer], alone, atol=1e-5, rtol=1e-5)


def test_a_bank_from_a_real_model(model: Model, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    generator = np.random.default_rng(0)
    for number in range(6):
        sound = generator.standard_normal(32_000) * np.repeat(generator.random(40), 800) / 4
        soundfile.write(music / f"{number}.wav", sound, 32_000)
    settings = BuildSettings(
        corpus=str(music),
        out=tmp_path / "run",
        layers=(0, 2),
        clip_s=0.5,
        held_out=0.3,
        min_firings=5,
        sae=SaeSettings(d_sae=20, k=4, batch=64, steps=30, lr=3e-3, k_aux=4, log_every=10),
        profile=ProfileSettings(window_frames=10, pool_clips=6),
        descriptors=DescriptorSettings(train_clips=4, held_out_clips=4, window_frames=5),
    )
    result = build(settings, model=model)
    assert set(result.metrics) == {0, 2}
    with Bank.open(result.bank, edits=tmp_path / "edits") as bank:
        assert {row.layer for row in bank.search(limit=100)} == {0, 2}
        found = analyse(music / "0.wav", model, bank, top=5)
        assert found.curves.shape[1] == 50
        assert found.rows
    sae = load_sae(settings.out / "sae-2", fingerprint=model.fingerprint)
    tokens = torch.randint(0, SPEC.card, (2, 4, 30), generator=torch.Generator().manual_seed(1))
    recovered = cross_entropy_recovered(sae, model, tokens)
    assert len(recovered.share) == 4
    assert np.isfinite(recovered.spliced).all()
