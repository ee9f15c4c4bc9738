"""The recipe: excerpts ask for what is heard in them, and a stopped training goes on to the same weights."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drawbar.bundled.codec_training import train_codec
from drawbar.bundled.commands import record
from drawbar.bundled.decoder_training import (
    change_losses,
    excerpt_prompt,
    first_notes,
    new_language,
    planted_heads,
    train_decoder,
)
from drawbar.bundled.export import export_model
from drawbar.bundled.going_on import go_on_from
from drawbar.bundled.lag_heads import plant
from drawbar.bundled.material import Material
from drawbar.bundled.recipe import CodecSettings, DecoderSettings, Recipe
from drawbar.bundled.tokens import encode_material
from drawbar.corpus import CONCEPTS, HELD_OUT_SEED, annotate, compose
from drawbar.errors import BadInputError
from drawbar.musicgen.codec.bands import BandConfig
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.spec import ModelSpec

CODEC = CodecSettings(
    config=BandConfig(card=16, decoder_width=16, decoder_blocks=1),
    fit_pieces=3, fit_seconds=1.0, fit_rounds=3, steps=6, batch=2, clip_frames=16, checkpoint_every=3,
)  # fmt: skip
DECODER = DecoderSettings(
    d_model=96, layers=2, heads=2, d_ff=128, card=16, lags=((8, 12), (16,)), text_layers=1,
    context_frames=60, steps=6, text_from=1, text_steps=2, blind_frames=8, blind_batch=4, short_frames=20,
    own_takes=4, own_frames=12, short_batch=2, long_batch=1, opening_frames=10,
    opening_batch=3, warm_up=2, checkpoint_every=3,
)  # fmt: skip


@pytest.fixture
def material(tmp_path: Path) -> Material:
    """Four training pieces and one held-out one: noise for audio, real events and truth."""
    folder = tmp_path / "material"
    folder.mkdir()
    for seed in (0, 1, 2, 3, HELD_OUT_SEED):
        piece = compose(seed=seed, seconds=4.0, version=2)
        noise = np.random.default_rng(seed).normal(0, 3000, 4 * 32000).astype(np.int16)
        np.save(folder / f"{seed}.npy", noise)
        np.save(folder / f"{seed}.concepts.npy", annotate(piece).concepts)
        (folder / f"{seed}.json").write_text(piece.to_json())
    return Material(folder)


def quiet(_line: str) -> None:
    """Says nothing."""


def test_a_stopped_codec_training_ends_with_the_same_weights(tmp_path: Path, material: Material) -> None:
    whole = train_codec(tmp_path / "whole", material, CODEC, quiet)

    class Stop(Exception):
        pass

    def stop_at_checkpoint(line: str) -> None:
        if '"step": 6' in line:
            raise Stop

    with pytest.raises(Stop):
        train_codec(tmp_path / "cut", material, CODEC, stop_at_checkpoint)
    resumed = train_codec(tmp_path / "cut", material, CODEC, quiet)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_stopped_decoder_training_ends_with_the_same_weights(tmp_path: Path, material: Material) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    for seed in material.seeds() + material.seeds(held_out=True):
        drawn = np.random.default_rng(seed).integers(0, 16, (8, 200)).astype(np.uint16)
        np.save(tokens / f"{seed}.npy", drawn)
    whole = train_decoder(tmp_path / "whole", material, tokens, DECODER, quiet)

    class Stop(Exception):
        pass

    def stop_at_checkpoint(line: str) -> None:
        if '"step": 6' in line:
            raise Stop

    with pytest.raises(Stop):
        train_decoder(tmp_path / "cut", material, tokens, DECODER, stop_at_checkpoint)
    resumed = train_decoder(tmp_path / "cut", material, tokens, DECODER, quiet)
    for name, value in whole.modules().state_dict().items():
        assert torch.equal(value, resumed.modules().state_dict()[name]), name


def test_an_excerpt_is_not_asked_for_parts_that_are_silent_in_it() -> None:
    piece = next(
        p for p in (compose(seed=s, seconds=30.0) for s in range(99)) if p.part("drums") and p.part("chords")
    )
    silent = np.ones((1500, len(CONCEPTS)), dtype=bool)
    silent[:500, [i for i, name in enumerate(CONCEPTS) if name.split(":")[0] == "drums"]] = False
    rng = random.Random(1)
    early = {excerpt_prompt(piece, silent, 0, 500, rng) for _ in range(40)}
    late = {excerpt_prompt(piece, silent, 600, 500, rng) for _ in range(40)}
    assert not any(" drums" in p.replace("no drums", "").replace("without drums", "") for p in early)
    assert any("drums" in p for p in late)


def test_settings_that_do_not_fit_are_refused() -> None:
    from drawbar.errors import BadInputError

    with pytest.raises(BadInputError, match="5 heads"):
        replace(DECODER, heads=5)


def test_prompts_in_training_name_the_instruments() -> None:
    concepts = np.ones((1500, len(CONCEPTS)), dtype=bool)
    for seed in range(12):
        piece = compose(seed=seed, seconds=30.0)
        kept = first_notes(piece)
        assert len(kept.notes) <= len(piece.parts)
        for draw in range(5):
            asked = excerpt_prompt(kept, concepts, 0, 500, random.Random(draw))
            assert asked == excerpt_prompt(piece, concepts, 0, 500, random.Random(draw))


def test_planted_heads_look_back_as_far_as_they_are_told() -> None:
    torch.manual_seed(0)
    decoder = Decoder(ModelSpec(d_model=128, n_layers=2, n_heads=2, d_ff=128, card=64))
    assert min(share for shares in plant(decoder, ((96, 40), (128,))) for share in shares) > 0.5


def test_an_excerpt_is_asked_for_the_progression_of_its_phrase() -> None:
    piece = next(
        p
        for p in (compose(s, 30.0, version=2) for s in range(99))
        if len(set(p.loop)) == 4 and p.tempo_bpm == 125.0
    )
    everything = np.ones((1500, len(CONCEPTS)), dtype=bool)
    for start, frames in ((0, 1152), (384 + 96, 16)):  # a whole excerpt, and a moment of the second phrase
        asked = [excerpt_prompt(piece, everything, start, frames, random.Random(n)) for n in range(60)]
        said = [prompt for prompt in asked if all(name in prompt for name in set(piece.loop))]
        assert said
        assert all(prompt.index(piece.loop[0]) < prompt.index(piece.loop[-1]) for prompt in said)


def test_a_new_machine_goes_on_from_the_model_that_was_landed(tmp_path: Path, material: Material) -> None:
    codec = train_codec(tmp_path / "first" / "codec", material, CODEC, quiet)
    encode_material(codec, material, tmp_path / "tokens", quiet, workers=1)
    language = train_decoder(tmp_path / "first" / "decoder", material, tmp_path / "tokens", DECODER, quiet)
    done: dict[str, object] = {
        "codec_steps": 6,
        "codec_minutes": 0.1,
        "decoder_steps": 3,
        "decoder_minutes": 0.2,
        "frames": 99,
        "codec": {"step": 6, "distance": 0.5},
        "decoder_curve": [{"step": 3, "held_out": [1.0]}],
    }
    export_model(tmp_path / "model", language, codec, done)
    assert go_on_from(tmp_path / "model", tmp_path / "second", DECODER) == 3
    log = (tmp_path / "second" / "log.txt").read_text().splitlines()
    assert record(tmp_path / "second", Recipe(), log)["decoder_curve"] == done["decoder_curve"]
    assert torch.allclose(
        train_codec(tmp_path / "second" / "codec", material, CODEC, quiet).codebooks,
        codec.codebooks,
        atol=1e-3,
    )
    lines: list[str] = []
    again = train_decoder(
        tmp_path / "second" / "decoder", material, tmp_path / "tokens", DECODER, lines.append
    )
    assert [json.loads(line)["step"] for line in lines] == [6]
    assert json.loads(lines[-1])["frames"] > 99
    assert torch.isfinite(again.decoder.head.weight).all()
    with pytest.raises(BadInputError, match="holds a training already"):
        go_on_from(tmp_path / "model", tmp_path / "second", DECODER)
    with pytest.raises(BadInputError, match="not a model of this recipe"):
        go_on_from(tmp_path / "model", tmp_path / "third", replace(DECODER, d_ff=256))


def test_a_held_head_finds_the_chord_that_is_due_whatever_training_does() -> None:
    torch.manual_seed(0)
    language = new_language(DecoderSettings())
    heads, _ = planted_heads(language)
    assert heads.share() > 0.85
    with torch.no_grad():
        for parameter in language.modules().parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    heads.hold()
    assert heads.share() > 0.8


def test_held_units_know_the_sixteenth_in_the_tempo_of_the_prompt_whatever_training_does() -> None:
    torch.manual_seed(0)
    language = new_language(DecoderSettings())
    _, heads = planted_heads(language)
    before = heads.fired()
    assert before["due"] > 1.0
    assert before["others"] < 0.2
    heads.plant()  # as when the text comes in: the same units, not as many again
    assert heads.fired()["due"] < 1.2 * before["due"]
    with torch.no_grad():
        for parameter in language.modules().parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    heads.hold()
    after = heads.fired()
    assert after["due"] > 0.5
    assert after["others"] < 0.2


def test_whether_a_code_changes_is_told_apart_from_what_it_changes_to() -> None:
    logits = torch.log(torch.tensor([0.7, 0.2, 0.1])).expand(1, 1, 4, 3)
    told = torch.tensor([[[0, 0, 3, 0]]])
    targets = torch.tensor([[[0, 2, 1, -100]]])
    found = change_losses(logits, told, targets)[0, 0].tolist()
    assert found == pytest.approx([-np.log(0.7), -np.log(0.3), 0.0, 0.0], abs=1e-6)
