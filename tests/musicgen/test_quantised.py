"""Packed weights, the 8-bit memory and the quantised stepper, each beside its plain twin."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F

from drawbar.errors import BadInputError, NotSupportedError
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.step import Stepper
from drawbar.musicgen.quantised import precision
from drawbar.musicgen.quantised.kernels import AttendJob, kernels
from drawbar.musicgen.quantised.packing import Workspace, pack, unpack
from drawbar.musicgen.quantised.stepper import QuantisedStepper, can_quantise
from drawbar.musicgen.spec import ModelSpec

needs_kernels = pytest.mark.skipif(kernels() is None, reason="the processor has no dot products of bytes")

SPEC = ModelSpec(
    name="quantised",
    d_model=128,
    n_layers=3,
    n_heads=2,
    d_ff=256,
    card=64,
    n_q=4,
    context_frames=60,
    text_dim=32,
)


@pytest.fixture
def decoder() -> Decoder:
    torch.manual_seed(5)
    return Decoder(SPEC).eval().requires_grad_(False)


def test_eight_bits_keep_weights_within_half_a_step() -> None:
    torch.manual_seed(0)
    weight = torch.randn(32, 96)
    back = unpack(pack(weight, 8))
    step = weight.view(32, 3, 32).abs().amax(-1, keepdim=True) / 127
    assert ((back - weight).view(32, 3, 32).abs() <= 0.51 * step).all()


def test_four_bits_keep_nine_tenths_of_the_weights() -> None:
    torch.manual_seed(0)
    weight = torch.randn(32, 96)
    assert (unpack(pack(weight, 4)) - weight).norm() / weight.norm() < 0.09


def test_a_group_of_zeros_stays_zero() -> None:
    for bits in (4, 8):
        assert torch.equal(unpack(pack(torch.zeros(16, 32), bits)), torch.zeros(16, 32))


def test_what_cannot_be_packed_is_said() -> None:
    with pytest.raises(BadInputError, match="3 bits"):
        pack(torch.zeros(16, 32), 3)
    with pytest.raises(NotSupportedError, match="33 inputs"):
        pack(torch.zeros(16, 33), 8)


@needs_kernels
@pytest.mark.parametrize(("bits", "rows", "threads"), [*itertools.product((4, 8), (1, 2, 3, 4, 7), (1, 2))])
def test_the_product_is_that_of_the_unpacked_weights(bits: int, rows: int, threads: int) -> None:
    torch.manual_seed(rows)
    packed, x = pack(torch.randn(48, 96), bits), torch.randn(rows, 96)
    before = torch.randn(rows, 48)
    out = before.clone()
    Workspace(rows, 96).multiply(x, packed, out, add=True, threads=threads)
    groups = x.view(rows, 3, 32)
    scale = groups.abs().amax(-1, keepdim=True) / 127
    as_bytes = ((groups / scale).round() * scale).view(rows, 96)  # what the kernel multiplies
    assert torch.allclose(out, before + as_bytes @ unpack(packed).T, atol=2e-4)
    assert (out - before - x @ unpack(packed).T).abs().max() < 0.02 * (x @ unpack(packed).T).abs().max()


@needs_kernels
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 40])
@pytest.mark.parametrize(("bits", "bound"), [(8, 0.03), (4, 0.25)])
def test_attention_over_bytes_is_near_attention_over_floats(
    bits: int, bound: float, length: int, threads: int
) -> None:
    torch.manual_seed(length)
    rows, heads, blocks = 2, 3, 4
    found = kernels()
    assert found is not None
    pairs, width = rows * heads, 3 * heads * 64
    keys, values = (torch.zeros(pairs, 2 * blocks * 64 * bits, dtype=torch.uint8) for _ in range(2))
    key_scales, value_scales = (torch.zeros(pairs, 16 * blocks) for _ in range(2))
    past = torch.randn(length, rows, width)
    for t in range(length):
        at = past[t].data_ptr()
        found.store[bits](
            at + 4 * heads * 64, at + 8 * heads * 64, keys.data_ptr(), key_scales.data_ptr(), values.data_ptr(),
            value_scales.data_ptr(), pairs, heads, width, blocks, t,
        )  # fmt: skip
    out, scratch = torch.zeros(rows, heads * 64), torch.zeros(2, 16 * blocks)
    job = AttendJob(
        past[-1].data_ptr(), keys.data_ptr(), key_scales.data_ptr(), values.data_ptr(), value_scales.data_ptr(),
        out.data_ptr(), scratch.data_ptr(), pairs, heads, blocks, length, width, threads,
    )  # fmt: skip
    found.attend[bits](job)
    parts = past.view(length, rows, 3, heads, 64).permute(2, 1, 3, 0, 4)
    plain = F.scaled_dot_product_attention(parts[0][:, :, -1:], parts[1], parts[2])
    assert torch.allclose(out, plain.transpose(1, 2).reshape(rows, -1), atol=bound)


@needs_kernels
@pytest.mark.parametrize(("bits", "bound"), [(8, 0.03), (4, 0.25)])
def test_a_quantised_decoder_stays_near_the_exact_one(decoder: Decoder, bits: int, bound: float) -> None:
    torch.manual_seed(1)
    exact, other = Stepper(decoder), QuantisedStepper(copy.deepcopy(decoder), bits)
    steps = torch.randint(0, SPEC.card, (2, 4, 40))
    text = exact.text(torch.randn(2, 5, 32), torch.tensor([[True] * 5, [False] * 5]))
    a, b = exact.forward(steps, None, text), other.forward(steps, None, text)
    assert (a - b).norm() / a.norm() < bound
    assert other.bytes < 0.3 * bits / 8 * 4 * sum(p.numel() for p in decoder.parameters())


@needs_kernels
def test_stepping_extends_the_quantised_memory_as_one_pass_does(decoder: Decoder) -> None:
    torch.manual_seed(2)
    stepper = QuantisedStepper(decoder, 8)
    steps = torch.randint(0, SPEC.card, (2, 4, 24))
    whole = stepper.forward(steps, None, None).view(2, 24, -1)
    cache = stepper.cache(2, 24)
    first = stepper.forward(steps[..., :10], cache, None).view(2, 10, -1)
    rest = [stepper.forward(steps[..., n : n + 1], cache, None).view(2, 1, -1) for n in range(10, 24)]
    assert torch.allclose(torch.cat([first, *rest], 1), whole, atol=0.05)
    cache.truncate(12)
    again = stepper.forward(steps[..., 12:13], cache, None)
    assert torch.equal(again.view(2, 1, -1), rest[2])
    with pytest.raises(BadInputError, match="outside the cache"):
        stepper.forward(steps, cache, None)


@needs_kernels
def test_comparing_a_precision_says_how_far_it_is(decoder: Decoder) -> None:
    exact = Stepper(decoder)
    tokens = torch.randint(0, SPEC.card, (1, 4, 30))
    same = precision.compare("float32", exact, exact, tokens, None)
    assert same.ratio == 1.0
    assert same.divergence == pytest.approx(0.0, abs=1e-6)
    assert same.good
    coarse = precision.compare("int4", exact, QuantisedStepper(copy.deepcopy(decoder), 4), tokens, None)
    assert coarse.divergence > same.divergence


def test_heads_of_another_width_are_refused_with_the_reason(decoder: Decoder) -> None:
    odd = Decoder(
        ModelSpec(name="odd", d_model=96, n_layers=1, n_heads=3, d_ff=96, card=64, n_q=4, text_dim=8)
    )
    assert can_quantise(odd.spec)
    with pytest.raises(NotSupportedError, match="float32"):
        precision.make_stepper(odd, "int8")
    with pytest.raises(BadInputError, match="int3"):
        precision.make_stepper(decoder, "int3")


@needs_kernels
def test_the_choice_is_remembered_and_a_ban_is_kept(
    decoder: Decoder, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path))
    monkeypatch.setattr(precision, "_SMALL", 0)
    times = {"float32": 0.05, "int8": 0.03, "int4": 0.02}
    monkeypatch.setattr(precision, "step_seconds", lambda _spec, name: times[name])
    assert precision.choose(copy.deepcopy(decoder), "digest").precision == "int4"
    times["float32"] = 0.001
    assert precision.choose(copy.deepcopy(decoder), "digest").precision == "int4", "the first choice holds"
    precision.forbid("digest", "int4", "cross-entropy 3 % higher")
    assert precision.choose(copy.deepcopy(decoder), "digest").precision == "float32"
    precision.forbid("digest", "int4", None)
    assert precision.choose(copy.deepcopy(decoder), "digest").precision == "float32"


@needs_kernels
def test_a_small_model_remembers_in_4_bits_unless_that_was_found_to_harm_it(
    decoder: Decoder, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path))
    for name in ("kv4", "kv8"):
        assert precision.choose(copy.deepcopy(decoder), "digest").precision == name
        precision.forbid("digest", name, "cross-entropy 3 % higher")
    assert precision.choose(copy.deepcopy(decoder), "digest").precision == "float32"


@needs_kernels
def test_a_memory_of_4_bits_is_overwritten_where_a_take_goes_back(decoder: Decoder) -> None:
    torch.manual_seed(3)
    stepper = QuantisedStepper(decoder, 32, 4)
    steps = torch.randint(0, SPEC.card, (2, 4, 40))
    cache, again = stepper.cache(2, 40), stepper.cache(2, 40)
    stepper.forward(steps, cache, None)
    cache.truncate(21)
    stepper.forward(steps[..., :21], again, None)
    assert torch.equal(
        stepper.forward(steps[..., 5:9], cache, None), stepper.forward(steps[..., 5:9], again, None)
    )
