from __future__ import annotations

import contextlib
import json
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from drawbar.errors import BadInputError, CheckpointError, DrawbarError, NotSupportedError
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.checkpoint.weights import to_audiocraft
from tests.musicgen.test_audiocraft_codec import XP
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
            "bias_attn": False,
            "bias_ff": False,
            "bias_proj": False,
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
        ({"conditioners": {"self_wav": {}, "description": {}}}, "self_wav|prepend|fuser.cross"),
        ({"conditioners": {"self_wav": {"model": "style"}, "description": {}}}, "style variant"),
        ({"interleave_stereo_codebooks": {"use": True}}, "1 channels of interleaved"),
        ({"channels": 2}, "2 channels without interleaved"),
        ({"channels": 2, "interleave_stereo_codebooks": {"use": True, "per_timestep": True}}, "in time"),
        ({"codebooks_pattern": {"modeling": "parallel"}}, "parallel"),
    ],
)
def test_audiocraft_variants_are_refused_by_name(
    tiny: Model, tiny_folder: Path, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(NotSupportedError, match=reason):
        load_model(write_audiocraft(tiny, tiny_folder, tmp_path / "variant", **changes))


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
    """What a malicious checkpoint does: its pickle calls a function of its author's choice."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "state_dict.bin", "compression_state_dict.bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(
    tiny: Model, tiny_folder: Path, tmp_path: Path, file: str, zipped: bool
) -> None:
    proof = tmp_path / "boom"
    package = {"best_state": {"a": Bomb(f"touch {proof}")}, "xp.cfg": "a: 1"}
    if file == "pytorch_model.bin":
        folder = Path(shutil.copytree(tiny_folder, tmp_path / "bomb"))
        (folder / "model.safetensors").unlink()
    else:
        folder = write_audiocraft(tiny, tiny_folder, tmp_path / "bomb")
    torch.save(package, folder / file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        CheckpointError, match=r"asks for \S*system to be called.* nothing in it was run"
    ) as caught:
        load_model(folder)
    assert file in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert not proof.exists()
    # The same file, read as careless programs do, would have run it.
    with contextlib.suppress(Exception):
        torch.load(folder / file, weights_only=False)
    assert proof.exists()


def damage(folder: Path, how: str, file: str) -> None:
    """Does to a file what disks and networks do."""
    path = folder / file
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "noise":
        path.write_bytes(bytes(range(256)) * 40)
    elif how == "page":
        path.write_bytes(b"<!doctype html><html>Sign in</html>")
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["cut", "empty", "noise", "page", "gone"])
@pytest.mark.parametrize(
    ("layout", "file"),
    [
        ("hf", "model.safetensors"),
        ("hf", "config.json"),
        ("hf", "tokenizer.json"),
        ("audiocraft", "state_dict.bin"),
        ("audiocraft", "compression_state_dict.bin"),
        ("audiocraft", "codec/model.safetensors"),
        ("audiocraft", "t5/config.json"),
    ],
)
def test_a_damaged_file_gives_one_error_that_names_it(
    tiny: Model, tiny_folder: Path, tmp_path: Path, layout: str, file: str, how: str
) -> None:
    folder = tmp_path / "damaged"
    if layout == "hf":
        shutil.copytree(tiny_folder, folder)
    else:
        write_audiocraft(tiny, tiny_folder, folder)
    damage(folder, how, file)
    with pytest.raises(CheckpointError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert Path(file).name in message or (how == "gone" and str(folder) in message)
    assert "\n" not in message


def test_wrong_shapes_are_listed_by_name_in_audiocrafts_layout(
    tiny: Model, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_audiocraft(tiny, tiny_folder, tmp_path / "shapes")
    package = torch.load(folder / "state_dict.bin")
    state = package["best_state"]
    state["transformer.layers.2.linear1.weight"] = torch.zeros(2, 2)
    state["transformer.layers.9.linear1.weight"] = state.pop("emb.3.weight")
    torch.save(package, folder / "state_dict.bin")
    with pytest.raises(
        CheckpointError, match=r"missing: emb\.3\.weight; surplus: .*layers\.9.*shape: .*layers\.2.*\[2, 2\]"
    ):
        load_model(folder)


def test_numbers_that_are_not_finite_are_found_and_named(copy: Path) -> None:
    name = "decoder.model.decoder.layers.1.fc1.weight"
    edit_tensors(copy, lambda tensors: tensors[name][3].fill_(float("nan")))
    with pytest.raises(CheckpointError, match=r"layers\.1\.fc1\.weight.*not finite"):
        load_model(copy)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "t5"}, "'t5'.*no MusicGen"),
        ({"model_type": "encodec"}, "'encodec'.*no MusicGen"),
        ({"model_type": "musicgen_melody"}, "audio_enc_to_dec_proj"),
        ({"model_type": "musicgen_melody", "num_chroma": 24}, "num_chroma"),
        ({"decoder__audio_channels": 3}, "audio_channels.*3"),
        ({"decoder__audio_channels": 2, "decoder__num_codebooks": 5}, "5 codebooks for 2 channels"),
        ({"decoder__hidden_size": 33}, "d_model 33"),
        ({"decoder__num_hidden_layers": 10**9}, "num_hidden_layers.*1000000000"),
        ({"decoder__num_attention_heads": "four"}, "four"),
        ({"decoder": None}, "decoder"),
        ({"audio_encoder__upsampling_ratios": []}, "config|samples|codec"),
        ({"audio_encoder__codebook_size": 64}, "codec"),
        ({"audio_encoder__target_bandwidths": [0.25]}, "codebooks"),
        ({"audio_encoder__num_filters": 3}, "audio_encoder"),
        ({"audio_encoder__model_type": "dac"}, "dac"),
        ({"text_encoder__model_type": "bert"}, "bert"),
        ({"text_encoder__vocab_size": 5}, "text_encoder|tokenizer"),
        ({"text_encoder__num_heads": "two"}, "text encoder"),
    ],
)
def test_a_configuration_of_another_model_is_refused_in_one_line(
    copy: Path, changes: dict[str, object], reason: str
) -> None:
    edit_config(copy, **changes)
    with pytest.raises((CheckpointError, NotSupportedError), match=reason) as caught:
        load_model(copy)
    assert "\n" not in str(caught.value)


def test_the_tokenizer_of_another_model_is_refused(copy: Path) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"].update({f"word{i}": 11 + i for i in range(50)})
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match="61 words, its T5 11"):
        load_model(copy)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"encoder.block.0": torch.zeros(2), "shared.weight": torch.zeros(2)}, "best_state"),
        ({"best_state": {"a": torch.zeros(2)}, "xp.cfg": "compression_model: encodec"}, "no MusicGen"),
        ({"pretrained": "facebook/encodec_32khz"}, "no MusicGen"),
        ([torch.zeros(2)], "list"),
    ],
)
def test_the_file_of_another_model_is_refused(
    tiny: Model, tiny_folder: Path, tmp_path: Path, content: object, reason: str
) -> None:
    folder = write_audiocraft(tiny, tiny_folder, tmp_path / "other")
    torch.save(content, folder / "state_dict.bin")
    with pytest.raises(CheckpointError, match=reason):
        load_model(folder)


def test_shards_are_one_model(copy: Path, tiny: Model) -> None:
    tensors = load_file(copy / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, chosen in parts.items():
        save_file({name: tensors[name] for name in chosen}, copy / file)
    (copy / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, chosen in parts.items() for name in chosen}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert load_model(copy).fingerprint == tiny.fingerprint
    (copy / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="model-00002-of-00002"):
        load_model(copy)
    index["weight_map"][names[0]] = "../model.safetensors"
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="outside its folder"):
        load_model(copy)


def test_a_bfloat16_file_is_the_model_of_its_rounded_weights(copy: Path, tiny_folder: Path) -> None:
    names = [name for name in load_file(copy / "model.safetensors") if "audio_encoder" not in name]

    def rounded(tensors: dict[str, torch.Tensor]) -> None:
        tensors.update({name: tensors[name].bfloat16() for name in names})

    edit_tensors(copy, rounded)
    half = load_model(copy)
    assert next(half.decoder.parameters()).dtype == torch.float32
    edit_tensors(copy, lambda tensors: tensors.update({name: tensors[name].float() for name in names}))
    whole = load_model(copy)
    assert half.fingerprint == whole.fingerprint
    clip = torch.randint(0, 32, (1, 4, 6), generator=torch.Generator().manual_seed(0))
    assert torch.equal(
        half.logits(clip, "slow piano").nan_to_num(), whole.logits(clip, "slow piano").nan_to_num()
    )


def test_shards_of_the_older_kind_are_one_model_too(copy: Path, tiny: Model) -> None:
    tensors = load_file(copy / "model.safetensors")
    names = sorted(tensors)
    for file, chosen in (("a.bin", names[::2]), ("b.bin", names[1::2])):
        torch.save({name: tensors[name] for name in chosen}, copy / file)
    (copy / "model.safetensors").unlink()
    index = {"weight_map": {name: "ab"[i % 2] + ".bin" for i, name in enumerate(names)}}
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert load_model(copy).fingerprint == tiny.fingerprint


def test_a_released_folder_holds_both_layouts_and_loading_says_which_it_read(
    tiny: Model, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_audiocraft(tiny, tiny_folder, tmp_path / "both")
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(tiny_folder / file, folder)
    loaded = load_model(folder)
    assert loaded.fingerprint == tiny.fingerprint
    assert any("model.safetensors" in note and "state_dict.bin" in note for note in loaded.notes)
    (folder / "model.safetensors").unlink()
    other = load_model(folder)
    assert other.fingerprint == tiny.fingerprint
    assert any("read state_dict.bin" in note for note in other.notes)


def test_a_codec_inside_an_audiocraft_folder_is_used(tiny: Model, tiny_folder: Path, tmp_path: Path) -> None:
    folder = write_audiocraft(tiny, tiny_folder, tmp_path / "own")
    shutil.rmtree(folder / "codec")
    own = {theirs_of(name): tensor for name, tensor in tiny.codec.model.state_dict().items()}  # type: ignore[attr-defined]
    torch.save(
        {"best_state": own, "xp.cfg": OWN},
        folder / "compression_state_dict.bin",
    )
    loaded = load_model(folder)
    assert loaded.codec.fingerprint == tiny.codec.fingerprint
    clip = torch.randint(0, 32, (1, 4, 6))
    assert torch.equal(loaded.codec.decode(clip), tiny.codec.decode(clip))


OWN = XP.replace("pad_mode: constant", "pad_mode: reflect").replace("true_skip: true", "true_skip: false")


def theirs_of(name: str) -> str:
    """transformers' name of an EnCodec tensor -> audiocraft's, written out by hand."""
    name = name.replace("parametrizations.weight.original0", "weight_g")
    name = name.replace("parametrizations.weight.original1", "weight_v")
    if name.startswith("quantizer."):
        return name.replace("quantizer.layers.", "quantizer.vq.layers.").replace(".codebook.", "._codebook.")
    half, _, rest = name.partition(".layers.")
    if ".lstm." not in rest:
        place = int(rest.split(".")[0])
        inner = "convtr.convtr" if half == "decoder" and place in (3, 6, 9, 12) else "conv.conv"
        rest = rest.replace("conv.", f"{inner}.", 1)
    return f"{half}.model.{rest}"


def test_without_its_t5_an_audiocraft_folder_plays_null_prompts_and_says_so(
    tiny: Model, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    folder = write_audiocraft(tiny, tiny_folder, tmp_path / "bare")
    shutil.rmtree(folder / "t5")
    loaded = load_model(folder)
    assert "drawbar model get google-t5/t5-base" in " ".join(loaded.notes)
    clip = torch.randint(0, 32, (1, 4, 6))
    assert torch.equal(loaded.logits(clip).nan_to_num(), tiny.logits(clip).nan_to_num())
    with pytest.raises(BadInputError, match="no text encoder"):
        loaded.logits(clip, "slow piano")


def test_the_fingerprint_is_the_same_in_half_precision_and_beside_the_codecs(
    tiny_folder: Path, tiny: Model
) -> None:
    half = load_model(tiny_folder, precision="bfloat16")
    assert next(half.decoder.parameters()).dtype == torch.bfloat16
    assert half.fingerprint == tiny.fingerprint
    assert half.codec.fingerprint == tiny.codec.fingerprint != tiny.fingerprint


def test_a_changed_weight_or_codec_changes_its_own_fingerprint_only(copy: Path, tiny: Model) -> None:
    edit_tensors(copy, lambda tensors: tensors["decoder.lm_heads.0.weight"][0, 0].add_(1e-3))
    changed = load_model(copy)
    assert changed.fingerprint != tiny.fingerprint
    assert changed.codec.fingerprint == tiny.codec.fingerprint
    edit_tensors(copy, lambda tensors: tensors["audio_encoder.decoder.layers.0.conv.bias"][0].add_(1e-3))
    again = load_model(copy)
    assert again.fingerprint == changed.fingerprint
    assert again.codec.fingerprint != tiny.codec.fingerprint


def test_an_unloaded_model_gives_its_memory_back_and_says_that_it_is_gone(tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    decoder, weight = weakref.ref(model.decoder), model.decoder.head.weight
    with model.stream("slow piano", seconds=0.2) as stream:
        next(stream)
        model.unload()
        with pytest.raises(BadInputError, match="not open"):
            next(stream)
    assert decoder() is None
    assert weight.numel() == 0
    for use in (lambda: model.stream("piano"), lambda: model.generate(), lambda: model.codec):
        with pytest.raises(BadInputError, match="was unloaded: load it again"):
            use()
    model.unload()
    assert len(model.fingerprint) == 64


@pytest.mark.parametrize("name", ["/no/such/folder", "nonsense", "drawbar-tests/not-in-the-cache"])
def test_an_unknown_name_says_where_it_looked(name: str) -> None:
    with pytest.raises(DrawbarError, match="folder"):
        load_model(name)
