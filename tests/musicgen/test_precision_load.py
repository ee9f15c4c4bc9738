"""Loading a checkpoint in a precision."""

from pathlib import Path

import pytest
import torch

from drawbar.errors import BadInputError, NotSupportedError
from drawbar.musicgen import load_model
from drawbar.musicgen.quantised.kernels import kernels


def test_half_precision_loads_and_plays_and_keeps_the_site(tiny_folder: Path) -> None:
    exact, half = load_model(tiny_folder), load_model(tiny_folder, precision="bfloat16")
    assert (exact.precision, half.precision) == ("float32", "bfloat16")
    assert exact.fingerprint == half.fingerprint
    assert half.generate(None, [1], 0.2).shape == exact.generate(None, [1], 0.2).shape


def test_an_unknown_precision_is_refused_by_name(tiny_folder: Path) -> None:
    with pytest.raises(BadInputError, match="int3"):
        load_model(tiny_folder, precision="int3")


def test_a_model_too_odd_to_pack_says_what_works(tiny_folder: Path) -> None:
    with pytest.raises(NotSupportedError, match="float32"):
        load_model(tiny_folder, precision="int8")


@pytest.mark.skipif(kernels() is None, reason="the processor has no dot products of bytes")
def test_the_embedded_model_plays_in_eight_and_four_bits() -> None:
    exact = load_model("embedded")
    tokens = exact.generate("drums", [1], 0.5)
    for name in ("int8", "int4"):
        packed = load_model("embedded", precision=name)
        assert packed.precision == name
        assert packed.fingerprint == exact.fingerprint
        assert packed.generate("drums", [1], 0.5).shape == tokens.shape
        apart = (packed.logits(tokens, "drums") - exact.logits(tokens, "drums")).nan_to_num()
        assert apart.abs().mean() < {"int8": 0.05, "int4": 0.5}[name]
        assert torch.isfinite(apart).all()
