"""SAEs <-> SAELens' files: ours and those of the paper's authors load with equal activations."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError, SiteMismatchError
from drawbar.sae import SAE, load_sae, save_sae
from drawbar.sae.checkpoint import check_site

SITE = "c" * 64


def some_sae() -> SAE:
    sae = SAE(8, 20, 3, layer=5, fingerprint=SITE)
    sae.initialise(torch.Generator().manual_seed(1), mean=torch.ones(8))
    return sae


def some_rows() -> Tensor:
    return torch.randn(30, 8, generator=torch.Generator().manual_seed(2)) * 4 + 1


def authors_folder(folder: Path, **changes: Any) -> dict[str, Tensor]:
    """A folder as SAELens 5.3.2 wrote it for the paper."""
    generator = torch.Generator().manual_seed(3)
    weights = {
        "W_enc": torch.randn(8, 20, generator=generator),
        "W_dec": torch.nn.functional.normalize(torch.randn(20, 8, generator=generator), dim=1),
        "b_enc": torch.randn(20, generator=generator),
        "b_dec": torch.randn(8, generator=generator),
    }
    config = {
        "architecture": "standard",
        "d_in": 8,
        "d_sae": 20,
        "activation_fn": "topk",
        "activation_fn_kwargs": {"k": 3},
        "apply_b_dec_to_input": True,
        "finetuning_scaling_factor": False,
        "sae_lens_training_version": "5.3.2",
        "prepend_bos": True,
        "dtype": "torch.float32",
        "device": "cuda",
        "hook_name": "hook_layers.11",
        "hook_layer": 11,
        "normalize_activations": "none",
        "model_name": "musicgen-small",
    }
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(
        json.dumps({k: v for k, v in (config | changes).items() if v is not None})
    )
    return weights


def test_round_trip_is_exact(tmp_path: Path) -> None:
    sae, x = some_sae(), some_rows()
    save_sae(tmp_path, sae, model_name="embedded")
    again = load_sae(tmp_path, fingerprint=SITE)
    assert (again.layer, again.k, again.fingerprint) == (5, 3, SITE)
    assert torch.equal(again.encode(x), sae.encode(x))
    assert torch.equal(again(x), sae(x))


def test_what_we_write_is_saelens_layout(tmp_path: Path) -> None:
    """Names, shapes and keys as SAELens 6 reads them; the activations follow its TopK formula."""
    sae, x = some_sae(), some_rows()
    save_sae(tmp_path, sae)
    config = json.loads((tmp_path / "cfg.json").read_text())
    assert config["architecture"] == "topk"
    assert (config["d_in"], config["d_sae"], config["k"], config["dtype"]) == (8, 20, 3, "float32")
    assert config["metadata"]["hook_name"] == "hook_layers.5"
    weights = load_file(tmp_path / "sae_weights.safetensors")
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "W_enc": (8, 20), "W_dec": (20, 8), "b_enc": (20,), "b_dec": (8,)
    }  # fmt: skip
    pre = (x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    top = torch.topk(pre, 3, dim=-1)
    theirs = torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
    torch.testing.assert_close(sae.encode(x), theirs)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation_fn": None, "activation_fn_str": "topk"},
        {"hook_layer": None},
        {"architecture": "topk"},
    ],
)
def test_the_authors_files_load_with_equal_activations(tmp_path: Path, changes: dict[str, Any]) -> None:
    weights, x = authors_folder(tmp_path, **changes), some_rows()
    sae = load_sae(tmp_path)
    assert sae.layer == 11
    top = torch.topk((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 3, dim=-1)
    torch.testing.assert_close(sae.encode(x).gather(1, top.indices), top.values.relu())


def test_without_b_dec_on_the_input(tmp_path: Path) -> None:
    weights, x = authors_folder(tmp_path, apply_b_dec_to_input=False), some_rows()
    top = torch.topk(x @ weights["W_enc"] + weights["b_enc"], 3, dim=-1)
    torch.testing.assert_close(load_sae(tmp_path).encode(x).gather(1, top.indices), top.values.relu())


def test_rescaled_activations_are_folded_in(tmp_path: Path) -> None:
    weights = authors_folder(tmp_path, rescale_acts_by_decoder_norm=True)
    weights["W_dec"] *= 2
    save_file(weights, tmp_path / "sae_weights.safetensors")
    sae, x = load_sae(tmp_path), some_rows()
    pre = ((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]) * 2
    top = torch.topk(pre, 3, dim=-1)
    torch.testing.assert_close(sae.encode(x).gather(1, top.indices), top.values.relu())
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(20))


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_fn": "relu"},
        {"activation_fn_kwargs": {}},
        {"normalize_activations": "expected_average_only_in"},
        {"finetuning_scaling_factor": True},
        {"architecture": "gated", "activation_fn": "relu"},
    ],
)
def test_what_would_change_the_activations_silently_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    authors_folder(tmp_path, **changes)
    with pytest.raises(NotSupportedError):
        load_sae(tmp_path)


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cfg\.json is missing"):
        load_sae(tmp_path)
    weights = authors_folder(tmp_path)
    save_file({k: v for k, v in weights.items() if k != "b_enc"}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(CheckpointError, match="lacks b_enc"):
        load_sae(tmp_path)
    save_file(weights | {"b_dec": torch.zeros(9)}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(CheckpointError, match="b_dec"):
        load_sae(tmp_path)
    (tmp_path / "sae_weights.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="damaged"):
        load_sae(tmp_path)
    (tmp_path / "cfg.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        load_sae(tmp_path)


@pytest.mark.parametrize("name", ["W_dec", "W_enc", "b_enc", "b_dec"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_no_sae_has_are_refused(tmp_path: Path, name: str, value: float) -> None:
    weights = authors_folder(tmp_path)
    changed = weights[name].clone()
    changed.view(-1)[3] = value
    save_file(weights | {name: changed}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(CheckpointError, match=name):
        load_sae(tmp_path)
    flat = weights["W_dec"].clone()
    flat[1] = 0
    save_file(weights | {"W_dec": flat}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(CheckpointError, match="no length"):
        load_sae(tmp_path)
    authors_folder(tmp_path, hook_layer=-1, hook_name="hook_layers.-1")
    with pytest.raises((CheckpointError, NotSupportedError)):
        load_sae(tmp_path)


def test_an_sae_of_another_model_or_layer_is_refused_with_both_named(tmp_path: Path) -> None:
    save_sae(tmp_path, some_sae())
    with pytest.raises(SiteMismatchError, match=r"cccccccccccc layer 5.*dddddddddddd"):
        load_sae(tmp_path, fingerprint="d" * 64)
    with pytest.raises(SiteMismatchError, match="layer 6"):
        check_site(load_sae(tmp_path), SITE, layer=6)
