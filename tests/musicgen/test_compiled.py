"""Frames and codec frames in one call of compiled code, each beside its plain twin; AArch64 under emulation."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drawbar.errors import NotFiniteError
from drawbar.musicgen.codec.bands import BandCodec
from drawbar.musicgen.codec.compiled_stream import CompiledCodecStream
from drawbar.musicgen.codec.spectral import FrameCodec, SpectralCodec, SpectralConfig, SpectralStream
from drawbar.musicgen.compiled import byte_kernels, program
from drawbar.musicgen.compiled.machine_code import compiled, object_file
from drawbar.musicgen.compiled.targets import NEON, TARGETS, runnable
from drawbar.musicgen.generation.generation import Generation, GenerationSettings
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.step import Stepper
from drawbar.musicgen.quantised.packing import pack
from drawbar.musicgen.quantised.precision import make_stepper
from drawbar.musicgen.spec import ModelSpec
from drawbar.steering import Direction, Mixer

pytestmark = pytest.mark.skipif(not runnable(), reason="the processor has no dot products of bytes")

SPEC = ModelSpec(
    name="compiled", d_model=128, n_layers=2, n_heads=2, d_ff=160, card=48, n_q=3, delays=(0, 1, 2),
    context_frames=24, text_dim=16,
)  # fmt: skip


def decoder() -> Decoder:
    torch.manual_seed(5)
    return Decoder(SPEC).eval().requires_grad_(False)


def mixer() -> Mixer:
    vector = torch.nn.functional.normalize(torch.ones(SPEC.d_model), dim=0)
    result = Mixer([Direction("1/0", 1, vector, 2.0, encoder=vector)], spec=SPEC)
    result.set("1/0", 1.5)
    return result


def generation(
    stepper: Stepper, sampler: Sampler, *, plain: bool, guidance: float | None, twin: bool, frames: int, clips: int = 1,
    steering: Mixer | None = None,
) -> Generation:  # fmt: skip
    settings = GenerationSettings(tuple(range(11, 11 + clips)), guidance, frames, twin)
    rows = clips * (1 if guidance is None else 2) * (2 if twin else 1)
    states = torch.randn(1, 4, SPEC.text_dim, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True, True, True, False], [False] * 4] * rows)[:rows]
    text = stepper.text(states.repeat(rows, 1, 1), mask)
    run = (steering or mixer()).start(None, guidance)
    graphed = False if plain else None
    return Generation(stepper, text, sampler, settings, [run], watched=[1], graphed=graphed)


def tokens(made: Generation, frames: int) -> Tensor:
    while made.position < frames + SPEC.max_delay:
        made.step()
    return made.tokens(0, frames)


@pytest.mark.parametrize("precision", ["float32", "kv8", "kv4", "int8", "int4"])
@pytest.mark.parametrize(
    ("sampling", "guidance", "twin"),
    [((1.0, 10, None), 3.0, True), ((0.9, 0, 0.6), 3.0, False), ((0.0, 5, None), None, False)],
)
def test_a_frame_in_one_call_gives_the_tokens_and_residuals_of_the_plain_step(
    precision: str, sampling: tuple[float, int, float | None], guidance: float | None, twin: bool
) -> None:
    stepper = make_stepper(decoder(), precision)
    sampler = Sampler(SPEC.card, sampling[0], sampling[1], change_temperature=sampling[2])
    settings: dict[str, Any] = {"guidance": guidance, "twin": twin, "frames": 14}
    plain = generation(stepper, sampler, plain=True, **settings)
    fast = generation(stepper, sampler, plain=False, **settings)
    assert torch.equal(tokens(plain, 14), tokens(fast, 14))
    assert fast._compiled
    assert not plain._compiled
    assert torch.allclose(plain.watch[1], fast.watch[1], atol=1e-4 if precision == "float32" else 0.05)


def test_past_the_window_and_back_again_the_same_tokens_come() -> None:
    stepper, sampler = Stepper(decoder()), Sampler(SPEC.card, 1.0, 10)
    settings: dict[str, Any] = {"guidance": 3.0, "twin": False, "frames": 70}
    plain = tokens(generation(stepper, sampler, plain=True, **settings), 70)
    made = generation(stepper, sampler, plain=False, **settings)
    assert torch.equal(tokens(made, 70), plain)
    made.rewind(40)
    assert torch.equal(tokens(made, 70), plain)


@pytest.mark.parametrize("precision", ["float32", "kv4"])
def test_twins_that_go_apart_past_a_window_are_those_of_the_plain_step_and_of_a_take_without(
    precision: str,
) -> None:
    stepper, sampler = make_stepper(decoder(), precision), Sampler(SPEC.card, 1.0, 10)
    made: dict[str, Tensor] = {}
    vector = torch.nn.functional.normalize(torch.arange(SPEC.d_model) % 7 - 3.0, dim=0)
    for name, plain, twin in (("plain", True, True), ("fast", False, True), ("alone", False, False)):
        sliders = Mixer([Direction("1/0", 1, vector, 20.0)], spec=SPEC)
        one = generation(stepper, sampler, plain=plain, guidance=3.0, twin=twin, frames=70, steering=sliders)
        tokens(one, 30)
        assert one.rows == 2
        if twin:
            sliders.set("1/0", 2.0)
        made[name] = tokens(one, 70)
    assert torch.equal(made["plain"], made["fast"])
    assert torch.equal(made["fast"][1:], made["alone"])
    assert not torch.equal(made["fast"][:1], made["alone"])


def test_rows_do_not_depend_on_how_many_there_are() -> None:
    stepper, sampler = Stepper(decoder()), Sampler(SPEC.card, 1.0, 10)
    settings: dict[str, Any] = {"plain": False, "guidance": 3.0, "twin": False, "frames": 8}
    one = generation(stepper, sampler, **settings)
    many = generation(stepper, sampler, clips=5, **settings)
    assert torch.equal(tokens(many, 8)[:1], tokens(one, 8))
    assert torch.equal(many.watch[1][0], one.watch[1][0])


def test_logits_that_are_not_finite_are_noticed() -> None:
    model = decoder()
    model.head.weight.data[0, 0] = torch.inf
    made = generation(Stepper(model), Sampler(SPEC.card), plain=False, guidance=3.0, twin=False, frames=4)
    with pytest.raises(NotFiniteError):
        made.step()


def _codec(kind: str) -> FrameCodec:
    torch.manual_seed(3)
    if kind == "bands":
        codec: FrameCodec = BandCodec()
        torch.nn.init.normal_(codec.tone_head.weight, std=0.02)  # type: ignore[union-attr, arg-type]
        codec.codebooks.uniform_(0, 0.6)  # type: ignore[operator]
    else:
        codec = SpectralCodec(SpectralConfig(decoder_width=64, decoder_blocks=2, latent=18))
    return codec.eval().requires_grad_(False)


@pytest.mark.parametrize("kind", ["bands", "spectral"])
def test_a_codec_frame_in_one_call_is_the_plain_stream_s(kind: str) -> None:
    codec = _codec(kind)
    given = torch.randint(0, codec.card, (2, codec.n_q, 9))
    fast, plain = codec.stream(2), SpectralStream(codec, 2)
    assert isinstance(fast, CompiledCodecStream)
    first = [fast.push(given[..., :4]), plain.push(given[..., :4])]
    state = fast.snapshot()
    fast.push(given[..., 5:8])
    fast.restore(state)
    rest = [fast.push(given[..., 4:]), plain.push(given[..., 4:])]
    ends = [fast.flush(), plain.flush()]
    ours, theirs = (torch.cat([a, b, c], 2) for a, b, c in zip(first, rest, ends, strict=True))
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 2e-6 * max(
        1.0, float(theirs.abs().max())
    )  # float32, other order of sums


def test_a_codec_whose_weights_change_is_laid_out_anew() -> None:
    codec = _codec("spectral")
    given = torch.randint(0, codec.card, (1, codec.n_q, 3))
    before = codec.stream().push(given)
    with torch.no_grad():
        codec.head.bias.add_(0.5)  # type: ignore[union-attr, operator]
    assert not torch.equal(codec.stream().push(given), before)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_every_target_compiles(target: object) -> None:
    assert len(object_file(target, byte_kernels.assembly(target))) > 5000  # type: ignore[arg-type]


# --- the same bits on every processor -------------------------------------------------------------------------------

ROWS, IN, OUT, PAST = 3, 96, 48, 21
HARNESS = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int drawbar_thread(void) { return 0; }
void drawbar_barrier(void) {}
extern void quantise(void*, void*, void*, void*, int64_t, int32_t);
typedef void stored(void*, void*, void*, void*, void*, void*, int64_t, int64_t, int64_t, int64_t, int64_t);
extern stored store8, store4; extern void attend8(void*); extern void attend4(void*);
extern void multiply8_3(void*); extern void multiply4_3(void*);
extern void norm(void*); extern void linear(void*);
static void* in(size_t n) { void* p = calloc(n + 8192, 1); if (fread(p, 1, n, stdin) != n) exit(1); return p; }
static void put(void* p, size_t n) { fwrite(p, 1, n, stdout); }
#define A(p) ((int64_t)(p))
int main(void) {
  enum { R = 3, I = 96, O = 48, T = 21, D = 128 };
  float* x = in(4*R*I); void* w8 = in(O*I); void* s8 = in(2*O*I/32); void* w4 = in(O*I/2); void* s4 = in(2*O*I/32);
  float* past = in(4*T*2*3*D); float* nw = in(4*I); float* nb = in(4*I); float* wf = in(4*O*I);
  void* q = calloc(R*I, 1); float* qs = calloc(R*I/32, 4); int32_t* qz = calloc(R*I/32, 4); float* out = calloc(R*O, 4);
  quantise(x, q, qs, qz, R*I/32, -128);
  int64_t m[] = {A(w8), A(s8), A(q), A(qs), A(qz), A(out), I/32, O/16, O, 0, 1};
  multiply8_3(m); put(out, 4*R*O);
  quantise(x, q, qs, qz, R*I/32, -8);
  m[0] = A(w4); m[1] = A(s4); multiply4_3(m); put(out, 4*R*O);
  for (int bits = 8; bits >= 4; bits -= 4) {
    void *k = calloc(4*32*64, 1), *v = calloc(4*32*64, 1); float *ks = calloc(4*32, 4), *vs = calloc(4*32, 4);
    for (int t = 0; t < T; t++) {
      float* at = past + t*2*3*D; (bits == 8 ? store8 : store4)(at + D, at + 2*D, k, ks, v, vs, 4, 2, 3*D, 2, t);
    }
    float* mixed = calloc(2*D, 4); float* scratch = calloc(32, 4);
    int64_t a[] = {A(past + (T-1)*2*3*D), A(k), A(ks), A(v), A(vs), A(mixed), A(scratch), 4, 2, 2, T, 3*D, 1};
    (bits == 8 ? attend8 : attend4)(a); put(mixed, 4*2*D);
  }
  float* normed = calloc(R*I, 4);
  int64_t n[] = {A(x), A(nw), A(nb), A(normed), R, I}; norm(n); put(normed, 4*R*I);
  int64_t l[] = {A(wf), 0, A(normed), A(out), R, I, O/16, I, O, 2, 1}; linear(l); put(out, 4*R*O);
  return 0;
}
"""


def _inputs() -> list[Tensor]:
    torch.manual_seed(9)
    x, weight = torch.randn(ROWS, IN), torch.randn(OUT, IN)
    eight, four = pack(weight, 8), pack(weight, 4)
    floats = program.FloatWeights(weight).values
    past = torch.randn(PAST, 2, 3 * 128)
    return [
        x,
        eight.weights,
        eight.scales,
        four.weights,
        four.scales,
        past,
        torch.randn(IN),
        torch.randn(IN),
        floats,
    ]


@pytest.mark.skipif(
    not (shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static"))
    or not shutil.which("aarch64-linux-gnu-gcc"),
    reason="needs qemu-user and gcc-aarch64-linux-gnu",
)
def test_aarch64_gives_the_same_bits_under_emulation(tmp_path: Path) -> None:
    blob = b"".join(part.contiguous().numpy().tobytes() for part in _inputs())
    results = []
    source = tmp_path / "harness.c"
    source.write_text(HARNESS)
    (tmp_path / "neon.o").write_bytes(object_file(NEON, program.whole_assembly(NEON)))
    subprocess.run(
        ["aarch64-linux-gnu-gcc", "-static", "-O1", "-o", tmp_path / "neon", source, tmp_path / "neon.o"], check=True
    )  # fmt: skip
    emulator = shutil.which("qemu-aarch64") or "qemu-aarch64-static"
    results.append(
        subprocess.run(
            [emulator, "-cpu", "max", tmp_path / "neon"], input=blob, capture_output=True, check=True
        ).stdout
    )
    results.append(_on_this_machine())
    assert len(results[0]) == len(results[1])
    assert results[0] == results[1]


def _on_this_machine() -> bytes:
    """What the harness does, with the kernels of this processor."""
    target = runnable()[-1]
    code = compiled(target, program.whole_assembly(target))
    x, w8, s8, w4, s4, past, nw, nb, wf = _inputs()
    q, qs, qz = (
        torch.zeros(ROWS, IN, dtype=torch.int8),
        torch.zeros(ROWS * 3),
        torch.zeros(ROWS * 3, dtype=torch.int32),
    )
    results = []

    def call(name: str, *fields: Tensor | int) -> None:
        values = [f.data_ptr() if isinstance(f, Tensor) else f for f in fields]
        job = (ctypes.c_int64 * len(values))(*values)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code[name])(ctypes.addressof(job))

    for bits, weights, scales in ((8, w8, s8), (4, w4, s4)):
        out = torch.zeros(ROWS, OUT)
        call("quantise_job", x, q, qs, qz, ROWS * 3, -128 if bits == 8 else -8, 1)
        call(f"multiply{bits}_3", weights, scales, q, qs, qz, out, 3, OUT // 16, OUT, 0, 1)
        results.append(out)
    for bits in (8, 4):
        keys, values = (torch.zeros(4 * 32 * 64, dtype=torch.uint8) for _ in range(2))
        ks, vs, mixed, scratch = (
            torch.zeros(4 * 32),
            torch.zeros(4 * 32),
            torch.zeros(2, 128),
            torch.zeros(32),
        )
        for t in range(PAST):
            at, frame = past[t].view(-1), torch.tensor([t])
            call(f"store{bits}_job", at[128:], at[256:], keys, ks, values, vs, 4, 2, 384, 2, frame)
        call(f"attend{bits}", past[-1], keys, ks, values, vs, mixed, scratch, 4, 2, 2, PAST, 384, 1)
        results.append(mixed)
    normed, out = torch.zeros(ROWS, IN), torch.zeros(ROWS, OUT)
    call("norm", x, nw, nb, normed, ROWS, IN)
    call("linear", wf, 0, normed, out, ROWS, IN, OUT // 16, IN, OUT, 2, 1)
    return b"".join(part.numpy().tobytes() for part in [*results, normed, out])


def test_where_nothing_can_be_kept_kernels_are_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("DRAWBAR_HOME", os.fspath(blocked))
    assert compiled(runnable()[0], "define void @nothing() {\n  ret void\n}\n")["nothing"]
