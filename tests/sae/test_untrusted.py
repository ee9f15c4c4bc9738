"""SAE folders from anyone: what would be wrong without an error, or end in a traceback, is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from drawbar.errors import DrawbarError
from drawbar.sae import load_sae
from tests.sae.test_checkpoint import authors_folder

BAD: tuple[Any, ...] = (
    None,
    -1,
    0,
    10**30,
    int("9" * 400),
    1.5,
    float("nan"),
    "x" * 5000,
    [],
    [[]],
    {},
    {"k": []},
    True,
)
NAMES = (
    "architecture", "d_in", "d_sae", "activation_fn", "activation_fn_kwargs", "apply_b_dec_to_input", "hook_name",
    "hook_layer", "normalize_activations", "reshape_activations", "finetuning_scaling_factor", "metadata", "k",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_loads_or_is_refused_in_one_short_line(tmp_path: Path, name: str) -> None:
    authors_folder(tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    for value in BAD:
        (tmp_path / "cfg.json").write_text(json.dumps(config | {name: value}))
        try:
            sae = load_sae(tmp_path)
        except DrawbarError as error:
            said = str(error)
        else:
            said = ""
            assert sae.layer >= 0
            assert 1 <= sae.k <= 20
        assert len(said) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("text", [b"", b"[" * 100_000, b"\xff", b"5", b"NaN", b'{"k": ' + b"9" * 5000 + b"}"])
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, text: bytes) -> None:
    authors_folder(tmp_path)
    (tmp_path / "cfg.json").write_bytes(text)
    with pytest.raises(DrawbarError, match=r"cfg\.json"):
        load_sae(tmp_path)


@pytest.mark.parametrize("name", ["W_enc", "W_dec", "b_enc", "b_dec"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, name: str, value: float) -> None:
    weights = authors_folder(tmp_path)
    weights[name].view(-1)[3] = value
    save_file(weights, tmp_path / "sae_weights.safetensors")
    with pytest.raises(DrawbarError, match=f"{name} holds values that are not finite"):
        load_sae(tmp_path)


def test_a_direction_without_length_is_refused_with_its_number(tmp_path: Path) -> None:
    weights = authors_folder(tmp_path)
    weights["W_dec"][7] = torch.zeros(8)
    save_file(weights, tmp_path / "sae_weights.safetensors")
    with pytest.raises(DrawbarError, match=r"1 of 20 directions .*the first is feature 7"):
        load_sae(tmp_path)


def test_a_negative_layer_is_refused(tmp_path: Path) -> None:
    authors_folder(tmp_path, hook_layer=-3)
    with pytest.raises(DrawbarError, match="hook_layer"):
        load_sae(tmp_path)
