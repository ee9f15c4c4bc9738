"""A model's codec and other implementations of it -> rows: encode, decode, and decode piece by piece.

Knows nothing of the decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from drawbar.musicgen.codec.interface import Codec
from drawbar.musicgen.parity.audiocraft_model import has_audiocraft
from drawbar.musicgen.parity.report import Row

AUDIO_BOUND = 1e-4
"""Largest difference of samples, float32, full scale 1."""
PIECES_BOUND = 1e-3
"""The same between decoding in one piece and frame by frame: what is thrown away at the joints is not silent."""

ABSENT = "audiocraft is not installed: run `python3 packaging/run.py setup --all`"


def codec_rows(codec: Codec, tokens: Tensor, seed: int = 0) -> Iterator[Row]:
    """``tokens [1, K, T]`` are decoded, a seeded second of tones and noise is encoded."""
    audio = _audio(codec, seed)
    ours = codec.encode(audio).cpu(), codec.decode(tokens).cpu()
    hf = getattr(codec, "model", None)
    if hf is None:
        note = "no second implementation"
        yield Row.not_compared("codec encode and decode", "-", note)
    else:
        yield from _both("transformers", ours, *_by_transformers(hf, audio, tokens, codec.channels))
        if has_audiocraft():
            yield from _both("audiocraft", ours, *_by_audiocraft(hf, audio, tokens, codec.channels))
        else:
            yield Row.not_compared("codec encode and decode", "audiocraft", ABSENT)
    stream = codec.stream()
    pieces = [stream.push(tokens[..., t : t + 1]).cpu() for t in range(tokens.shape[2])]
    whole = torch.cat([*pieces, stream.flush().cpu()], dim=2)
    note = f"{tokens.shape[2]} pushes of one frame"
    yield Row.compared(
        "codec decode, frame by frame", "in one piece", _apart(whole, ours[1]), PIECES_BOUND, note
    )


def _both(name: str, ours: tuple[Tensor, Tensor], encoded: Tensor, decoded: Tensor) -> Iterator[Row]:
    same = ours[0].shape == encoded.shape
    differing = int((ours[0] != encoded.cpu()).sum()) if same else ours[0].numel()
    note = f"{ours[0].numel()} tokens, {ours[0].unique().numel()} different ones"
    yield Row.compared("codec encode", name, differing, 0, note)
    note = f"peak {float(ours[1].abs().max()):.2g}"
    yield Row.compared("codec decode", name, _apart(ours[1], decoded.cpu()), AUDIO_BOUND, note)


@torch.inference_mode()
def _by_transformers(model: Any, audio: Tensor, tokens: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Stereo as ``MusicgenForConditionalGeneration`` has it: even codebooks are the left channel's, odd the right's."""
    if channels > 1:
        sides = [
            _by_transformers(model, audio[:, side : side + 1], tokens[:, side::channels], 1)
            for side in range(channels)
        ]
        codes = torch.stack([encoded for encoded, _ in sides], dim=2).flatten(1, 2)
        return codes, torch.cat([sound for _, sound in sides], dim=1)
    device = next(model.parameters()).device
    bandwidths = list(model.config.target_bandwidths)
    books = tokens.shape[1]
    chosen = [b for b in bandwidths if model.quantizer.get_num_quantizers_for_bandwidth(b) >= books]
    bandwidth = min(chosen) if chosen else max(bandwidths)
    encoded = model.encode(audio.to(device), bandwidth=bandwidth, return_dict=True).audio_codes[0]
    decoded = model.decode(tokens[None].to(device), [None], return_dict=True).audio_values
    return encoded[:, :books], decoded


@torch.inference_mode()
def _by_audiocraft(model: Any, audio: Tensor, tokens: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    from drawbar.musicgen.parity.audiocraft_codec import audiocraft_encodec

    device = next(model.parameters()).device
    codec = audiocraft_encodec(model, tokens.shape[1] // channels)
    if channels > 1:
        from audiocraft.models.encodec import InterleaveStereoCompressionModel

        codec = InterleaveStereoCompressionModel(codec)
    return codec.encode(audio.to(device))[0], codec.decode(tokens.to(device))


def _audio(codec: Codec, seed: int) -> Tensor:
    """About a second of chords and noise, each channel its own, no whole number of frames long: ``[1, C, N]``."""
    generator = torch.Generator().manual_seed(seed)
    count = codec.sample_rate_hz - 123
    time = torch.arange(count) / codec.sample_rate_hz
    sides = []
    for side in range(codec.channels):
        tones = sum(torch.sin(2 * torch.pi * f * (1 + 0.5 * side) * time) for f in (110.0, 277.2, 659.3))
        sides.append(0.2 * torch.as_tensor(tones) + 0.05 * torch.randn(count, generator=generator))
    return torch.stack(sides)[None]


def _apart(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max().nan_to_num(nan=float("inf")))
