from __future__ import annotations

import pytest
import torch

from drawbar.errors import BadInputError
from drawbar.musicgen import Model
from tests.musicgen.tiny import encodec

ATOL = 1e-4
"""Measured: 4e-7 of the peak."""


@pytest.mark.parametrize("blocks", [(1,) * 12, (4, 8), (12,), (2, 3, 7)])
def test_a_streamed_decode_joins_to_the_whole_one(tiny: Model, blocks: tuple[int, ...]) -> None:
    tokens = torch.randint(0, 32, (2, 4, 12), generator=torch.Generator().manual_seed(0))
    stream = tiny.codec.stream(2)
    parts = [stream.push(part) for part in tokens.split(blocks, dim=-1)]
    parts.append(stream.flush())
    whole = tiny.codec.decode(tokens)
    assert whole.shape == (2, 1, 12 * 640)
    torch.testing.assert_close(torch.cat(parts, -1), whole, atol=ATOL, rtol=0)


def test_samples_lag_by_the_look_ahead(tiny: Model) -> None:
    stream = tiny.codec.stream()
    given = stream.push(torch.zeros(1, 4, 12, dtype=torch.long))
    assert given.shape[-1] == (12 - tiny.codec.look_ahead) * 640


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
    from drawbar.musicgen.encodec import EncodecCodec

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
