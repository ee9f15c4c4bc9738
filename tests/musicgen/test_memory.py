from __future__ import annotations

from pathlib import Path

import pytest
import torch

from drawbar.errors import BadInputError, DeviceError
from drawbar.musicgen import load_model
from drawbar.musicgen.checkpoint.memory_needed import check_room, free_bytes, needed, parameters
from drawbar.musicgen.network.cache import Cache
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.spec import ModelSpec

LARGE = ModelSpec("large", d_model=2048, n_layers=48, n_heads=32, d_ff=8192, card=2048, text_dim=768)
SMALL = ModelSpec("small", d_model=1024, n_layers=24, n_heads=16, d_ff=4096, card=2048, text_dim=768)


@pytest.mark.parametrize("spec", [LARGE, SMALL, ModelSpec()])
def test_the_parameters_are_those_of_the_network(spec: ModelSpec) -> None:
    with torch.device("meta"):
        decoder = Decoder(spec)
    assert sum(parameters(spec)) == sum(weight.numel() for weight in decoder.parameters())


def test_the_caches_are_those_that_playing_makes() -> None:
    spec = ModelSpec()
    assert needed(spec, seconds=8).caches == Cache(spec, 2, spec.frames(8) + spec.max_delay + 1).bytes


def test_too_little_memory_says_which_precision_length_or_model_fits() -> None:
    with pytest.raises(DeviceError) as caught:
        check_room(
            LARGE,
            "cuda:0",
            others=["float32", "bfloat16"],
            free=int(14.5e9),
            text=110_000_000,
            codec=59_000_000,
        )
    message = str(caught.value)
    assert "large in float32 needs" in message
    assert "14.5 GB are free" in message
    assert "precision bfloat16 (" in message
    assert "facebook/musicgen-medium" in message
    assert "takes of up to" in message
    seconds = int(message.split("(seconds=")[1].split(")")[0])
    assert 0 < seconds < 30
    check_room(LARGE, "cuda:0", seconds=seconds, free=int(14.5e9), text=110_000_000, codec=59_000_000)
    check_room(LARGE, "cuda:0", "bfloat16", free=int(14.5e9), text=110_000_000, codec=59_000_000)
    with pytest.raises(DeviceError):
        check_room(LARGE, "cuda:0", seconds=seconds + 2, free=int(14.5e9), text=110_000_000, codec=59_000_000)


def test_nothing_is_recommended_that_does_not_fit() -> None:
    with pytest.raises(DeviceError) as caught:
        check_room(LARGE, "cpu", others=["float32", "int8", "int4"], free=int(0.2e9))
    message = str(caught.value)
    assert message.endswith("use what fits: the embedded model")


def test_a_quantised_model_is_packed_while_it_is_read_but_for_the_prompt_s_keys_and_values() -> None:
    four, half = needed(LARGE, "int4"), needed(LARGE, "bfloat16")
    assert four.decoder < half.decoder
    assert four.decoder > 4 * 2 * LARGE.d_model**2 * LARGE.n_layers


def test_a_model_that_does_not_fit_is_not_loaded(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drawbar.musicgen.checkpoint.memory_needed.free_bytes", lambda device: 1000)
    with pytest.raises(DeviceError, match=r"tiny in float32 needs .* 1\.0 kB are free"):
        load_model(tiny_folder)
    monkeypatch.setattr("drawbar.musicgen.checkpoint.memory_needed.free_bytes", lambda device: None)
    load_model(tiny_folder)


def test_free_memory_is_a_number_on_this_machine() -> None:
    free = free_bytes("cpu")
    assert free is None or free > 2**20
    with pytest.raises(BadInputError, match="int3"):
        needed(SMALL, "int3")
