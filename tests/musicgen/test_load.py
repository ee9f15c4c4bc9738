from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from drawbar.errors import CheckpointError, DrawbarError, NotSupportedError
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.weights import to_audiocraft
from tests.musicgen.tiny import SPEC


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    for name, value in changes.items():
        part, _, key = name.rpartition("__")
        (config[part] if part else config)[key] = value
    (folder / "config.json").write_text(json.dumps(config))


def edit_tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_sizes_come_from_the_configuration(tiny: Model) -> None:
    assert tiny.spec.d_model == SPEC.d_model
    assert tiny.spec.context_frames == 40
    assert tiny.codec.card == 32
    assert len(tiny.fingerprint) == 64


def write_audiocraft(model: Model, source: Path, folder: Path, **changes: object) -> Path:
    """The same weights in audiocraft's layout, with T5 and the codec beside them."""
    (folder / "t5").mkdir(parents=True)
    (folder / "codec").mkdir()
    config = json.loads((source / "config.json").read_text())
    tensors = load_file(source / "model.safetensors")
    for part, prefix in (("t5", "text_encoder"), ("codec", "audio_encoder")):
        (folder / part / "config.json").write_text(json.dumps(config[prefix]))
        chosen = {n.removeprefix(prefix + "."): t for n, t in tensors.items() if n.startswith(prefix + ".")}
        save_file(chosen, folder / part / "model.safetensors")
    shutil.copy(source / "tokenizer.json", folder / "t5")
    settings = {
        "transformer_lm": {
            "dim": 32,
            "num_heads": 4,
            "num_layers": 3,
            "hidden_scale": 2,
            "n_q": 4,
            "card": 32,
            "norm_first": True,
        },
        "codebooks_pattern": {"modeling": "delay", "delay": {"delays": [0, 1, 2, 3]}},
        "conditioners": {"description": {"model": "t5", "t5": {"name": "t5-base"}}},
        "dataset": {"segment_duration": 0.8},
        "channels": 1,
        **changes,
    }
    package = {"best_state": to_audiocraft(model.decoder), "xp.cfg": json.dumps(settings), "version": "1.3.0"}
    torch.save(package, folder / "state_dict.bin")
    torch.save({"pretrained": "facebook/encodec_32khz"}, folder / "compression_state_dict.bin")
    return folder


def test_both_layouts_of_the_same_weights_are_the_same_model(
    tiny: Model, tiny_folder: Path, tmp_path: Path
) -> None:
    other = load_model(write_audiocraft(tiny, tiny_folder, tmp_path / "audiocraft"))
    assert other.fingerprint == tiny.fingerprint
    clip = torch.randint(0, 32, (1, 4, 6))
    assert torch.equal(
        other.logits(clip, "slow piano").nan_to_num(), tiny.logits(clip, "slow piano").nan_to_num()
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"conditioners": {"self_wav": {}, "description": {}}}, "self_wav"),
        ({"interleave_stereo_codebooks": {"use": True}}, "stereo"),
        ({"codebooks_pattern": {"modeling": "parallel"}}, "parallel"),
    ],
)
def test_audiocraft_variants_are_refused_by_name(
    tiny: Model, tiny_folder: Path, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(NotSupportedError, match=reason):
        load_model(write_audiocraft(tiny, tiny_folder, tmp_path / "variant", **changes))


def test_melody_and_stereo_variants_are_refused_by_name(copy: Path) -> None:
    edit_config(copy, decoder__audio_channels=2)
    with pytest.raises(NotSupportedError, match="stereo"):
        load_model(copy)
    edit_config(copy, model_type="musicgen_melody")
    with pytest.raises(NotSupportedError, match="melody"):
        load_model(copy)


def test_tensors_that_do_not_fit_are_listed_by_name(copy: Path) -> None:
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        body = "decoder.model.decoder.layers.1"
        del tensors[f"{body}.fc1.weight"]
        tensors[f"{body}.extra"] = torch.zeros(1)
        tensors[f"{body}.fc2.weight"] = torch.zeros(2, 2)

    edit_tensors(copy, edit)
    with pytest.raises(
        CheckpointError, match=r"missing: .*fc1.*surplus: .*extra.*wrong shape: .*fc2.*\[2, 2\]"
    ):
        load_model(copy)


@pytest.mark.parametrize(
    "name", ["text_encoder.encoder.final_layer_norm.weight", "audio_encoder.decoder.layers.0.conv.bias"]
)
def test_missing_parts_are_named(copy: Path, name: str) -> None:
    edit_tensors(copy, lambda tensors: tensors.pop(name))
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        load_model(copy)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('pathlib').Path('boom').touch()",)


def test_code_in_a_checkpoint_is_not_run(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Bomb()}))
    with pytest.raises(CheckpointError):
        load_model(copy)
    torch.save({"a": Bomb()}, copy / "state_dict.bin")
    with pytest.raises(CheckpointError, match="not opened"):
        load_model(copy)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "config", "tokenizer", "card"])
def test_a_damaged_folder_gives_one_clear_error(copy: Path, damage: str) -> None:
    weights = copy / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif damage == "empty":
        weights.write_bytes(b"")
    elif damage == "gone":
        weights.unlink()
    elif damage == "config":
        (copy / "config.json").write_text("{")
    elif damage == "tokenizer":
        (copy / "tokenizer.json").unlink()
    else:
        edit_config(copy, audio_encoder__codebook_size=64)
    with pytest.raises(CheckpointError):
        load_model(copy)


@pytest.mark.parametrize("name", ["/no/such/folder", "nonsense", "drawbar-tests/not-in-the-cache"])
def test_an_unknown_name_says_where_it_looked(name: str) -> None:
    with pytest.raises(DrawbarError, match="folder"):
        load_model(name)
