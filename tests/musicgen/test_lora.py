"""A LoRA adapter in PEFT's layout is merged while its model is loaded; what is no plain LoRA is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.parity.verify import VerifySettings, origin_of, verify
from tests.musicgen.tiny import SPEC

RANK = 4
PLACES = [f"decoder.model.decoder.layers.{n}.self_attn.{p}_proj" for n in (0, 2) for p in "qv"]


def write_adapter(folder: Path, base: Path, *, drop: str = "decoder.", **changes: Any) -> Path:
    """As PEFT saves one that was trained on the whole model (``drop`` "") or on its decoder alone."""
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for place in PLACES:
        for half, shape in (("A", (RANK, SPEC.d_model)), ("B", (SPEC.d_model, RANK))):
            name = f"base_model.model.{place.removeprefix(drop)}.lora_{half}.weight"
            tensors[name] = torch.randn(shape, generator=generator) / 5
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 6, "base_model_name_or_path": str(base)}
    (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.mark.parametrize("drop", ["", "decoder."])
def test_it_is_merged_and_the_fingerprint_is_that_of_the_result(
    tiny: Model, tiny_folder: Path, tmp_path: Path, drop: str
) -> None:
    folder = write_adapter(tmp_path / "adapter", tiny_folder, drop=drop)
    adapted = load_model(folder)
    assert adapted.fingerprint != tiny.fingerprint
    assert adapted.codec.fingerprint == tiny.codec.fingerprint
    before, after = tiny.decoder.state_dict(), adapted.decoder.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"layers.0.qkv.weight", "layers.2.qkv.weight"}
    d = SPEC.d_model
    assert torch.equal(before["layers.0.qkv.weight"][d : 2 * d], after["layers.0.qkv.weight"][d : 2 * d])
    assert any("4 weights changed by the adapter" in note for note in adapted.notes)
    assert verify(adapted, VerifySettings(frames=20), origin=origin_of(folder)).ok


def test_scales_follow_alpha_rank_and_patterns(tiny: Model, tiny_folder: Path, tmp_path: Path) -> None:
    plain = tiny.decoder.state_dict()["layers.0.qkv.weight"]

    def push(name: str, **changes: Any) -> torch.Tensor:
        folder = write_adapter(tmp_path / name, tiny_folder, **changes)
        pushed: torch.Tensor = load_model(folder).decoder.state_dict()["layers.0.qkv.weight"] - plain
        return pushed

    one = push("one")
    torch.testing.assert_close(push("twice", lora_alpha=12), 2 * one)
    torch.testing.assert_close(push("root", use_rslora=True), 2 * one)
    d = SPEC.d_model
    pattern = push("pattern", alpha_pattern={"q_proj": 18})
    torch.testing.assert_close(pattern[:d], 3 * one[:d])
    torch.testing.assert_close(pattern[2 * d :], one[2 * d :])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peft_type": "IA3"}, "IA3 adapter"),
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias=all"),
        ({"base_model_name_or_path": None}, "names no model"),
        ({"base_model_name_or_path": "drawbar-tests/not-here"}, "drawbar model get"),
        ({"lora_alpha": "much"}, "lora_alpha"),
    ],
)
def test_what_cannot_be_merged_is_refused_by_name(
    tiny_folder: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    folder = write_adapter(tmp_path / "adapter", tiny_folder, **changes)
    with pytest.raises((CheckpointError, NotSupportedError), match=reason):
        load_model(folder)


def test_an_adapter_of_another_model_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", tiny_folder)
    name = "base_model.model.model.decoder.layers.9.fc1.lora_{}.weight"
    halves = {name.format(half): torch.zeros(2, 2) for half in "AB"}
    save_file(halves, folder / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=r"layers\.9\.fc1"):
        load_model(folder)
    save_file(
        {"base_model.model.text_encoder.x.lora_A.weight": torch.zeros(2, 2)},
        folder / "adapter_model.safetensors",
    )
    with pytest.raises(NotSupportedError, match="only the decoder"):
        load_model(folder)
