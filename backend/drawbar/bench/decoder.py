"""A released shape -> milliseconds a step: ours at every precision, audiocraft, transformers, the memory's floor.

Random weights of the released sizes (speed does not depend on their values), guidance on, a prompt of 12 words.
What is compared runs interleaved (A B B A) in one process, warm; every step takes embedding, all blocks, heads,
guidance and sampling. The floor is the time to read the step's weights and past once at the bandwidth measured in
the same run.
"""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drawbar.bench.live import machine
from drawbar.errors import BadInputError, DrawbarError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen import load_model
from drawbar.musicgen.checkpoint.memory_needed import check_room
from drawbar.musicgen.generation.generation import Generation, GenerationSettings
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.step import Stepper
from drawbar.musicgen.quantised.precision import make_stepper, precisions
from drawbar.musicgen.spec import ModelSpec
from drawbar.steering import Direction, Mixer

Progress = Callable[[str, float], object]
Step = Callable[[], object]
SHAPES = {
    "small": (1024, 24, 16),
    "medium": (1536, 48, 24),
    "large": (2048, 48, 32),
}
"""Width, layers, heads of the released models."""
WORDS, WARM, BLOCK = 12, 6, 12
BYTES = {
    "float32": 4.0,
    "kv8": 4.0,
    "kv4": 4.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "int8": 1.0625,
    "int4": 0.5625,
}
GOALS = {"cpu": ("ratio_audiocraft", 4.0), "cuda": ("ratio_audiocraft", 30.0)}


def spec_of(shape: str) -> ModelSpec:
    """The sizes of a released model. Raises BadInputError for another name."""
    if shape not in SHAPES:
        raise BadInputError(f"shape {shape!r}: use {', '.join(SHAPES)} or embedded")
    width, layers, heads = SHAPES[shape]
    return ModelSpec(
        name=f"random weights, {shape}",
        d_model=width,
        n_layers=layers,
        n_heads=heads,
        d_ff=4 * width,
        card=2048,
        n_q=4,
        text_dim=768,
    )


def run(
    shape: str = "small",
    *,
    device: str = "cpu",
    blocks: int = 4,
    references: bool = True,
    context_frames: int = 750,
    sliders: int = 16,
    progress: Progress | None = None,
) -> JsonObject:
    """Measure; plain JSON values. ``blocks`` rounds of A B B A; raises BadInputError or DeviceError.

    ``context_frames`` is how much past the second measurement of ours has (the first, like the references, has
    little).
    """
    tell = progress or (lambda _what, _share: None)
    tell("drawing weights", 0.0)
    place = torch.device(device)
    decoder = _decoder(shape, place)
    spec = decoder.spec
    states, mask = torch.randn(1, WORDS, spec.text_dim, device=place), torch.ones(1, WORDS, device=place)
    result: JsonObject = {"shape": shape, "machine": machine(place), "rows": {}, "left_out": {}}
    # The better of two ways to measure: a copy counts what it reads and writes.
    read_gb_s = max(_reading_gb_s(place), float(result["machine"]["bandwidth_gb_s"]))
    result["machine"]["read_gb_s"] = round(read_gb_s, 1)
    engines: dict[str, Step] = {}
    if references:
        _add_references(engines, result["left_out"], decoder, states, mask)
    for name in precisions(spec, place):
        tell(f"packing {name}", 0.1)
        try:
            stepper = make_stepper(copy.deepcopy(decoder) if name.startswith("int") else decoder, name)
        except DrawbarError as error:
            result["left_out"][name] = str(error)
            continue
        engines[name] = _ours(stepper, states, mask, sliders=0)
        result["rows"][name] = {"with_past": _with_past(stepper, states, mask, context_frames)}
        result["rows"][name]["steering"] = _steering(stepper, states, mask, sliders)
    tell("measuring", 0.3)
    times = _interleaved(engines, blocks, place, tell)
    for name, ms in times.items():
        row = result["rows"].setdefault(name, {})
        row["step_ms_p50"], row["step_ms_p99"] = _middle(ms)
        floor = _floor_ms(spec, BYTES.get(name, 4.0), result["machine"]["read_gb_s"])
        row["floor_ms"], row["bandwidth_used"] = round(floor, 2), round(floor / row["step_ms_p50"], 3)
    ours = {n: r for n, r in result["rows"].items() if n not in ("audiocraft", "transformers")}
    best = min(ours, key=lambda name: ours[name]["step_ms_p50"])
    result["precision"] = best
    result |= {key: ours[best][key] for key in ("step_ms_p50", "step_ms_p99", "bandwidth_used")}
    for other in ("audiocraft", "transformers"):
        theirs = result["rows"].get(other)
        result[f"ratio_{other}"] = (
            None if theirs is None else round(theirs["step_ms_p50"] / result["step_ms_p50"], 2)
        )
        if theirs is not None:
            for row in ours.values():
                row[f"ratio_{other}"] = round(theirs["step_ms_p50"] / row["step_ms_p50"], 2)
    return result


def _decoder(shape: str, place: torch.device) -> Decoder:
    if shape == "embedded":
        return load_model("embedded", str(place), precision="float32").decoder
    spec = spec_of(shape)
    check_room(spec, place, seconds=30.0, text=0, codec=0)
    torch.manual_seed(0)
    with torch.device(place):
        return Decoder(spec).eval().requires_grad_(False)


def _ours(stepper: Stepper, states: Tensor, mask: Tensor, sliders: int, layers: int = 5) -> Step:
    """One whole step of a generation that goes on for ever (it starts over before its memory is full)."""
    spec = stepper.spec
    settings = GenerationSettings((1,), 3.0, None)
    zero = torch.zeros_like(mask)
    text = stepper.text(torch.cat([states, states]), torch.cat([mask, zero]).bool())
    sampler = Sampler(spec.card, 1.0, 250, stepper.decoder.positions.device)
    mixer = _mixer(spec, sliders, layers) if sliders else None
    open_: list[Generation] = []

    def step() -> None:
        if not open_ or open_[0].position >= spec.context_frames - 1:
            runs = [None if mixer is None else mixer.start(None)]
            open_[:] = [Generation(stepper, text, sampler, settings, runs)]
        open_[0].step()

    return step


def _mixer(spec: ModelSpec, sliders: int, layers: int) -> Mixer:
    rng = torch.Generator().manual_seed(1)
    chosen = sorted({spec.n_layers * (n + 1) // (layers + 1) for n in range(layers)})
    directions = []
    for n in range(sliders):
        vector = torch.randn(spec.d_model, generator=rng)
        directions.append(
            Direction(f"{chosen[n % len(chosen)]}/{n}", chosen[n % len(chosen)], vector / vector.norm(), 1.0)
        )
    mixer = Mixer(directions, spec=spec)
    for direction in directions:
        mixer.set(direction.id, 1.0)
    return mixer


@torch.inference_mode()
def _with_past(stepper: Stepper, states: Tensor, mask: Tensor, frames: int) -> dict[str, float]:
    """Steps that follow ``frames`` frames of past."""
    spec = stepper.spec
    frames = min(frames, spec.context_frames - 2 * BLOCK)
    zero = torch.zeros_like(mask)
    text = stepper.text(torch.cat([states, states]), torch.cat([mask, zero]).bool())
    sampler = Sampler(spec.card, 1.0, 250, stepper.decoder.positions.device)
    past = torch.randint(0, spec.card, (1, spec.n_q, frames))
    generation = Generation(stepper, text, sampler, GenerationSettings((1,), 3.0, None), [None], past)
    times = [_timed(generation.step, stepper.decoder.positions.device) for _ in range(2 * BLOCK)][4:]
    p50, p99 = _middle(times)
    return {"frames": frames, "step_ms_p50": p50, "step_ms_p99": p99}


def _steering(stepper: Stepper, states: Tensor, mask: Tensor, sliders: int) -> dict[str, float]:
    """What ``sliders`` sliders on 5 layers cost."""
    place = stepper.decoder.positions.device
    pair = {"off": _ours(stepper, states, mask, 0), "on": _ours(stepper, states, mask, sliders)}
    times = _interleaved(pair, 3, place, lambda _w, _s: None)
    return {"sliders": sliders, "cost": round(float(np.median(times["on"]) / np.median(times["off"])), 4)}


def _add_references(
    engines: dict[str, Step], left_out: dict[str, str], decoder: Decoder, states: Tensor, mask: Tensor
) -> None:
    for name, make in (("audiocraft", _audiocraft), ("transformers", _transformers)):
        try:
            engines[name] = make(decoder, states, mask)
        except (DrawbarError, RuntimeError) as error:
            left_out[name] = " ".join(str(error).split())[:300]


def _audiocraft(decoder: Decoder, states: Tensor, mask: Tensor) -> Step:
    """audiocraft's own step: ``LMModel._sample_next_token`` in streaming mode, both branches in one batch."""
    from drawbar.musicgen.parity.audiocraft_model import Reference

    reference = Reference(decoder)
    model = reference.model.to(states.device)
    both = torch.cat([states, torch.zeros_like(states)]), torch.cat([mask, torch.zeros_like(mask)])
    conditions = reference.conditions(2, both)
    spec = decoder.spec
    column = torch.full((1, spec.n_q, 1), spec.card, device=states.device)
    context = model.streaming()
    context.__enter__()
    taken = [0]

    @torch.inference_mode()
    def step() -> None:
        if taken[0] >= spec.context_frames - 1:
            model.reset_streaming()
            taken[0] = 0
        taken[0] += 1
        model._sample_next_token(
            column, conditions, {}, use_sampling=True, temp=1.0, top_k=250, top_p=0.0, cfg_coef=3.0,
            two_step_cfg=False,
        )  # fmt: skip

    return step


def _transformers(decoder: Decoder, states: Tensor, mask: Tensor) -> Step:
    """transformers' decoder with its dynamic cache, guidance and top-k sampling as its ``generate`` does them."""
    from transformers import DynamicCache

    from drawbar.musicgen.parity.transformers_model import TransformersReference

    spec = decoder.spec
    model = TransformersReference(decoder, device=states.device).model.decoder
    memory = torch.randn(2, WORDS, spec.d_model, device=states.device)
    both_mask = torch.cat([mask, mask])
    column = torch.full((2 * spec.n_q, 1), spec.card, device=states.device)
    cache: list[Any] = [None]

    @torch.inference_mode()
    def step() -> Tensor:
        if cache[0] is None or cache[0].get_seq_length() >= spec.context_frames - 1:
            from transformers import EncoderDecoderCache

            cache[0] = EncoderDecoderCache(DynamicCache(), DynamicCache())
        out = model(
            column, encoder_hidden_states=memory, encoder_attention_mask=both_mask, past_key_values=cache[0],
            use_cache=True,
        )  # fmt: skip
        conditional, null = out.logits[:, -1].chunk(2)
        scores = null + 3.0 * (conditional - null)
        kept = scores.topk(250, dim=-1)
        return torch.multinomial(kept.values.softmax(-1), 1)

    return step


def _interleaved(
    engines: Mapping[str, Step], blocks: int, place: torch.device, tell: Progress
) -> dict[str, list[float]]:
    """Name -> milliseconds of single steps, taken in the order A B C C B A, ``blocks`` times."""
    for step in engines.values():
        for _ in range(WARM):
            step()
    gc.collect()
    times: dict[str, list[float]] = {name: [] for name in engines}
    names = list(engines)
    for block in range(blocks):
        tell("measuring", 0.3 + 0.7 * block / blocks)
        for name in names if block % 2 == 0 else reversed(names):
            times[name] += [_timed(engines[name], place) for _ in range(BLOCK)][1:]
    return times


def _timed(step: Step, place: torch.device) -> float:
    began = time.perf_counter()
    step()
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    return 1e3 * (time.perf_counter() - began)


def _middle(times: list[float]) -> tuple[float, float]:
    return round(float(np.median(times)), 3), round(float(np.percentile(times, 99)), 3)


def _reading_gb_s(place: torch.device) -> float:
    """The bandwidth of reading alone."""
    source = torch.ones(64 << 20, device=place)
    found = []
    for _ in range(7):
        began = time.perf_counter()
        source.max().item()
        found.append(time.perf_counter() - began)
    return 4 * source.numel() / min(found) / 1e9


def _floor_ms(spec: ModelSpec, bytes_each: float, gb_s: float) -> float:
    """The time to read the weights that a step needs: 14 d^2 a layer (cross-attention's keys are kept), the heads."""
    weights = 14 * spec.d_model**2 * spec.n_layers
    heads = spec.n_q * spec.card * spec.d_model * max(bytes_each, 1.0625)
    return 1e3 * (weights * bytes_each + heads) / (gb_s * 1e9)


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    lines: list[tuple[str, object, str]] = []
    for name, row in result["rows"].items():
        text = f"{row['step_ms_p50']:.1f} ms, p99 {row['step_ms_p99']:.1f}"
        if "with_past" in row:
            past = row["with_past"]
            text += f"; after {past['frames']} frames {past['step_ms_p50']:.1f}"
        if row.get("ratio_audiocraft"):
            text += f"; {row['ratio_audiocraft']:.1f}x audiocraft"
        if row.get("ratio_transformers"):
            text += f", {row['ratio_transformers']:.1f}x transformers"
        lines.append((name, text, ""))
        if "steering" in row:
            lines.append(
                (f"    {row['steering']['sliders']} sliders on 5 layers", row["steering"]["cost"], "<= 1.02")
            )
        lines.append(("    of the bandwidth", row["bandwidth_used"], ""))
    lines += [(f"left out: {name}", why, "") for name, why in result["left_out"].items()]
    lines.append(("ratio to audiocraft", result["ratio_audiocraft"], ">= 4, then 6"))
    lines.append(("ratio to transformers", result["ratio_transformers"], ""))
    return [*lines, ("machine", ", ".join(f"{k} {v}" for k, v in result["machine"].items()), "")]
