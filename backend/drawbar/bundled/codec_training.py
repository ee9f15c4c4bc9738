"""Rendered audio -> a trained SpectralCodec; resumable. Knows nothing of the decoder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from drawbar.audio_analysis.mel import log_mel, log_mel_distance
from drawbar.bundled.material import Material
from drawbar.bundled.recipe import CodecSettings
from drawbar.musicgen.codec.spectral import SpectralCodec


class _Codebooks:
    """Moves the codebooks towards what they are assigned (EMA) and revives entries that nothing chooses."""

    def __init__(self, codec: SpectralCodec, decay: float) -> None:
        self.books = codec.quantiser.codebooks
        self.quantiser = codec.quantiser
        self.decay = decay
        n_q, card, latent = self.books.shape
        self.counts = torch.ones(n_q, card)
        self.sums = self.books.clone()
        self.latent = latent

    @torch.no_grad()
    def fill(self, z: Tensor, rounds: int = 4) -> None:
        """k-means of ``z [N, latent]``, stage by stage on the rest."""
        rest = z
        n_q, card, _ = self.books.shape
        for k in range(n_q):
            self.books[k] = rest[torch.randperm(len(rest))[:card]]
            for _ in range(rounds):
                chosen = self.quantiser.nearest(rest, k)
                counts = torch.bincount(chosen, minlength=card).float()
                sums = torch.zeros(card, self.latent).index_add_(0, chosen, rest)
                lonely = counts == 0
                self.books[k] = sums / counts.clamp(min=1)[:, None]
                if lonely.any():
                    self.books[k][lonely] = rest[torch.randint(len(rest), (int(lonely.sum()),))]
            chosen = self.quantiser.nearest(rest, k)
            self.counts[k] = torch.bincount(chosen, minlength=card).float().clamp(min=0.5)
            self.sums[k] = self.books[k] * self.counts[k][:, None]
            rest = rest - self.books[k][chosen]

    def quantise(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """``z [B, T, latent]`` -> straight-through quantised vectors and the commitment loss; updates the books."""
        flat = z.detach().reshape(-1, self.latent)
        rest, total = flat, torch.zeros_like(flat)
        with torch.no_grad():
            for k in range(self.books.shape[0]):
                chosen = self.quantiser.nearest(rest, k)
                picked = self.books[k][chosen].clone()
                self._move(k, rest, chosen)
                total, rest = total + picked, rest - picked
        quantised = total.reshape(z.shape)
        commitment = F.mse_loss(z, quantised)
        return z + (quantised - z).detach(), commitment

    def _move(self, k: int, rest: Tensor, chosen: Tensor) -> None:
        card = self.books.shape[1]
        counts = torch.bincount(chosen, minlength=card).float()
        sums = torch.zeros(card, self.latent).index_add_(0, chosen, rest)
        self.counts[k].mul_(self.decay).add_(counts, alpha=1 - self.decay)
        self.sums[k].mul_(self.decay).add_(sums, alpha=1 - self.decay)
        dead = self.counts[k] < 0.01
        if dead.any():
            fresh = rest[torch.randint(len(rest), (int(dead.sum()),))]
            self.counts[k][dead] = 0.2
            self.sums[k][dead] = fresh * 0.2
        self.books[k] = self.sums[k] / self.counts[k][:, None]

    def state(self) -> dict[str, Tensor]:
        return {"counts": self.counts, "sums": self.sums}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.counts.copy_(state["counts"])
        self.sums.copy_(state["sums"])


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
        rows.append(np.asarray(audio[start : start + length], dtype=np.float32) / 32767.0)
    return torch.from_numpy(np.stack(rows))[:, None]


@torch.inference_mode()
def codec_distance(codec: SpectralCodec, material: Material, seeds: list[int], seconds: float = 8.0) -> float:
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
) -> SpectralCodec:
    """Trains (or goes on training) the codec in ``folder``; the newest checkpoint is ``codec.pt``."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    codec = SpectralCodec(settings.config)
    books = _Codebooks(codec, settings.ema)
    optimiser = torch.optim.AdamW(
        codec.parameters(), lr=settings.learning_rate, betas=(0.8, 0.99), weight_decay=1e-3
    )
    checkpoint, first, spent_s = folder / "codec.pt", 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        codec.load(saved["codec"])
        books.restore(saved["books"])
        optimiser.load_state_dict(saved["optimiser"])
        first, spent_s = int(saved["step"]), float(saved["spent_s"])
        if "draws" in saved:
            torch.set_rng_state(saved["draws"])
    began = time.monotonic() - spent_s
    warm: list[Tensor] = []
    for step in range(first, settings.steps):
        for group in optimiser.param_groups:
            ramp = min(1.0, (step + 1) / 100)
            group["lr"] = settings.learning_rate * ramp * (0.02 + 0.98 * _cosine(step / settings.steps))
        real = _clips(material, material.seeds(), settings, step)
        z = codec.latents(real)
        if step < settings.warm_up:
            quantised, commitment = z, z.pow(2).mean() * 0.01
            if step >= settings.warm_up - 20:
                warm.append(z.detach().reshape(-1, settings.config.latent))
            if step == settings.warm_up - 1:
                books.fill(torch.cat(warm))
        else:
            quantised, commitment = books.quantise(z)
        made = codec.synthesise(quantised)
        loss = _spectral_loss(made[:, 0], real[:, 0])
        optimiser.zero_grad(set_to_none=True)
        (loss + settings.commitment * commitment).backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 5.0)
        optimiser.step()
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            codec.eval()
            distance = codec_distance(codec, material, material.seeds(held_out=True)[:12])
            record = {"step": step + 1, "loss": round(float(loss.detach()), 4), "distance": round(distance, 4),
                      "minutes": round((time.monotonic() - began) / 60, 2)}  # fmt: skip
            say(json.dumps(record))
            part = folder / "codec.part"
            torch.save(
                {"codec": codec.state_dict(), "books": books.state(), "optimiser": optimiser.state_dict(),
                 "step": step + 1, "spent_s": time.monotonic() - began, "draws": torch.get_rng_state()},
                part,
            )  # fmt: skip
            part.replace(checkpoint)
            codec.train()
        elif (step + 1) % 50 == 0:
            minutes = (time.monotonic() - began) / 60
            losses = f"loss {float(loss.detach()):.3f} commitment {float(commitment.detach()):.4f}"
            say(f"codec step {step + 1}/{settings.steps} {losses} {minutes:.1f} min")
    return codec.eval()


def _cosine(progress: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, progress))
