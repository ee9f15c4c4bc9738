"""Rendered audio -> a BandCodec: codebooks by k-means, then its synthesis by gradient; resumable.

The tokens depend on the codebooks alone, so a decoder can be trained on them while the synthesis goes on learning.
Knows nothing of the decoder.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drawbar.audio_analysis.mel import log_mel, log_mel_distance
from drawbar.bundled.material import Material
from drawbar.bundled.recipe import CodecSettings
from drawbar.musicgen.codec.bands import BandCodec


def fit_codebooks(
    folder: Path, material: Material, settings: CodecSettings, say: Callable[[str], None]
) -> BandCodec:
    """The codec with its codebooks, read from ``folder/codebooks.pt`` or made from the material and written there."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    codec = BandCodec(settings.config)
    made = folder / "codebooks.pt"
    if made.exists():
        codec.load(torch.load(made, weights_only=True))
        return codec
    began = time.monotonic()
    heard: list[list[Tensor]] = [[] for _ in range(codec.n_q)]
    length = round(settings.fit_seconds * codec.sample_rate_hz)
    for seed in material.seeds()[: settings.fit_pieces]:
        draw = np.random.default_rng([settings.seed, seed])
        start = int(draw.integers(0, len(material.audio(seed)) - length))
        with torch.inference_mode():
            for band, features in enumerate(
                codec.features(_audio(material, seed, start, length)[None, None])
            ):
                heard[band].append(features[0])
    for band, parts in enumerate(heard):
        vectors = torch.cat(parts)
        book = _k_means(vectors, codec.card, settings.fit_rounds)
        codec.codebooks[band, :, : codec.widths[band]] = book
        nearest = codec.distances(vectors, band).amin(-1)
        codec.slack[band] = settings.stickiness * nearest.median()
        used = int(
            (torch.bincount(codec.distances(vectors, band).argmin(-1), minlength=codec.card) > 0).sum()
        )
        say(
            f"codebook {band}: {used} of {codec.card} entries used, mean distance {float(nearest.mean()):.4f}"
        )
    torch.save(codec.state_dict(), made.with_suffix(".part"))
    made.with_suffix(".part").replace(made)
    say(f"codebooks of {len(vectors)} frames in {(time.monotonic() - began) / 60:.1f} min")
    return codec


@torch.no_grad()
def _k_means(vectors: Tensor, count: int, rounds: int) -> Tensor:
    """``vectors [N, D]`` -> centres ``[count, D]``; one that nothing chooses moves to what is far from all."""
    centres = vectors[torch.randperm(len(vectors))[:count]].clone()
    for _ in range(rounds):
        squares = vectors.square().sum(1)
        distance, chosen = (centres.square().sum(1) - 2 * vectors @ centres.T).min(1)
        held = torch.bincount(chosen, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, chosen, vectors)
        centres = sums / held.clamp(min=1)[:, None]
        lonely = torch.nonzero(held == 0)[:, 0]
        if len(lonely):
            far = torch.multinomial((distance + squares).clamp(min=0) + 1e-9, len(lonely))
            centres[lonely] = vectors[far]
    return centres


def _audio(material: Material, seed: int, start: int, length: int) -> Tensor:
    """Samples ``[length]`` of a piece, float32."""
    return torch.from_numpy(
        np.asarray(material.audio(seed)[start : start + length], dtype=np.float32) / 32767.0
    )


def _spectral_loss(made: Tensor, real: Tensor) -> Tensor:
    """Log-mel L1 (attacks and timbre) plus log and linear magnitudes of long windows (pitch)."""
    loss = log_mel_distance(made, real)
    for size, mels, weight in ((512, 64, 0.5), (2048, 160, 0.5), (4096, 320, 1.0)):
        a = log_mel(made, n_fft=size, hop=size // 4, n_mels=mels)
        b = log_mel(real, n_fft=size, hop=size // 4, n_mels=mels)
        loss = loss + weight * (a - b).abs().mean()
    for size, weight in ((1024, 0.5), (4096, 1.5)):
        window = torch.hann_window(size)
        stft_a = torch.stft(made, size, size // 4, window=window, return_complex=True)
        stft_b = torch.stft(real, size, size // 4, window=window, return_complex=True)
        a, b = (stft_a.real**2 + stft_a.imag**2 + 1e-9).sqrt(), stft_b.abs()
        loss = loss + weight * (a - b).abs().sum() / (b.sum() + 1.0)
    return loss


def _clips(material: Material, seeds: list[int], settings: CodecSettings, step: int) -> Tensor:
    """The batch of one step ``[B, 1, N]``; a function of the step alone, so that a resumed run sees the same."""
    draw = np.random.default_rng([settings.seed, step])
    length = settings.clip_frames * settings.config.samples_per_frame
    rows = []
    for seed in draw.choice(seeds, settings.batch):
        audio = material.audio(int(seed))
        start = int(draw.integers(0, len(audio) - length))
        rows.append(_audio(material, int(seed), start, length))
    return torch.stack(rows)[:, None]


@torch.inference_mode()
def codec_distance(codec: BandCodec, material: Material, seeds: list[int], seconds: float = 8.0) -> float:
    """Mean log10-mel distance of the round trip over the first ``seconds`` of each piece."""
    values = []
    for seed in seeds:
        part = (
            np.asarray(material.audio(seed)[: int(seconds * codec.sample_rate_hz)], dtype=np.float32) / 32767
        )
        audio = torch.from_numpy(part)[None, None]
        values.append(
            float(log_mel_distance(codec.decode(codec.encode(audio))[..., : audio.shape[-1]], audio))
        )
    return float(np.mean(values))


def train_codec(
    folder: Path, material: Material, settings: CodecSettings, say: Callable[[str], None]
) -> BandCodec:
    """Trains (or goes on training) the codec's synthesis; the newest checkpoint is ``codec.pt``."""
    codec = fit_codebooks(folder, material, settings, say)
    torch.manual_seed(settings.seed)
    optimiser = torch.optim.AdamW(
        codec.parameters(), lr=settings.learning_rate, betas=(0.8, 0.99), weight_decay=1e-3, fused=True
    )
    checkpoint, first, spent_s = folder / "codec.pt", 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        codec.load(saved["codec"])
        if "optimiser" in saved:  # not in what was made from a landed model
            optimiser.load_state_dict(saved["optimiser"])
        first, spent_s = int(saved["step"]), float(saved["spent_s"])
    began = time.monotonic() - spent_s
    recent: float | None = None
    for step in range(first, settings.steps):
        for group in optimiser.param_groups:
            ramp = min(1.0, (step + 1) / 100)
            group["lr"] = settings.learning_rate * ramp * (0.02 + 0.98 * _cosine(step / settings.steps))
        real = _clips(material, material.seeds(), settings, step)
        with torch.no_grad():
            vectors = codec.vectors(codec.encode(real).clone())
        made = codec.synthesise(vectors)
        # The first frames begin in the middle of notes that the codec has not heard start.
        skip = 8 * codec.samples_per_frame
        loss = _spectral_loss(made[:, 0, skip:], real[:, 0, skip:])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 5.0)
        optimiser.step()
        shown = float(loss.detach())
        recent = shown if recent is None else 0.98 * recent + 0.02 * shown
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            distance = codec_distance(codec, material, material.seeds(held_out=True)[:12])
            say(json.dumps({"step": step + 1, "loss": round(recent, 4), "distance": round(distance, 4),
                            "minutes": round((time.monotonic() - began) / 60, 2)}))  # fmt: skip
            part = folder / "codec.part"
            torch.save({"codec": codec.state_dict(), "optimiser": optimiser.state_dict(),
                        "step": step + 1, "spent_s": time.monotonic() - began}, part)  # fmt: skip
            part.replace(checkpoint)
    return codec.eval().requires_grad_(False)


def _cosine(progress: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, progress))
