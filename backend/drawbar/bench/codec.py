"""A codec -> time per streamed frame, and how far streaming is from the one-shot decode.

Without a model it is a random EnCodec of the released 32 kHz configuration: its times are those of the released one
(speed does not depend on the weights), its errors are those of frames that have nothing in common, which is the worst
case for a look-ahead cut short.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen import Model
from drawbar.musicgen.codec.encodec import EncodecCodec
from drawbar.musicgen.codec.encodec_streaming import PRECISIONS
from drawbar.musicgen.codec.interface import Codec, CodecStream

BLOCK = 20
"""Frames of one stream before the next has its turn."""
CONTEXT = 8
"""Frames decoded again for every new one in the baseline."""
RELEASED: JsonObject = {
    "sampling_rate": 32_000,
    "audio_channels": 1,
    "normalize": False,
    "use_causal_conv": False,
    "num_filters": 64,
    "hidden_size": 128,
    "codebook_size": 2048,
    "upsampling_ratios": [8, 5, 4, 4],
    "target_bandwidths": [2.2],
    "num_lstm_layers": 2,
    "norm_type": "weight_norm",
}
"""facebook/encodec_32khz, as far as the decoder is concerned."""
Push = Callable[[Tensor], object]


def run(
    model: Model | None = None,
    *,
    frames: int = 200,
    threads: tuple[int, ...] = (1, 2),
    progress: Callable[[str, float], object] | None = None,
) -> JsonObject:
    """Measure the codec of ``model``, or a random one of the released size; ``frames`` per kind and thread count.

    Raises BadInputError for fewer than 50 frames.
    """
    if frames < 50:
        raise BadInputError(f"{frames} frames: a 99th percentile needs at least 50")
    tell = progress or (lambda _what, _share: None)
    codec = released_encodec() if model is None else model.codec
    tokens = _tokens(codec, frames) if model is None else _played(model, frames)
    name = "random, released configuration" if model is None else model.spec.name
    result: JsonObject = {"codec": name, "frames": frames, "look_ahead": codec.look_ahead, "times": []}
    before = torch.get_num_threads()
    try:
        for number, count in enumerate(threads):
            tell(f"timing with {count} threads", number / (len(threads) + 1))
            torch.set_num_threads(count)
            result["times"] += [{"threads": count, **row} for row in _times(codec, tokens)]
    finally:
        torch.set_num_threads(before)
    tell("comparing with the one-shot decode", len(threads) / (len(threads) + 1))
    result["errors"] = _errors(codec, tokens[..., : min(frames, 150)])
    return result


def released_encodec(seed: int = 0) -> EncodecCodec:
    """Random weights of the released sizes, scaled so that every layer passes the signal on and the output is 0.2
    RMS.
    """
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(seed)
    model = EncodecModel(EncodecConfig(**RELEASED)).eval().requires_grad_(False)
    for layer in model.quantizer.layers:
        layer.codebook.embed.copy_(0.5 * torch.randn_like(layer.codebook.embed))
    _level(model.decoder.layers, torch.randn(1, RELEASED["hidden_size"], 40))
    return EncodecCodec(model, 4)


@torch.inference_mode()
def _level(layers: Any, x: Tensor) -> None:
    for number, layer in enumerate(layers):
        if hasattr(layer, "lstm"):
            for name, value in layer.lstm.named_parameters():
                value.mul_(2.0 if "weight" in name else 1.0)
        elif hasattr(layer, "block"):
            first, second = (inner for inner in layer.block if hasattr(inner, "conv"))
            _scale(second, F.elu(_scale(first, F.elu(x), 1.0)), 0.5)
        elif hasattr(layer, "conv"):
            _scale(layer, x, 0.2 if number == len(layers) - 1 else 1.0)
        x = layer(x)


def _scale(layer: nn.Module, x: Tensor, wanted: float) -> Tensor:
    conv: Any = layer.conv
    conv.bias.zero_()
    conv.parametrizations.weight.original0.mul_(wanted / layer(x).std())
    out: Tensor = layer(x)
    return out


def _tokens(codec: Codec, frames: int) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    return torch.randint(0, codec.card, (1, codec.n_q, frames), generator=rng)


def _played(model: Model, frames: int) -> Tensor:
    """What the model itself generates, so that neighbouring frames have in common what they have in music."""
    tokens: Tensor = model.generate(None, [3], frames / model.spec.frame_rate_hz)
    return tokens


# --- times ------------------------------------------------------------------------------------------------


def _times(codec: Codec, tokens: Tensor) -> list[JsonObject]:
    kinds: dict[str, tuple[Push, Tensor]] = {}
    if isinstance(codec, EncodecCodec):
        kinds[f"one frame decoded with {CONTEXT} before it"] = (_again(codec), tokens)
    for precision in PRECISIONS if isinstance(codec, EncodecCodec) else ("float32",):
        for batch in (1, 2):
            pushed = tokens.expand(batch, -1, -1)
            name = f"streamed, {precision}" + (", with the twin" if batch == 2 else "")
            kinds[name] = (_streamed(codec, precision, batch), pushed)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for at in range(0, tokens.shape[-1] - BLOCK + 1, BLOCK):
        order = list(kinds) if (at // BLOCK) % 2 else list(reversed(kinds))
        for name in order:
            push, given = kinds[name]
            for frame in given[..., at : at + BLOCK].split(1, dim=-1):
                began = time.perf_counter()
                push(frame)
                taken[name].append(time.perf_counter() - began)
    return [{"what": name, **_quantiles(values[BLOCK:])} for name, values in taken.items()]


def _streamed(codec: Codec, precision: str, batch: int) -> Push:
    if isinstance(codec, EncodecCodec):
        kept, codec.precision = codec.precision, precision
        stream: CodecStream = codec.stream(batch)
        codec.precision = kept
    else:
        stream = codec.stream(batch)
    return lambda frame: stream.push(frame).cpu()


def _again(codec: EncodecCodec) -> Push:
    seen: list[Tensor] = []

    def push(frame: Tensor) -> object:
        seen.append(frame)
        del seen[: -CONTEXT - 1]
        return codec.decode(torch.cat(seen, -1))[..., -codec.samples_per_frame :].cpu()

    return push


def _quantiles(values: list[float]) -> dict[str, float]:
    ms = 1000 * np.asarray(values)
    return {
        "p50_ms": round(float(np.quantile(ms, 0.5)), 3),
        "p99_ms": round(float(np.quantile(ms, 0.99)), 3),
        "best_ms": round(float(ms.min()), 3),
    }


# --- errors -----------------------------------------------------------------------------------------------


def _errors(codec: Codec, tokens: Tensor) -> list[JsonObject]:
    whole = codec.decode(tokens).float().cpu()
    if not isinstance(codec, EncodecCodec):
        return [_error(codec, tokens, whole, "float32")]
    kept = codec.look_ahead, codec.precision
    found = []
    for precision in PRECISIONS:
        codec.precision = precision
        for frames in range(codec.exact_look_ahead, codec.least_look_ahead - 1, -1):
            if precision == "float32" or frames == codec.exact_look_ahead:
                codec.look_ahead = frames
                found.append(_error(codec, tokens, whole, precision))
    codec.look_ahead, codec.precision = kept
    return found


def _error(codec: Codec, tokens: Tensor, whole: Tensor, precision: str) -> JsonObject:
    stream = codec.stream(1)
    parts = [stream.push(frame) for frame in tokens.split(1, dim=-1)]
    error = torch.cat([*parts, stream.flush()], -1).float().cpu() - whole
    ratio = float(error.square().mean() / whole.var().clamp_min(1e-20))
    return {
        "look_ahead": codec.look_ahead,
        "look_ahead_ms": round(1000 * codec.look_ahead / codec.frame_rate_hz),
        "precision": precision,
        "max_error": float(f"{float(error.abs().max()):.2g}"),
        "peak": round(float(whole.abs().max()), 3),
        "error_db": round(10 * float(np.log10(max(ratio, 1e-15))), 1),
    }


def rows(result: JsonMapping) -> list[tuple[object, ...]]:
    """(threads, what, p50, p99, best) lines for the table of times."""
    return [
        (row["threads"], row["what"], row["p50_ms"], row["p99_ms"], row["best_ms"]) for row in result["times"]
    ]


def error_rows(result: JsonMapping) -> list[tuple[object, ...]]:
    """(look-ahead, precision, largest error, error in decibels of the signal) lines for the table of errors."""
    return [
        (
            f"{row['look_ahead']} ({row['look_ahead_ms']} ms)",
            row["precision"],
            row["max_error"],
            row["error_db"],
        )
        for row in result["errors"]
    ]
