"""Ours against transformers and audiocraft: the same weights give the same numbers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drawbar.musicgen import Model, load_model
from drawbar.musicgen.network.delay import logits_to_frames, to_steps
from tests.musicgen import released

ATOL = 1e-4
"""Measured: 1e-6 against audiocraft and 0 against transformers here; 3e-5 on the embedded model."""

PROMPTS = ["slow piano in a minor", "fast drums"]

needs_audiocraft = pytest.mark.skipif(
    importlib.util.find_spec("audiocraft") is None, reason="the audiocraft extra is not installed"
)


@pytest.fixture(scope="module")
def hf(tiny_folder: Path) -> Any:
    from transformers import MusicgenForConditionalGeneration

    return MusicgenForConditionalGeneration.from_pretrained(tiny_folder).eval()


@torch.no_grad()
def hf_forward(hf: Any, model: Model, steps: Tensor, prompt: str) -> Any:
    assert model.text is not None
    ids = torch.tensor([model.text.tokenizer.encode(prompt).ids])
    return hf(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        decoder_input_ids=steps.reshape(-1, steps.shape[-1]),
        output_hidden_states=True,
    )


def test_a_saved_model_gives_the_logits_that_transformers_gives(hf: Any, tiny: Model, tokens: Tensor) -> None:
    ours = tiny.logits(tokens, PROMPTS)
    steps = to_steps(tokens, tiny.spec.delays, tiny.spec.card, valid_only=True)
    for row, prompt in enumerate(PROMPTS):
        theirs = hf_forward(hf, tiny, steps[row : row + 1], prompt).logits.view(1, 4, steps.shape[-1], -1)
        expected = logits_to_frames(theirs, tiny.spec.delays, tokens.shape[-1])
        torch.testing.assert_close(ours[row : row + 1], expected, atol=ATOL, rtol=0, equal_nan=True)


def test_a_residual_is_the_output_of_its_own_layer_and_of_no_other(
    hf: Any, tiny: Model, tokens: Tensor
) -> None:
    steps = to_steps(tokens[:1], tiny.spec.delays, tiny.spec.card, valid_only=True)
    outputs: dict[int, Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out, n=n: outputs.update({n: out}))
        for n, layer in enumerate(hf.decoder.model.decoder.layers)
    ]
    hf_forward(hf, tiny, steps, PROMPTS[0])
    for hook in hooks:
        hook.remove()
    ours = tiny.residuals(tokens[:1], PROMPTS[:1], layers=range(tiny.spec.n_layers))
    assert ours[0].shape == (1, tokens.shape[-1] + 1, tiny.spec.d_model)
    for layer, residual in ours.items():
        torch.testing.assert_close(residual, outputs[layer], atol=ATOL, rtol=0)
        for other in set(ours) - {layer}:
            assert (residual - outputs[other]).abs().max() > 0.1


def test_greedy_tokens_with_guidance_are_those_of_transformers(hf: Any, tiny: Model) -> None:
    frames, prompt = 16, PROMPTS[0]
    spec = tiny.spec
    decided = torch.zeros(1, 4, frames, dtype=torch.long)
    for position in range(frames + spec.max_delay):
        steps = to_steps(decided, spec.delays, spec.card)[..., : position + 1]
        logits = hf_forward(hf, tiny, steps, prompt).logits.view(4, position + 1, -1)[:, -1]
        null = hf.decoder(input_ids=steps.reshape(4, -1)).logits.view(4, position + 1, -1)[:, -1]
        chosen = (null + 3.0 * (logits - null)).argmax(-1)
        for book, delay in enumerate(spec.delays):
            if 0 <= position - delay < frames:
                decided[0, book, position - delay] = chosen[book]
    ours = tiny.generate(prompt, [0], frames / spec.frame_rate_hz, temperature=0)
    assert torch.equal(ours, decided)


def test_null_text_adds_nothing(tiny: Model, tokens: Tensor) -> None:
    alone = tiny.logits(tokens, None)
    for empty in ("", "  ", "zebra"):
        torch.testing.assert_close(tiny.logits(tokens, empty), alone, atol=0, rtol=0, equal_nan=True)
    mixed = tiny.logits(tokens, [None, "fast drums"])
    torch.testing.assert_close(mixed[:1], alone[:1], atol=1e-5, rtol=0, equal_nan=True)
    assert (mixed[1] - alone[1]).nan_to_num().abs().max() > 0.1


def test_a_prompt_does_not_depend_on_its_neighbours(tiny: Model, tokens: Tensor) -> None:
    together = tiny.logits(tokens, PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        alone = tiny.logits(tokens[row : row + 1], prompt)
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=0, equal_nan=True)


@needs_audiocraft
def test_logits_and_residuals_are_those_of_audiocraft(tiny: Model, tokens: Tensor) -> None:
    from drawbar.musicgen.parity.audiocraft_model import Reference

    reference = Reference(tiny.decoder)
    assert tiny.text is not None
    layers = range(tiny.spec.n_layers)
    for row, prompt in enumerate([PROMPTS[0], None]):
        clip = tokens[row : row + 1]
        text = None if prompt is None else tiny.text.encode([prompt])
        torch.testing.assert_close(
            tiny.logits(clip, prompt), reference.logits(clip, text), atol=ATOL, rtol=0, equal_nan=True
        )
        theirs = reference.run(reference.steps(clip), text).residuals
        for layer, residual in tiny.residuals(clip, prompt, layers).items():
            torch.testing.assert_close(residual, theirs[layer][:, : 12 + 1], atol=ATOL, rtol=0)


@needs_audiocraft
def test_steered_logits_are_those_of_audiocraft_with_a_hook(tiny: Model, tokens: Tensor) -> None:
    from drawbar.musicgen.parity.audiocraft_model import Reference
    from drawbar.steering import Direction, Mixer

    vector = torch.nn.functional.normalize(torch.randn(32, generator=torch.Generator().manual_seed(3)), dim=0)
    mixer = Mixer([Direction("1/0", 1, vector, 2.0)], spec=tiny.spec)
    mixer.set("1/0", 1.5)
    theirs = Reference(tiny.decoder).logits(tokens, add={1: 3.0 * vector})
    ours = tiny.logits(tokens, steering=mixer)
    torch.testing.assert_close(ours, theirs, atol=ATOL, rtol=0, equal_nan=True)


@pytest.mark.parametrize("name", ["transformers", pytest.param("audiocraft", marks=needs_audiocraft)])
def test_every_norm_has_the_epsilon_of_the_references(name: str, tmp_path: Path) -> None:
    """Ordinary residuals hide an epsilon; where attention adds little and residuals are faint it decides."""
    from drawbar.musicgen.parity.audiocraft_model import Reference
    from drawbar.musicgen.parity.fixed_steering import FixedSteering
    from drawbar.musicgen.parity.transformers_model import TransformersReference

    model = load_model(released.write_hf(tmp_path / "quiet", quiet=True))
    assert model.text is not None
    clip = torch.randint(0, model.spec.card, (1, 4, 20), generator=torch.Generator().manual_seed(5))
    kinds: dict[str, Any] = {"transformers": TransformersReference, "audiocraft": Reference}
    oracle = kinds[name](model.decoder)
    text = model.text.encode(PROMPTS[:1])
    for layers in ((0, 1, 2), (3,)):
        faint = FixedSteering(faint=layers)
        ours = model.residuals(clip, PROMPTS[0], [3], steering=faint)[3]
        passed = oracle.run(oracle.steps(clip), text, faint.edits())
        torch.testing.assert_close(ours, passed.residuals[3][:, :21], atol=ATOL, rtol=0)
        theirs = logits_to_frames(passed.logits[:, :, :21], model.spec.delays, 20)
        torch.testing.assert_close(
            model.logits(clip, PROMPTS[0], steering=faint), theirs, atol=ATOL, rtol=0, equal_nan=True
        )


@needs_audiocraft
def test_the_delay_pattern_is_audiocrafts() -> None:
    from drawbar.musicgen.network.delay import to_frames
    from drawbar.musicgen.parity.audiocraft_model import import_audiocraft

    import_audiocraft()
    from audiocraft.modules.codebooks_patterns import DelayedPatternProvider

    codes = torch.arange(4 * 9).view(1, 4, 9)
    delays = (0, 1, 2, 3)
    pattern = DelayedPatternProvider(4, delays=list(delays)).get_pattern(9)
    for valid in (True, False):
        theirs, _, _ = pattern.build_pattern_sequence(codes, 99, keep_only_valid_steps=valid)
        assert torch.equal(to_steps(codes, delays, 99, valid_only=valid), theirs)
    assert torch.equal(to_frames(to_steps(codes, delays, 99), delays), codes)
    logits = torch.randn(1, 2, 4, 10)  # [B, card, K, S]
    reverted, _, _ = pattern.revert_pattern_logits(logits, float("nan"), keep_only_valid_steps=True)
    ours = logits_to_frames(logits.permute(0, 2, 3, 1), delays, 9)
    torch.testing.assert_close(ours, reverted.permute(0, 2, 3, 1), equal_nan=True)


@needs_audiocraft
def test_the_embedded_model_gives_audiocrafts_numbers() -> None:
    from drawbar.musicgen.parity.audiocraft_model import Reference
    from drawbar.paths import embedded_model_dir

    if not (embedded_model_dir() / "model.safetensors").is_file():
        pytest.skip("the embedded model is not in this checkout")
    model = load_model("embedded")
    assert model.text is not None
    clip = torch.randint(0, model.spec.card, (1, 4, 60), generator=torch.Generator().manual_seed(2))
    prompt = "slow piano in a minor with drums"
    reference = Reference(model.decoder)
    text = model.text.encode([prompt])
    ours, theirs = model.logits(clip, prompt), reference.logits(clip, text)
    torch.testing.assert_close(ours, theirs, atol=ATOL, rtol=0, equal_nan=True)
    layers = range(model.spec.n_layers)
    expected = reference.run(reference.steps(clip), text).residuals
    for layer, residual in model.residuals(clip, prompt, layers).items():
        torch.testing.assert_close(residual, expected[layer][:, : 60 + 1], atol=ATOL, rtol=0)
