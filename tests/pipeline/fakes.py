"""A model small enough for tests whose residuals hold what one hears -> the interface that a build needs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from drawbar.audio_analysis.mel import log_mel
from drawbar.musicgen.spec import ModelSpec

SPEC = ModelSpec(
    name="fake", d_model=16, n_layers=3, n_heads=2, d_ff=32, card=64, context_frames=1500, text_dim=8
)


class FakeCodec:
    """Each codebook is the level of one band, quantised: enough to carry loudness and brightness."""

    sample_rate_hz = 32_000
    frame_rate_hz = 50.0
    samples_per_frame = 640
    n_q = 4
    card = 64
    fingerprint = "f" * 64

    def encode(self, audio: Tensor) -> Tensor:
        frames = -(-audio.shape[-1] // 640)
        padded = torch.nn.functional.pad(audio, (0, frames * 640 + 1024 - audio.shape[-1]))
        mel = log_mel(padded[:, 0], n_fft=1024, hop=640, n_mels=8)[..., :frames]
        bands = mel.view(len(mel), 4, 2, frames).mean(2)
        return ((bands + 5) / 7 * 63).round().clamp(0, 63).long()

    def decode(self, tokens: Tensor) -> Tensor:
        level = 10 ** (tokens.float() / 63 * 3.5 - 3.5)  # [B, K, T]
        time = torch.arange(tokens.shape[-1] * 640) / 32_000
        tones = torch.stack([torch.sin(2 * np.pi * hz * time) for hz in (90.0, 400.0, 1800.0, 6000.0)])
        return (level.repeat_interleave(640, -1) * tones).sum(1, keepdim=True) / 4


class FakeModel:
    """Residuals: one random vector per token, a short memory, one matrix a layer. Causal, any length."""

    spec = SPEC
    codec = FakeCodec()

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.fingerprint = f"{seed:064x}"
        self._tables = torch.randn(4, 65, 16, generator=generator)
        self._mixers = torch.randn(3, 16, 16, generator=generator) / 4
        self.calls = 0
        self.prompts: set[str] = set()

    def residuals(
        self, tokens: Tensor, prompts: Sequence[str | None] | None = None, *, layers: Sequence[int]
    ) -> dict[int, Tensor]:
        self.calls += 1
        self.prompts |= {prompt for prompt in prompts or () if prompt}
        start = torch.full_like(tokens[..., :1], 64)
        steps = torch.cat([start, tokens], -1)  # [B, K, S]
        x = torch.stack([self._tables[k][steps[:, k]] for k in range(4)]).sum(0)
        past = [torch.nn.functional.pad(x, (0, 0, lag, 0))[:, : x.shape[1]] for lag in range(5)]
        memory = torch.stack(past).mean(0)
        return {layer: torch.tanh(memory @ self._mixers[layer]) * (layer + 1) * 3 for layer in layers}
