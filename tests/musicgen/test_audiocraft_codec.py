from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.musicgen.checkpoint.audiocraft_codec import (
    codec_reference,
    encodec_config,
    read_audiocraft_codec,
)
from drawbar.musicgen.checkpoint.audiocraft_config import XpConfig
from drawbar.musicgen.codec.encodec import EncodecCodec, load_encodec

XP = """
sample_rate: 32000
channels: 1
compression_model: encodec
encodec:
  autoencoder: seanet
  quantizer: rvq
  sample_rate: ${sample_rate}
  channels: ${channels}
  causal: false
  renormalize: false
seanet:
  dimension: 8
  channels: ${channels}
  causal: ${encodec.causal}
  n_filters: 2
  n_residual_layers: 1
  ratios: [8, 5, 4, 4]
  activation: ELU
  activation_params: {alpha: 1.0}
  norm: weight_norm
  norm_params: {}
  kernel_size: 7
  residual_kernel_size: 3
  last_kernel_size: 7
  dilation_base: 2
  pad_mode: constant
  true_skip: true
  compress: 2
  lstm: 2
  disable_norm_outer_blocks: 0
  decoder: {trim_right_ratio: 1.0, final_activation: null, final_activation_params: null}
  encoder: {}
rvq: {n_q: 4, q_dropout: false, bins: 32, decay: 0.99, kmeans_init: true, kmeans_iters: 50}
"""
"""As audiocraft exports it (small), references to other settings included."""


def xp(text: str = XP) -> XpConfig:
    return XpConfig(text, Path("compression_state_dict.bin"))


def audiocraft_model(text: str = XP) -> Any:
    """audiocraft's own model, small and random, built by its own builder."""
    from drawbar.musicgen.parity.audiocraft_model import import_audiocraft

    if importlib.util.find_spec("audiocraft") is None:
        pytest.skip("the audiocraft extra is not installed")
    import_audiocraft()
    from audiocraft.models.builders import get_compression_model
    from omegaconf import OmegaConf

    settings: Any = OmegaConf.create(text)
    settings.device = "cpu"
    torch.manual_seed(0)
    model: Any = get_compression_model(settings).eval()
    for layer in model.quantizer.vq.layers:
        layer._codebook.embed.normal_()
        layer._codebook.inited.fill_(1)
    return model


def export(model: Any, file: Path, text: str = XP) -> Path:
    torch.save({"best_state": model.state_dict(), "xp.cfg": text, "version": "1.3.0", "exported": True}, file)
    return file


def load(file: Path) -> EncodecCodec:
    return load_encodec(*read_audiocraft_codec(file), n_q=4)


@pytest.mark.parametrize("padding", ["constant", "reflect"])
@pytest.mark.parametrize("skip", ["true", "false"])
def test_an_exported_codec_encodes_and_decodes_as_in_audiocraft(
    tmp_path: Path, padding: str, skip: str
) -> None:
    text = XP.replace("pad_mode: constant", f"pad_mode: {padding}")
    text = text.replace("true_skip: true", f"true_skip: {skip}")
    theirs = audiocraft_model(text)
    ours = load(export(theirs, tmp_path / "compression_state_dict.bin", text))
    audio = torch.randn(2, 1, 640 * 9 + 77) / 3
    with torch.no_grad():
        codes, scale = theirs.encode(audio)
        assert scale is None
        assert torch.equal(ours.encode(audio), codes)
        sound = theirs.decode(codes)
    assert sound.abs().max() > 1e-3
    torch.testing.assert_close(ours.decode(codes), sound, atol=1e-5, rtol=0)
    assert (ours.sample_rate_hz, ours.samples_per_frame, ours.card) == (32_000, 640, 32)


def test_an_exported_codec_has_the_digest_of_the_same_weights_in_the_other_layout(tmp_path: Path) -> None:
    file = export(audiocraft_model(), tmp_path / "compression_state_dict.bin")
    ours = load(file)
    again = load_encodec(ours.model.config.to_dict(), ours.model.state_dict(), n_q=4)
    assert again.fingerprint == ours.fingerprint


def test_a_file_that_names_a_codec_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "compression_state_dict.bin"
    torch.save({"pretrained": "facebook/encodec_32khz", "version": "1.3.0", "exported": True}, file)
    assert codec_reference(file) == "facebook/encodec_32khz"
    with pytest.raises(CheckpointError, match="encodec_32khz"):
        read_audiocraft_codec(file)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("compression_model: encodec", "compression_model: dac", "compression_model = dac"),
        ("channels: 1", "channels: 2", "encodec.channels = 2"),
        ("renormalize: false", "renormalize: true", "encodec.renormalize = True"),
        ("norm: weight_norm", "norm: time_group_norm", "time_group_norm"),
        ("final_activation: null", "final_activation: Tanh", "final_activation"),
        ("encoder: {}", "encoder: {n_filters: 4}", "n_filters"),
        ("alpha: 1.0", "alpha: 0.5", "alpha 0.5"),
        ("lstm: 2", "lstm: 0", "0 LSTM layers"),
    ],
)
def test_codecs_that_would_sound_wrong_are_refused_by_name(old: str, new: str, reason: str) -> None:
    assert old in XP
    with pytest.raises(NotSupportedError, match=reason):
        encodec_config(xp(XP.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n_q: 4", "n_q: many"),
        ("ratios: [8, 5, 4, 4]", "ratios: 8"),
        ("bins: 32", "bins: ${rvq.bins}"),
        ("kernel_size: 7", "kernel_size: 7.5"),
    ],
)
def test_settings_of_the_wrong_kind_are_named(old: str, new: str) -> None:
    assert old in XP
    with pytest.raises(CheckpointError, match=r"xp\.cfg"):
        encodec_config(xp(XP.replace(old, new, 1)))


def test_settings_that_are_no_yaml_are_one_error() -> None:
    for text in ("a: [", "just words", "[" * 1500):
        with pytest.raises(CheckpointError, match=r"xp\.cfg"):
            xp(text)


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    model = audiocraft_model()
    state = model.state_dict()
    state["decoder.model.0.conv.conv.bias"] = torch.zeros(3)
    del state["quantizer.vq.layers.1._codebook.embed"]
    file = tmp_path / "compression_state_dict.bin"
    torch.save({"best_state": state, "xp.cfg": XP}, file)
    with pytest.raises(
        CheckpointError, match=r"codebook\.embed.*wrong shape: .*decoder\.layers\.0\.conv\.bias"
    ):
        load(file)
