"""The embedded model's codecs: streaming equals batch, frames never see the future, and its settings survive a file."""

import json

import pytest
import torch

from drawbar.errors import BadInputError, CheckpointError
from drawbar.musicgen.codec.bands import BandCodec, BandConfig
from drawbar.musicgen.codec.spectral import SpectralCodec, SpectralConfig, overlap_add

OwnCodec = SpectralCodec | BandCodec
BANDS = BandConfig(card=32, decoder_width=16, decoder_blocks=2)
SMALL = SpectralConfig(
    encoder_width=16, decoder_width=16, encoder_blocks=2, decoder_blocks=2, latent=8, card=32
)


@pytest.fixture(params=["bands", "spectral"])
def codec(request: pytest.FixtureRequest) -> OwnCodec:
    torch.manual_seed(0)
    if request.param == "spectral":
        return SpectralCodec(SMALL).eval()
    made = BandCodec(BANDS).eval()
    made.codebooks.copy_(torch.rand_like(made.codebooks) * 0.5)
    return made


def drawn(codec: OwnCodec, batch: int, frames: int) -> torch.Tensor:
    return torch.randint(0, 32, (batch, codec.n_q, frames))


def test_pushes_and_flush_join_to_what_one_decode_gives(codec: OwnCodec) -> None:
    tokens = drawn(codec, 2, 29)
    stream, parts, at = codec.stream(2), [], 0
    for count in (1, 1, 5, 2, 20):
        parts.append(stream.push(tokens[:, :, at : at + count]))
        at += count
    parts.append(stream.flush())
    assert torch.allclose(torch.cat(parts, dim=-1), codec.decode(tokens), atol=1e-5)


def test_a_frame_is_complete_one_frame_later(codec: OwnCodec) -> None:
    tokens = drawn(codec, 1, 12)
    other = tokens.clone()
    other[:, :, 8:] = (other[:, :, 8:] + 5) % 32
    same = (8 - codec.look_ahead) * 640
    assert torch.equal(codec.decode(tokens)[..., :same], codec.decode(other)[..., :same])


def test_restoring_a_snapshot_repeats_the_same_samples(codec: OwnCodec) -> None:
    tokens = drawn(codec, 1, 9)
    stream = codec.stream()
    stream.push(tokens[:, :, :4])
    state = stream.snapshot()
    first = stream.push(tokens[:, :, 4:])
    stream.push(tokens)
    stream.restore(state)
    assert torch.equal(stream.push(tokens[:, :, 4:]), first)


def test_tokens_do_not_depend_on_later_audio(codec: OwnCodec) -> None:
    audio = torch.randn(1, 1, 20 * 640) * 0.1
    cut = audio.clone()
    cut[..., 10 * 640 :] = 0
    assert torch.equal(codec.encode(audio)[..., :10], codec.encode(cut)[..., :10])


def test_the_last_partial_frame_is_padded(codec: OwnCodec) -> None:
    assert codec.encode(torch.zeros(1, 1, 641)).shape == (1, codec.n_q, 2)


def test_steady_amplitudes_make_a_steady_tone() -> None:
    codec = SpectralCodec(SMALL)
    levels = torch.zeros(1, 100, codec.oscillators.count)
    levels[..., 48] = 0.5
    tones = codec.oscillators(levels, 0)
    tone = overlap_add(torch.nn.functional.pad(tones, (codec.hop, codec.hop)), codec.hop)[0, 3200:25600]
    assert tone.abs().max() == pytest.approx(0.5, rel=0.02)
    spectrum = torch.fft.rfft(tone * torch.hann_window(len(tone))).abs()
    peak = int(spectrum.argmax())
    assert spectrum[peak - 4 : peak + 5].square().sum() / spectrum.square().sum() > 0.999


def test_wrong_shapes_and_tokens_are_named(codec: OwnCodec) -> None:
    with pytest.raises(BadInputError, match=r"\[1, 3, 5\]"):
        codec.decode(torch.zeros(1, 3, 5, dtype=torch.long))
    with pytest.raises(BadInputError, match="32 is outside"):
        codec.decode(torch.full((1, codec.n_q, 5), 32))
    with pytest.raises(BadInputError, match="N > 0"):
        codec.encode(torch.zeros(1, 1, 0))
    with pytest.raises(CheckpointError, match="missing"):
        codec.load({})


def test_settings_survive_config_json() -> None:
    import json

    assert SpectralConfig.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL


def test_settings_of_the_bands_survive_a_file() -> None:
    assert BandConfig.from_dict(json.loads(json.dumps(BANDS.to_dict()))) == BANDS
    with pytest.raises(BadInputError, match="energies"):
        BandConfig(edges_hz=(0.0, 200.0, 16000.0))


def test_what_sounds_in_one_band_leaves_the_other_bands_codes_alone() -> None:
    codec = BandCodec(BANDS)
    silence = codec.features(torch.zeros(1, 1, 20 * 640))
    tone = 0.3 * torch.sin(2 * torch.pi * 880 * torch.arange(20 * 640) / 32_000)[None, None]
    heard = codec.features(tone)
    moved = [float((a - b).abs().max()) for a, b in zip(heard, silence, strict=True)]
    assert moved[3] > 0.5  # 600 to 1,200 Hz
    assert max(moved[:2] + moved[5:]) < 0.15


def test_a_band_keeps_its_code_while_that_is_nearly_as_good() -> None:
    codec = BandCodec(BandConfig(card=2, decoder_width=16, decoder_blocks=1))
    codec.codebooks[3, 1, :] = 0.05
    quiet = torch.zeros(1, 1, 12 * 640)
    codec.slack.fill_(0.0)
    assert bool((codec.encode(quiet)[0, 3] == 0).all())
    codec.codebooks[3, 0, :] = 0.06  # now code 1 is a little nearer to silence
    codec.slack.fill_(1.0)
    loud = torch.cat([0.5 * torch.sin(0.17 * torch.arange(6 * 640))[None, None], quiet], dim=-1)
    tokens = codec.encode(loud)[0, 3]
    assert bool((tokens == tokens[0]).all())


def test_a_steady_tone_is_decoded_at_its_pitch() -> None:
    codec = BandCodec(BandConfig(card=2, decoder_width=16, decoder_blocks=1))
    torch.nn.init.constant_(codec.head.bias, -12.0)
    torch.nn.init.zeros_(codec.head.weight)
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(40 * 640) / 32_000)[None, None]
    for band, features in enumerate(codec.features(tone)):
        codec.codebooks[band, 1, : codec.widths[band]] = features[0, 20]
    sound = codec.decode(codec.encode(tone))[0, 0, 10 * 640 : 30 * 640]
    spectrum = torch.fft.rfft(sound * torch.hann_window(len(sound))).abs()
    assert int(spectrum.argmax()) * 32_000 / len(sound) == pytest.approx(440, abs=4)
    assert float(sound.abs().max()) == pytest.approx(0.3, rel=0.25)
