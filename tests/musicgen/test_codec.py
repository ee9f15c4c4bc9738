from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen import Model
from drawbar.musicgen.codec import encodec_streaming as encodec_stream
from drawbar.musicgen.codec.encodec import EncodecCodec
from tests.musicgen.tiny import encodec

ATOL = 1e-4
"""Measured: 2e-7, at a peak of 0.2."""


def random_tokens(batch: int, frames: int) -> Tensor:
    return torch.randint(0, 32, (batch, 4, frames), generator=torch.Generator().manual_seed(0))


def streamed(codec: Any, tokens: Tensor, blocks: tuple[int, ...] | int = 1) -> Tensor:
    stream = codec.stream(tokens.shape[0])
    parts = [stream.push(part) for part in tokens.split(blocks, dim=-1)]
    return torch.cat([*parts, stream.flush()], -1)


@pytest.fixture
def encodec_codec() -> EncodecCodec:
    """A codec of its own, loud enough for errors to show."""
    torch.manual_seed(0)
    model = encodec()
    for name, value in model.decoder.named_parameters():
        if name.endswith("original0"):
            value.data.mul_(2.5)
    return EncodecCodec(model, 4)


@pytest.mark.parametrize("blocks", [(1,) * 12, (4, 8), (12,), (2, 3, 7)])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_streamed_decode_joins_to_the_whole_one(tiny: Model, blocks: tuple[int, ...], batch: int) -> None:
    tokens = random_tokens(batch, 12)
    whole = tiny.codec.decode(tokens)
    assert whole.shape == (batch, 1, 12 * 640)
    torch.testing.assert_close(streamed(tiny.codec, tokens, blocks), whole, atol=ATOL, rtol=0)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_a_clip_shorter_than_the_look_ahead_is_decoded_whole(tiny: Model, frames: int) -> None:
    tokens = random_tokens(1, frames)
    torch.testing.assert_close(streamed(tiny.codec, tokens), tiny.codec.decode(tokens), atol=ATOL, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        {"use_causal_conv": True},
        {"use_conv_shortcut": True},
        {"pad_mode": "constant"},
        {"num_residual_layers": 2},
    ],
    ids=str,
)
def test_other_encodecs_are_streamed_exactly_too(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    codec = EncodecCodec(encodec(**options), 4)
    tokens = random_tokens(2, 14)
    torch.testing.assert_close(streamed(codec, tokens), codec.decode(tokens), atol=ATOL, rtol=0)


def test_samples_lag_by_the_look_ahead_and_then_come_a_frame_at_a_time(tiny: Model) -> None:
    stream = tiny.codec.stream()
    given = [stream.push(part).shape[-1] for part in random_tokens(1, 12).split(1, dim=-1)]
    assert 12 - tiny.codec.look_ahead <= sum(given) / 640 < 13 - tiny.codec.look_ahead
    assert given[5:] == [640] * 7


def test_a_shorter_look_ahead_gives_samples_sooner_that_differ_but_join(encodec_codec: EncodecCodec) -> None:
    codec, tokens = encodec_codec, random_tokens(1, 40)
    whole = codec.decode(tokens)
    usual = 1.5 * steps(whole).quantile(0.999)
    errors = []
    for look_ahead in range(codec.exact_look_ahead, codec.least_look_ahead - 1, -1):
        codec.look_ahead = look_ahead
        audio = streamed(codec, tokens)
        assert audio.shape == whole.shape
        torch.testing.assert_close(streamed(codec, tokens, (7, 33)), audio, atol=ATOL, rtol=0)
        assert steps(audio)[157::640].max() <= usual
        errors.append(float((audio - whole).abs().max()))
        assert codec.stream().push(tokens).shape[-1] >= (40 - look_ahead) * 640
    assert errors[0] < ATOL
    assert all(error > 100 * ATOL for error in errors[1:])
    with pytest.raises(BadInputError, match="look_ahead 0"):
        codec.look_ahead = 0


def steps(audio: Tensor) -> Tensor:
    """How far the signal moves from sample to sample."""
    return audio.flatten().diff().abs()


def test_a_processor_that_overflows_in_eight_bits_keeps_the_codec_exact(
    encodec_codec: EncodecCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodec_stream, "_WIDE", 1)
    monkeypatch.setattr(encodec_stream, "adds_in_32_bits", lambda: False)
    tokens = random_tokens(2, 20)
    whole = encodec_codec.decode(tokens)
    encodec_codec.precision = "int8"
    torch.testing.assert_close(streamed(encodec_codec, tokens), whole, atol=ATOL, rtol=0)


@pytest.mark.skipif(not encodec_stream.adds_in_32_bits(), reason="the processor has no VNNI")
def test_eight_bit_matrices_stay_close_to_the_exact_decode(
    encodec_codec: EncodecCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodec_stream, "_WIDE", 1)
    tokens = random_tokens(2, 20)
    whole = encodec_codec.decode(tokens)
    encodec_codec.precision = "int8"
    error = streamed(encodec_codec, tokens) - whole
    assert 0 < float(error.square().mean() / whole.var()) < 10**-2.5
    encodec_codec.precision = "float32"
    torch.testing.assert_close(streamed(encodec_codec, tokens), whole, atol=ATOL, rtol=0)
    with pytest.raises(BadInputError, match="int4"):
        encodec_codec.precision = "int4"


def test_a_restored_stream_goes_on_as_before(tiny: Model) -> None:
    tokens = torch.randint(0, 32, (1, 4, 20), generator=torch.Generator().manual_seed(0))
    stream = tiny.codec.stream()
    stream.push(tokens[..., :10])
    state = stream.snapshot()
    first = torch.cat([stream.push(tokens[..., 10:]), stream.flush()], -1)
    stream.restore(state)
    assert torch.equal(torch.cat([stream.push(tokens[..., 10:]), stream.flush()], -1), first)


def test_encode_and_decode_are_those_of_transformers(tiny: Model) -> None:
    torch.manual_seed(0)
    model = encodec()
    codec = EncodecCodec(model, 4)
    audio = torch.randn(1, 1, 5000) * 0.1
    tokens = codec.encode(audio)
    assert tokens.shape == (1, 4, 8)
    with torch.inference_mode():
        assert torch.equal(model.encode(audio, bandwidth=1.0).audio_codes[0], tokens)
        theirs = model.decode(tokens[None], [None]).audio_values
    torch.testing.assert_close(codec.decode(tokens), theirs, atol=1e-6, rtol=0)


def test_what_does_not_fit_is_refused(tiny: Model) -> None:
    with pytest.raises(BadInputError, match="outside"):
        tiny.codec.decode(torch.full((1, 4, 3), 32))
    with pytest.raises(BadInputError, match="N > 0"):
        tiny.codec.encode(torch.zeros(1, 1, 0))
