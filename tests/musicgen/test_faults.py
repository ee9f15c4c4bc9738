"""One fault at a time -> verify fails, with the row that names it. A check that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from drawbar.musicgen import Model, load_model
from drawbar.musicgen.checkpoint import weights
from drawbar.musicgen.checkpoint.raw_tensors import read_origin
from drawbar.musicgen.checkpoint.tensor_names import hf_names
from drawbar.musicgen.codec.encodec import EncodecCodec
from drawbar.musicgen.codec.stereo import StereoCodec, StereoStream
from drawbar.musicgen.interfaces import Observer
from drawbar.musicgen.network import decoder as network
from drawbar.musicgen.network.step import Stepper, TextMemory
from drawbar.musicgen.network.text_encoder import TextEncoder
from drawbar.musicgen.parity.audiocraft_model import has_audiocraft
from drawbar.musicgen.parity.fixed_steering import FixedSteering
from drawbar.musicgen.parity.transformers_model import TransformersReference
from drawbar.musicgen.parity.verify import VerifySettings, verify
from drawbar.musicgen.spec import ModelSpec
from tests.musicgen import released

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released.write_hf(tmp_path_factory.mktemp("faults") / "model")


@pytest.fixture(scope="module")
def stereo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released.write_hf(tmp_path_factory.mktemp("stereo") / "model", stereo=True)


@pytest.fixture(scope="module")
def melody_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released.write_hf(tmp_path_factory.mktemp("melody") / "model", melody=True)


@pytest.fixture(scope="module")
def quiet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released.write_hf(tmp_path_factory.mktemp("quiet") / "model", quiet=True)


def failed(folder: Path, against: str = "transformers") -> set[str]:
    """What fails of a model loaded now; audiocraft is left to one fault of each kind, for time."""
    verdict = verify(load_model(folder), VerifySettings(frames=30), origin=read_origin(folder))
    assert not verdict.ok
    return {row.what for row in verdict.failed if row.against == against}


# --- layers -------------------------------------------------------------------------------------------------


def residuals_one_too_late(patch: Patch) -> None:
    real = Model.residuals

    def late(
        self: Model, tokens: Tensor, prompts: Any = None, layers: Sequence[int] = (), **more: Any
    ) -> Any:
        last = self.spec.n_layers - 1
        found = real(self, tokens, prompts, [min(n + 1, last) for n in layers], **more)
        return {n: found[min(n + 1, last)] for n in layers}

    patch.setattr(Model, "residuals", late)


def two_blocks_swapped_on_loading(patch: Patch) -> None:
    names = hf_names

    def other(spec: ModelSpec) -> dict[str, tuple[str, ...]]:
        found = names(spec)
        result = {}
        for ours, theirs in found.items():
            swap = {"layers.1.": "layers.2.", "layers.2.": "layers.1."}
            key = next((k for k in swap if ours.startswith(k)), None)
            result[ours] = theirs if key is None else found[ours.replace(key, swap[key], 1)]
        return result

    patch.setattr(weights, "hf_names", other)


def sliders_one_layer_off(patch: Patch) -> None:
    real = FixedSteering.added

    def shifted(self: FixedSteering, first: int, count: int) -> dict[int, Tensor]:
        return {layer + 1: vectors for layer, vectors in real(self, first, count).items()}

    patch.setattr(FixedSteering, "added", shifted)


def sliders_on_one_branch_only(patch: Patch) -> None:
    real = FixedSteering.added

    def one(self: FixedSteering, first: int, count: int) -> dict[int, Tensor]:
        return {n: torch.stack([v[0], 0 * v[1]]) for n, v in real(self, first, count).items()}

    patch.setattr(FixedSteering, "added", one)


@dataclass(frozen=True)
class Rotated:
    """Shows an observer the layer behind the one it asked for."""

    inner: Observer

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def layers(self) -> tuple[int, ...]:
        return self.inner.layers

    def observe(self, residuals: dict[int, Tensor]) -> Tensor:
        return self.inner.observe({n: residuals[(n + 1) % len(residuals)] for n in residuals})


def observers_see_the_next_layer(patch: Patch) -> None:
    real = Model.stream

    def rotated(self: Model, *args: Any, observers: Sequence[Observer] = (), **more: Any) -> Any:
        return real(self, *args, observers=[Rotated(one) for one in observers], **more)

    patch.setattr(Model, "stream", rotated)


# --- delays, norms and the rest -----------------------------------------------------------------------------


def delays(*wrong: int) -> Callable[[Patch], None]:
    def fault(patch: Patch) -> None:
        real = ModelSpec.__post_init__

        def late(self: ModelSpec) -> None:
            object.__setattr__(self, "delays", wrong)
            real(self)

        patch.setattr(ModelSpec, "__post_init__", late)

    return fault


def our_epsilon(value: float) -> Callable[[Patch], None]:
    """In our network only: torch's modules name their own epsilon in every call."""

    def fault(patch: Patch) -> None:
        real = F.layer_norm

        def other(x: Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: float = value) -> Tensor:
            return real(x, shape, weight, bias, eps)

        patch.setattr(F, "layer_norm", other)

    return fault


def their_epsilon(part: str) -> Callable[[Patch], None]:
    """In one kind of the reference's norms, a tenth of what it should be."""

    def fault(patch: Patch) -> None:
        real = TransformersReference.__init__

        def other(self: TransformersReference, *args: Any, **more: Any) -> None:
            real(self, *args, **more)
            for name, module in self.model.decoder.named_modules():
                if name.endswith(part):
                    module.eps = 1e-6

        patch.setattr(TransformersReference, "__init__", other)

    return fault


def positions_swapped(patch: Patch) -> None:
    real = network.position_table
    patch.setattr(
        network, "position_table", lambda count, d, clock: real(count, d, clock).roll(d // 2, dims=1)
    )


def padding_not_masked(patch: Patch) -> None:
    real = TextEncoder.encode

    def unmasked(self: TextEncoder, prompts: Sequence[str | None]) -> tuple[Tensor, Tensor]:
        states, mask = real(self, prompts)
        return states, torch.ones_like(mask)

    patch.setattr(TextEncoder, "encode", unmasked)


def an_empty_string_is_a_word(patch: Patch) -> None:
    real = Model.logits

    def other(self: Model, tokens: Tensor, prompts: Any = None, **more: Any) -> Tensor:
        return real(self, tokens, "slow" if prompts == "" else prompts, **more)

    patch.setattr(Model, "logits", other)


def guidance_too_strong(patch: Patch) -> None:
    real = Model.stream

    def stronger(self: Model, *args: Any, guidance: float = 3.0, **more: Any) -> Any:
        return real(self, *args, guidance=guidance + 1, **more)

    patch.setattr(Model, "stream", stronger)


def codec_encodes_late(patch: Patch) -> None:
    real = EncodecCodec.encode
    patch.setattr(EncodecCodec, "encode", lambda self, audio: real(self, audio).roll(1, dims=2))


def codec_decodes_louder(patch: Patch) -> None:
    real = EncodecCodec.decode
    patch.setattr(EncodecCodec, "decode", lambda self, tokens: 1.1 * real(self, tokens))


def channels_swapped(patch: Patch) -> None:
    real = StereoCodec.decode
    patch.setattr(StereoCodec, "decode", lambda self, tokens: real(self, tokens).flip(1))


def channels_one_after_the_other(patch: Patch) -> None:
    """All codebooks of the left channel, then those of the right one, instead of in turn."""
    split = StereoCodec.split
    order = [0, 4, 1, 5, 2, 6, 3, 7]
    patch.setattr(StereoCodec, "split", lambda self, tokens: split(self, tokens[:, order]))


def channels_swapped_on_encoding(patch: Patch) -> None:
    real = StereoCodec.encode
    patch.setattr(StereoCodec, "encode", lambda self, audio: real(self, audio.flip(1)))


def a_stream_that_swaps_its_channels(patch: Patch) -> None:
    real = StereoStream.push
    patch.setattr(StereoStream, "push", lambda self, tokens: real(self, tokens).flip(1))


@dataclass(frozen=True)
class Fault:
    """What is done, and which rows must fail."""

    does: Callable[[Patch], None]
    names: set[str]
    spares: set[str] = field(default_factory=set)
    """Rows that must *not* fail: the verdict points at the fault."""
    against: str = "transformers"


FAULTS = {
    "residuals of the next layer": Fault(
        residuals_one_too_late,
        {"layer numbering", "residual of layer 0"},
        {"logits", "residual of layer 0, playing"},
    ),
    "blocks swapped": Fault(
        two_blocks_swapped_on_loading,
        {"residual of layer 1", "logits"},
        {"residual of layer 0", "delay pattern"},
    ),
    "sliders one layer off": Fault(
        sliders_one_layer_off,
        {"steered: logits", "steered: residual of layer 0"},
        {"logits", "residual of layer 3"},
    ),
    "sliders on one branch": Fault(
        sliders_on_one_branch_only, {"steered: greedy tokens"}, {"steered: logits", "greedy tokens"}
    ),
    "observers see the next layer": Fault(
        observers_see_the_next_layer,
        {"residual of layer 0, playing"},
        {"layer numbering", "residual of layer 0"},
    ),
    "a delay too many": Fault(delays(0, 1, 2, 4), {"delay pattern", "logits", "greedy tokens"}),
    "a delay too few": Fault(delays(0, 1, 2, 2), {"delay pattern", "logits", "greedy tokens"}),
    "no delays": Fault(delays(0, 0, 0, 0), {"delay pattern", "logits", "greedy tokens"}),
    "epsilon 1e-6": Fault(our_epsilon(1e-6), {"norm epsilon"}, {"logits", "greedy tokens"}),
    "epsilon 1e-12": Fault(our_epsilon(1e-12), {"norm epsilon"}, {"greedy tokens"}),
    "epsilon 2e-5": Fault(our_epsilon(2e-5), {"norm epsilon"}, {"greedy tokens"}),
    "positions": Fault(positions_swapped, {"logits", "residual of layer 0"}, {"delay pattern"}),
    "guidance": Fault(guidance_too_strong, {"greedy tokens"}, {"logits", "residual of layer 0"}),
    "padding": Fault(padding_not_masked, {"two prompts at once"}, against="each alone"),
    "empty string": Fault(an_empty_string_is_a_word, {"empty string"}, against="null text"),
    "codec encode": Fault(codec_encodes_late, {"codec encode"}, {"codec decode", "logits"}),
    "codec decode": Fault(codec_decodes_louder, {"codec decode"}, {"codec encode", "logits"}),
}


STEREO_FAULTS = {
    "a swapped delay": Fault(
        delays(0, 0, 1, 1, 3, 3, 2, 2), {"delay pattern", "logits", "greedy tokens", "drawn, steered: tokens"}
    ),
    "delays as of eight mono codebooks": Fault(
        delays(0, 1, 2, 3, 4, 5, 6, 7), {"delay pattern", "logits", "greedy tokens"}
    ),
    "the right channel a step late": Fault(
        delays(0, 1, 1, 2, 2, 3, 3, 4), {"delay pattern", "logits", "greedy tokens"}
    ),
    "channels one after the other": Fault(
        channels_one_after_the_other, {"codec decode"}, {"codec encode", "logits"}
    ),
    "channels swapped": Fault(channels_swapped, {"codec decode"}, {"codec encode", "logits"}),
    "channels swapped on encoding": Fault(
        channels_swapped_on_encoding, {"codec encode"}, {"codec decode", "logits"}
    ),
    "a stream that swaps its channels": Fault(
        a_stream_that_swaps_its_channels,
        {"codec decode, frame by frame"},
        {"codec decode"},
        against="in one piece",
    ),
}


def melody_behind_the_prompt(patch: Patch) -> None:
    real = network.Decoder.before

    def turned(self: network.Decoder, states: Tensor, mask: Tensor, melody: Tensor) -> Tensor:
        return real(self, states, mask, melody).roll(states.shape[1], dims=2)

    patch.setattr(network.Decoder, "before", turned)


def melody_a_semitone_up(patch: Patch) -> None:
    real = network.Decoder.before
    patch.setattr(
        network.Decoder,
        "before",
        lambda self, states, mask, tones: real(self, states, mask, (tones + 1) % 12),
    )


def null_row_follows_the_melody(patch: Patch) -> None:
    real = Stepper.text

    def followed(self: Stepper, states: Tensor, mask: Tensor, melody: Tensor | None = None) -> TextMemory:
        given = melody if melody is None else melody[:1].expand_as(melody)
        return real(self, states, mask, given)

    patch.setattr(Stepper, "text", followed)


def steps_count_from_the_take(patch: Patch) -> None:
    """Positions that leave out what stands before."""
    real = network.Decoder.embedded

    def short(self: network.Decoder, steps: Tensor, start: int = 0) -> Tensor:
        return real(self, steps, start if steps.is_floating_point() else max(0, start - 235))

    patch.setattr(network.Decoder, "embedded", short)


MELODY_FAULTS = {
    "melody behind the prompt": Fault(
        melody_behind_the_prompt, {"logits", "greedy tokens"}, {"delay pattern"}
    ),
    "melody a semitone up": Fault(melody_a_semitone_up, {"logits", "no melody: logits"}, {"delay pattern"}),
    "null row follows the melody": Fault(null_row_follows_the_melody, {"greedy tokens"}, {"logits"}),
    "positions without what stands before": Fault(steps_count_from_the_take, {"logits", "greedy tokens"}),
    "a delay too few": Fault(delays(0, 1, 2, 2), {"delay pattern", "logits", "greedy tokens"}),
}


@pytest.mark.parametrize("against", ["transformers", "audiocraft"])
@pytest.mark.parametrize("name", MELODY_FAULTS)
def test_a_fault_of_melody_fails_the_row_that_names_it(
    name: str, against: str, melody_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if against == "audiocraft" and not has_audiocraft():
        pytest.skip("the audiocraft extra is not installed")
    fault = MELODY_FAULTS[name]
    fault.does(monkeypatch)
    found = failed(melody_folder, against)
    assert fault.names <= found
    assert not fault.spares & found


@pytest.mark.parametrize("against", ["transformers", "audiocraft"])
@pytest.mark.parametrize("name", STEREO_FAULTS)
def test_a_fault_of_stereo_fails_the_row_that_names_it(
    name: str, against: str, stereo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = STEREO_FAULTS[name]
    if against == "audiocraft" and not has_audiocraft():
        pytest.skip("the audiocraft extra is not installed")
    fault.does(monkeypatch)
    found = failed(stereo_folder, against if fault.against == "transformers" else fault.against)
    assert fault.names <= found
    assert not fault.spares & found


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_the_row_that_names_it(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = FAULTS[name]
    monkeypatch.setattr("drawbar.musicgen.parity.verify.has_audiocraft", lambda: False)
    fault.does(monkeypatch)
    found = failed(folder, fault.against)
    assert fault.names <= found
    assert not fault.spares & found


@pytest.mark.parametrize("name", ["residuals of the next layer", "a delay too few", "epsilon 1e-6"])
def test_audiocraft_names_it_too(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("audiocraft", reason="the audiocraft extra is not installed")
    FAULTS[name].does(monkeypatch)
    assert FAULTS[name].names <= failed(folder, "audiocraft")


@pytest.mark.parametrize(
    "part",
    ["self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm", "model.decoder.layer_norm"],
)
def test_the_epsilon_of_every_norm_is_seen(
    part: str, quiet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawbar.musicgen.parity.verify.has_audiocraft", lambda: False)
    assert verify(load_model(quiet_folder), VerifySettings(frames=30)).ok
    their_epsilon(part)(monkeypatch)
    assert failed(quiet_folder) == {"norm epsilon"}


def test_the_references_hold_what_the_file_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drawbar.musicgen.parity.verify.has_audiocraft", lambda: False)
    model, origin = load_model(folder), read_origin(folder)
    assert verify(model, VerifySettings(frames=30), origin=origin).ok
    other = replace(origin, tensors={name: tensor + 1e-3 for name, tensor in origin.tensors.items()})
    assert not verify(model, VerifySettings(frames=30), origin=other).ok
