"""Positions that count whole beats: exact, kept in the folder, the same in the references, and across windows."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drawbar.errors import BadInputError
from drawbar.musicgen import load_model
from drawbar.musicgen.checkpoint.weights import save_hf
from drawbar.musicgen.network.decoder import Decoder, position_table
from drawbar.musicgen.network.windows import Windows
from drawbar.musicgen.parity.interface import Oracle
from drawbar.musicgen.parity.transformers_model import TransformersReference
from tests.musicgen.tiny import SPEC, encodec, text_encoder, tokenizer_file

CLOCKED = replace(SPEC, clock_periods=(12, 4, 3))


def test_its_columns_come_round_exactly_and_the_others_stay() -> None:
    table, plain = position_table(1200, 32, (12, 4, 3)), position_table(1200, 32)
    assert torch.equal(table[:, :13], plain[:, :13])
    assert torch.equal(table[:, 16:29], plain[:, 16:29])
    clock = table[:, [13, 14, 15, 29, 30, 31]]
    torch.testing.assert_close(clock[:12], clock[1188:], atol=1e-3, rtol=0)
    assert (clock[:12, None] - clock[None, :12]).abs().amax(-1)[~torch.eye(12, dtype=torch.bool)].min() > 0.1


def test_windows_slide_by_whole_rounds() -> None:
    assert Windows.of(SPEC).stride == 24
    assert Windows.of(replace(SPEC, clock_periods=(11,))).stride == 22
    assert Windows.of(replace(SPEC, clock_periods=(384, 96))).stride == 384


@pytest.mark.parametrize("periods", [(12, 5), (0,), (-4, 2), tuple([12] * 9)])
def test_periods_that_do_not_fit_are_refused(periods: tuple[int, ...]) -> None:
    with pytest.raises(BadInputError, match="clock_periods"):
        replace(SPEC, clock_periods=periods)


@pytest.mark.parametrize("name", ["transformers", "audiocraft"])
def test_both_references_give_the_same_numbers(name: str) -> None:
    torch.manual_seed(0)
    decoder = Decoder(CLOCKED).eval()
    oracle: Oracle
    if name == "transformers":
        oracle = TransformersReference(decoder)
    else:
        if importlib.util.find_spec("audiocraft") is None:
            pytest.skip("the audiocraft extra is not installed")
        from drawbar.musicgen.parity.audiocraft_model import Reference

        oracle = Reference(decoder)
    steps = torch.randint(SPEC.card, (2, SPEC.n_q, 30))
    with torch.inference_mode():
        torch.testing.assert_close(oracle.run(steps).logits, decoder(steps), atol=1e-4, rtol=0)


def test_a_folder_keeps_it_and_a_long_take_slides_by_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    decoder = Decoder(CLOCKED)
    save_hf(
        tmp_path, CLOCKED, decoder, text_encoder(), tokenizer_file(tmp_path), encodec(), dtype=torch.float32
    )
    model = load_model(tmp_path)
    assert model.spec.clock_periods == (12, 4, 3)
    assert torch.equal(model.decoder.positions, decoder.positions)
    frames = 2 * SPEC.context_frames
    tokens = model.generate(seconds=frames / 50, seeds=[3])
    assert tokens.shape[-1] == frames
