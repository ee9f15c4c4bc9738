"""`drawbar verify` on random models in each released layout, written by the two libraries themselves."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from drawbar import cli
from drawbar.errors import BadInputError, CheckpointError, NotSupportedError
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.checkpoint.raw_tensors import read_origin
from drawbar.musicgen.parity.audiocraft_engine import ReferenceEngine
from drawbar.musicgen.parity.report import Row, Verdict
from drawbar.musicgen.parity.verify import VerifySettings, origin_of, verify
from drawbar.paths import embedded_model_dir
from tests.musicgen import released

has_audiocraft = importlib.util.find_spec("audiocraft") is not None
needs_audiocraft = pytest.mark.skipif(not has_audiocraft, reason="the audiocraft extra is not installed")
PROMPT = "slow piano in a minor"


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "hf": released.write_hf,
    "audiocraft": released.write_audiocraft,
    "hf, stereo": partial(released.write_hf, stereo=True),
    "audiocraft, stereo": partial(released.write_audiocraft, stereo=True),
    "hf, melody": partial(released.write_hf, melody=True),
    "audiocraft, melody": partial(released.write_audiocraft, melody=True),
    "hf, stereo melody": partial(released.write_hf, melody=True, stereo=True),
}


@pytest.fixture(scope="module", params=LAYOUTS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param.startswith("audiocraft") and not has_audiocraft:
        pytest.skip("the audiocraft extra is not installed")
    return LAYOUTS[str(request.param)](tmp_path_factory.mktemp("released") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_model(folder)


@pytest.fixture(scope="module")
def verdict(folder: Path, model: Model) -> Verdict:
    return verify(model, VerifySettings(frames=500), origin=origin_of(folder))


def test_the_same_weights_give_the_same_numbers_in_both_layouts(verdict: Verdict, model: Model) -> None:
    assert verdict.failed == ()
    assert verdict.ok
    found = {(row.what, row.against) for row in verdict.rows if row.ok}
    layers = range(released.LAYERS)
    whats = [
        "delay pattern",
        "logits",
        "logits, null text",
        "layer numbering",
        "greedy tokens",
        "2nd prompt: logits",
        "steered: logits",
        "steered: greedy tokens",
        "drawn, steered: tokens",
        "norm epsilon",
        "codec encode",
        "codec decode",
        *(f"residual of layer {n}" for n in layers),
        *(f"residual of layer {n}, playing" for n in layers),
        *(f"steered: residual of layer {n}, playing" for n in layers),
    ]
    if model.spec.melody_frames:  # null text is as long as the prompt there: it is a case of its own
        whats.remove("logits, null text")
        whats += ["no prompt, no melody: logits", "no melody: logits"]
    names = ["transformers", "audiocraft"] if has_audiocraft else ["transformers"]
    assert {(what, name) for what in whats for name in names} <= found
    assert ("empty string", "null text") in found
    assert ("two prompts at once", "each alone") in found
    assert ("codec decode, frame by frame", "in one piece") in found


def test_five_hundred_greedy_and_drawn_frames_with_guidance_are_compared(
    verdict: Verdict, model: Model
) -> None:
    assert verdict.frames == 500
    rows = [row for row in verdict.rows if row.what in ("greedy tokens", "drawn, steered: tokens")]
    assert len(rows) == (4 if has_audiocraft else 2)
    assert all(row.worst == 0 and f"{500 * model.spec.n_q} tokens" in row.note for row in rows)


@needs_audiocraft
def test_audiocraft_itself_decodes_the_same_greedy_tokens(model: Model, folder: Path) -> None:
    if model.spec.melody_frames:
        with pytest.raises(NotSupportedError, match="melody"):
            ReferenceEngine(model, read_origin(folder)).stream(PROMPT, seconds=1)
        return
    engine = ReferenceEngine(model, read_origin(folder))
    with engine.stream(PROMPT, seconds=10, temperature=0) as stream:
        theirs = torch.stack([frame.tokens for frame in stream], dim=1)
    assert torch.equal(theirs, model.generate(PROMPT, [0], 10, temperature=0)[0])


def test_transformers_itself_decodes_the_same_greedy_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import MusicgenForConditionalGeneration

    place = released.write_hf(tmp_path / "model", seed=4)
    model = load_model(place)
    hf: Any = MusicgenForConditionalGeneration.from_pretrained(place).eval()
    assert model.text is not None
    ids = torch.tensor([model.text.tokenizer.encode(PROMPT).ids])
    codes: list[torch.Tensor] = []

    def kept(audio_codes: torch.Tensor, **_: object) -> Any:
        codes.append(audio_codes)
        return type("Sound", (), {"audio_values": torch.zeros(1, 1, 1)})()

    monkeypatch.setattr(hf.audio_encoder, "decode", kept)
    frames = 120
    hf.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        guidance_scale=3.0,
        max_new_tokens=frames + 3,
        pad_token_id=released.CARD,
        decoder_start_token_id=released.CARD,
    )
    ours = model.generate(PROMPT, [0], frames / model.spec.frame_rate_hz, temperature=0)
    assert torch.equal(codes[0][0], ours)


def test_the_embedded_model_is_verified_and_says_that_its_codec_has_no_second_implementation() -> None:
    if not (embedded_model_dir() / "model.safetensors").is_file():
        pytest.skip("the embedded model is not in this checkout")
    verdict = verify(load_model("embedded"), VerifySettings(frames=100), origin=origin_of("embedded"))
    assert verdict.failed == ()
    codec = next(row for row in verdict.rows if row.what == "codec encode and decode")
    assert (codec.ok, codec.note) == (None, "no second implementation")


def test_without_audiocraft_its_rows_say_so_and_the_rest_is_verified(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("verify", "compare_codec"):
        monkeypatch.setattr(f"drawbar.musicgen.parity.{module}.has_audiocraft", lambda: False)
    verdict = verify(model, VerifySettings(frames=20), origin=read_origin(folder))
    assert verdict.ok
    absent = [row for row in verdict.rows if row.against == "audiocraft"]
    assert absent
    assert all(row.ok is None and "setup --all" in row.note for row in absent)
    assert any(row.against == "transformers" and row.ok for row in verdict.rows)


def test_a_model_without_a_text_encoder_is_verified_on_null_text(model: Model) -> None:
    mute = Model(model.spec, model.decoder, None, model.codec)
    verdict = verify(mute, VerifySettings(frames=20))
    assert verdict.ok
    assert "without a text encoder" in next(row.note for row in verdict.rows if row.what == "prompts")


def test_the_greedy_take_is_as_long_as_the_context_allows(tiny: Model) -> None:
    verdict = verify(tiny, VerifySettings(frames=500))
    assert verdict.ok
    assert verdict.frames == tiny.spec.context_frames


def test_the_command_prints_a_table_or_json(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert cli.main(["verify", str(folder), "--frames", "12"]) == 0
    out = capsys.readouterr().out
    assert "greedy tokens" in out
    assert "worst of 4: layer" in out
    assert "FAILS" not in out
    assert cli.main(["verify", str(folder), "--frames", "12", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["fingerprint"] == load_model(folder).fingerprint
    assert {"what", "against", "worst", "bound", "ok", "note"} <= set(told["rows"][0])


def test_a_model_that_differs_is_exit_code_1_and_named(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawbar.musicgen.parity.compare.BOUND", 0.0)
    monkeypatch.setenv("COLUMNS", "140")
    assert cli.main(["verify", str(tiny_folder), "--frames", "12"]) == 1
    out = capsys.readouterr().out
    assert "FAILS" in out
    assert "differs: " in out


def test_a_quantised_model_is_not_taken_for_the_float32_one(tiny_folder: Path) -> None:
    model = load_model(tiny_folder, precision="bfloat16")
    with pytest.raises(BadInputError, match=r"bfloat16.*precision='float32'"):
        verify(model)


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["verify", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(CheckpointError):
        origin_of(tmp_path)
    with pytest.raises(BadInputError):
        VerifySettings(frames=0)


def test_rows_of_other_comparisons_can_be_added() -> None:
    fine = Row.compared("logits", "transformers", 0.0, 1.0)
    verdict = Verdict("m", "f", 1, (fine,))
    assert verdict.ok
    assert not Verdict("m", "f", 1, (Row.not_compared("logits", "transformers", "absent"),)).ok
    more = verdict.plus([Row.compared("cross-entropy, 4 bits", "float32", 1.02, 1.01)])
    assert not more.ok
    assert [row.what for row in more.failed] == ["cross-entropy, 4 bits"]
    assert not verdict.plus([Row.compared("logits", "audiocraft", float("nan"), 1.0)]).ok
