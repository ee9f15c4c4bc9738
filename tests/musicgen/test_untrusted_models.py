"""Model folders from anyone, with what broke loading once: refused in one short line, quickly, with no memory taken."""

import json
import math
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drawbar.corpus import sound_files_in
from drawbar.errors import CheckpointError, DrawbarError, NotSupportedError
from drawbar.musicgen.checkpoint.audiocraft_codec import encodec_config
from drawbar.musicgen.checkpoint.audiocraft_config import XpConfig
from drawbar.musicgen.checkpoint.hf_layout import hf_spec
from drawbar.musicgen.checkpoint.memory_needed import device_of
from drawbar.musicgen.codec.bands import BandConfig
from drawbar.musicgen.codec.encodec import load_encodec
from drawbar.musicgen.codec.interface import load_codec
from drawbar.musicgen.network.t5 import T5Settings
from drawbar.musicgen.untrusted_files import read_config, read_tensor_file

CONFIG: dict[str, Any] = {"model_type": "musicgen", "decoder": {}, "text_encoder": {}, "audio_encoder": {}}


def refused(act: Callable[[], object], *, most_bytes: int = 100 << 20) -> str:
    tracemalloc.start()
    try:
        with pytest.raises(DrawbarError) as caught:
            act()
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 700
    return said


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("decoder", "num_codebooks", 2**31),
        ("decoder", "num_codebooks", 0),
        ("decoder", "context_frames", 10**29),
        ("decoder", "hidden_size", "9" * 5000),
        ("decoder", "hidden_size", 1.5),
        ("decoder", "num_hidden_layers", True),
        ("decoder", "delays", [0, 1, 2, 2**62]),
        ("decoder", "delays", [[0]]),
        ("decoder", "change_temperature", "hot"),
        ("audio_encoder", "upsampling_ratios", [2**20] * 16),
        ("audio_encoder", "upsampling_ratios", [-8, 5, 4, 4]),
        ("audio_encoder", "sampling_rate", 10**12),
        ("text_encoder", "d_model", []),
    ],
)
def test_sizes_that_no_model_has_are_refused(section: str, name: str, value: object) -> None:
    said = refused(lambda: hf_spec({**CONFIG, section: {name: value}}, "copy"))
    assert "copy" in said


@pytest.mark.parametrize("value", [0, None, [], "x"])
def test_sections_that_are_none_are_refused(value: object) -> None:
    refused(lambda: hf_spec({**CONFIG, "decoder": value}, "copy"))


def test_a_number_of_400_digits_and_a_thousand_brackets_are_refused_where_they_are_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.json"
    for text in (
        '{"context_frames": 1' + "0" * 400 + "}",
        '{"a": ' + "[" * 1000,
        '{"a": ' + "[" * 90 + "]" * 90 + "}",
    ):
        path.write_text(text)
        assert str(path) in refused(lambda: read_config(path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_residual_layers", 10**9),
        ("num_lstm_layers", 10**9),
        ("hidden_size", 10**9),
        ("codebook_size", 10**9),
        ("upsampling_ratios", [1] * 10**5),
        ("target_bandwidths", [1e300]),
        ("target_bandwidths", []),
        ("dilation_growth_rate", 10**6),
        ("kernel_size", 0),
        ("compress", 0),
        ("pad_mode", "x"),
        ("trim_right_ratio", math.nan),
        ("use_causal_conv", "yes"),
    ],
)
def test_a_codec_is_not_built_before_its_sizes_are_believed(name: str, value: object) -> None:
    said = refused(lambda: load_encodec({"model_type": "encodec", name: value}, {}, 4))
    assert "EnCodec" in said or "codec" in said


def test_a_codec_whose_tensors_are_not_there_takes_no_memory() -> None:
    """A wide one would take 4 GB before the first tensor is missed."""
    large = {"model_type": "encodec", "num_filters": 2048, "hidden_size": 4096}
    assert "missing" in refused(lambda: load_encodec(large, {}, 4))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decoder_blocks", 10**9),
        ("card", 2**40),
        ("octaves", [[3, 10**9]]),
        ("octaves", 5),
        ("edges_hz", ["low"]),
        ("energies", [1] * 10**5),
        ("hops", 0),
        ("samples_per_frame", 640.5),
        ("lowest_hz", math.inf),
    ],
)
def test_our_own_codec_is_read_by_its_schema(name: str, value: object) -> None:
    config = {**json.loads(json.dumps(BandConfig().to_dict())), name: value}
    refused(lambda: load_codec(config, {}, 8))


XP = "transformer_lm: {{dim: {0}}}\nencodec: {{sample_rate: 32000}}\nwhen: {1}\n"


@pytest.mark.parametrize(
    "odd", ["2026-11-30", "2026-11-30 10:00:00", "!!set {a}", "!!binary aGk=", "&a [*a]", "1" * 400]
)
def test_yaml_that_is_more_than_plain_values_is_refused(odd: str) -> None:
    said = refused(lambda: XpConfig(XP.format(1, odd), Path("state_dict.bin")))
    assert "state_dict.bin" in said


def test_a_yaml_bomb_is_refused() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for last, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    refused(lambda: XpConfig("\n".join(lines), Path("state_dict.bin")))


@pytest.mark.parametrize(
    "odd",
    [
        ".inf",
        "-.inf",
        ".nan",
        "x",
        "[1]",
        "{a: 1}",
        "1.5",
        "true",
        "99999999999999999",
        "1:30:00:00:00:00:00:00",
    ],
)
def test_a_number_that_is_none_names_its_setting(odd: str) -> None:
    settings = XpConfig(XP.format(odd, 1), Path("state_dict.bin"))
    assert "transformer_lm.dim" in refused(lambda: settings.number("transformer_lm.dim"))
    if odd != "1.5":
        assert "transformer_lm.dim" in refused(lambda: settings.real("transformer_lm.dim", 1.0))


def test_a_codec_of_endless_numbers_in_yaml_is_refused() -> None:
    text = "encodec: {sample_rate: .inf, autoencoder: seanet, quantizer: rvq}\ncompression_model: encodec\n"
    with pytest.raises((CheckpointError, NotSupportedError)):
        encodec_config(XpConfig(text, Path("c.bin")))


ODD_TENSORS: dict[str, Callable[[Tensor], Tensor]] = {
    "is sparse": lambda t: t.to_sparse(),
    "has no data": lambda t: t.to("meta"),
    "is of torch.qint8": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "is of torch.complex64": lambda t: t.to(torch.complex64),
    "says [1099511627776, 4]": lambda t: t[:1].expand(1 << 40, 4),
}


@pytest.mark.filterwarnings("ignore")  # torch's own, about quantised tensors
@pytest.mark.parametrize("what", ODD_TENSORS)
@pytest.mark.parametrize("nested", [False, True])
def test_tensors_that_are_no_weights_are_refused_by_name(tmp_path: Path, what: str, nested: bool) -> None:
    tensor = ODD_TENSORS[what](torch.ones(4, 4))
    torch.save({"best_state": {"w": tensor}} if nested else {"w": tensor}, tmp_path / "w.bin")
    said = refused(lambda: read_tensor_file(tmp_path / "w.bin"))
    assert what in said
    assert "tensor w" in said


def test_a_whole_folder_whose_names_are_long_is_refused_in_a_short_line(tmp_path: Path) -> None:
    torch.save({"n" * 5000: 1, "m" * 5000: 2}, tmp_path / "pytorch_model.bin")
    shutil.copy(tmp_path / "pytorch_model.bin", tmp_path / "model.bin")
    from drawbar.musicgen.untrusted_files import read_tensors

    refused(lambda: read_tensors(tmp_path))


@pytest.mark.parametrize(
    "name", ["relative_attention_max_distance", "layer_norm_epsilon", "feed_forward_proj"]
)
def test_a_long_value_of_a_t5_is_shortened(name: str) -> None:
    refused(lambda: T5Settings.read({name: "9" * 5000}))


@pytest.mark.parametrize("name", ["/a/b.wav", "", "x" * 5000, "cuda:x", "\x1b[31m"])
def test_what_is_no_device_is_one_line(name: str) -> None:
    refused(lambda: device_of(name))


def test_a_folder_of_everything_is_no_folder_of_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawbar.corpus.recordings._MAX_ENTRIES", 3)
    for name in "abcde":
        (tmp_path / f"{name}.txt").touch()
    assert "recordings" in refused(lambda: sound_files_in(tmp_path))
