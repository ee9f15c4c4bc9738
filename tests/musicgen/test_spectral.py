"""The embedded codec: streaming equals batch, frames never see the future, and its settings survive a file."""

import pytest
import torch

from drawbar.errors import BadInputError, CheckpointError
from drawbar.musicgen.codec.spectral import SpectralCodec, SpectralConfig

SMALL = SpectralConfig(
    encoder_width=16, decoder_width=16, encoder_blocks=2, decoder_blocks=2, latent=8, card=32
)


@pytest.fixture
def codec() -> SpectralCodec:
    torch.manual_seed(0)
    return SpectralCodec(SMALL).eval()


def test_pushes_and_flush_join_to_what_one_decode_gives(codec: SpectralCodec) -> None:
    tokens = torch.randint(0, 32, (2, 4, 29))
    stream, parts, at = codec.stream(2), [], 0
    for count in (1, 1, 5, 2, 20):
        parts.append(stream.push(tokens[:, :, at : at + count]))
        at += count
    parts.append(stream.flush())
    assert torch.allclose(torch.cat(parts, dim=-1), codec.decode(tokens), atol=1e-5)


def test_a_frame_is_complete_one_frame_later(codec: SpectralCodec) -> None:
    tokens = torch.randint(0, 32, (1, 4, 12))
    other = tokens.clone()
    other[:, :, 8:] = (other[:, :, 8:] + 5) % 32
    same = (8 - codec.look_ahead) * 640
    assert torch.equal(codec.decode(tokens)[..., :same], codec.decode(other)[..., :same])


def test_restoring_a_snapshot_repeats_the_same_samples(codec: SpectralCodec) -> None:
    tokens = torch.randint(0, 32, (1, 4, 9))
    stream = codec.stream()
    stream.push(tokens[:, :, :4])
    state = stream.snapshot()
    first = stream.push(tokens[:, :, 4:])
    stream.push(tokens)
    stream.restore(state)
    assert torch.equal(stream.push(tokens[:, :, 4:]), first)


def test_tokens_do_not_depend_on_later_audio(codec: SpectralCodec) -> None:
    audio = torch.randn(1, 1, 20 * 640) * 0.1
    cut = audio.clone()
    cut[..., 10 * 640 :] = 0
    assert torch.equal(codec.encode(audio)[..., :10], codec.encode(cut)[..., :10])


def test_the_last_partial_frame_is_padded(codec: SpectralCodec) -> None:
    assert codec.encode(torch.zeros(1, 1, 641)).shape == (1, 4, 2)


def test_steady_amplitudes_make_a_steady_tone() -> None:
    codec = SpectralCodec(SMALL)
    levels = torch.zeros(1, 100, codec.oscillators.count)
    levels[..., 48] = 0.5
    tones = codec.oscillators(levels, 0)
    tone = codec.overlap_add(torch.nn.functional.pad(tones, (codec.hop, codec.hop)))[0, 3200:25600]
    assert tone.abs().max() == pytest.approx(0.5, rel=0.02)
    spectrum = torch.fft.rfft(tone * torch.hann_window(len(tone))).abs()
    peak = int(spectrum.argmax())
    assert spectrum[peak - 4 : peak + 5].square().sum() / spectrum.square().sum() > 0.999


def test_wrong_shapes_and_tokens_are_named(codec: SpectralCodec) -> None:
    with pytest.raises(BadInputError, match=r"\[1, 3, 5\]"):
        codec.decode(torch.zeros(1, 3, 5, dtype=torch.long))
    with pytest.raises(BadInputError, match="32 is outside"):
        codec.decode(torch.full((1, 4, 5), 32))
    with pytest.raises(BadInputError, match="N > 0"):
        codec.encode(torch.zeros(1, 1, 0))
    with pytest.raises(CheckpointError, match="missing"):
        codec.load({})


def test_settings_survive_config_json() -> None:
    import json

    assert SpectralConfig.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL
