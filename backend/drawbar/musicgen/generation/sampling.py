"""Logits, a seed, a frame and a codebook -> one token; the draw is fixed by these alone.

The noise of (seed, frame, codebook, entry) is a hash of the four (SplitMix64 finalisers, Steele et al. 2014), so it
does not depend on what was drawn before, on the batch or on the block size. Tokens are drawn with Gumbel noise: two
streams of one seed whose logits are close choose the same token as often as possible. Knows no network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from drawbar.errors import BadInputError

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _signed(value: int) -> int:
    value &= _WORD
    return value - (1 << 64) if value >> 63 else value


def _mixed(value: int) -> int:
    value = (value + _GOLDEN) & _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)


_MULTIPLY_1, _MULTIPLY_2 = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


class Noise:
    """Gumbel noise by (seed, frame, codebook), float32, the same on every device that computes logarithms alike."""

    def __init__(self, card: int, device: torch.device | str = "cpu") -> None:
        entries = [_signed(i * _GOLDEN) for i in range(1, card + 1)]
        self.entries = torch.tensor(entries, dtype=torch.int64, device=device)
        """``[card]`` int64: what each entry adds to a key before it is hashed."""

    def gumbel(self, seed: int, places: Sequence[tuple[int, int]]) -> Tensor:
        """Places ``(frame, codebook)``, n of them -> noise ``[n, card]``."""
        return self.keyed(
            torch.tensor(self.keys(seed, places), dtype=torch.int64, device=self.entries.device)
        )

    @staticmethod
    def keys(seed: int, places: Sequence[tuple[int, int]]) -> list[int]:
        """What the noise of each place (frame, codebook) is a hash of, beside the entry."""
        keyed = _mixed(seed & _WORD)
        return [_signed(_mixed(_mixed(keyed ^ (frame & _WORD)) ^ book)) for frame, book in places]

    def keyed(self, keys: Tensor) -> Tensor:
        """Keys ``[...]`` int64 on the noise's device -> noise ``[..., card]``."""
        x = keys[..., None] + self.entries
        x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * _MULTIPLY_1
        x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * _MULTIPLY_2
        # 23 bits and a half: never 0 and never 1 in float32.
        uniform = ((x >> 41) & 0x7FFFFF).to(torch.float32).add_(0.5).mul_(2.0**-23)
        return uniform.log_().neg_().log_().neg_()


class Sampler:
    """Settings of the draw. ``temperature`` 0 takes the likeliest token; ``top_k`` 0 keeps every token.

    ``change_temperature`` is for codes that mostly stay as they are: *whether* a code changes is drawn as the model
    says it, *to what* it changes at this temperature. A lower ``temperature`` alone would freeze such music, since a
    change is never its likeliest continuation. None leaves the two together.

    Raises BadInputError for a negative or not finite setting.
    """

    def __init__(
        self,
        card: int,
        temperature: float = 1.0,
        top_k: int = 250,
        device: torch.device | str = "cpu",
        change_temperature: float | None = None,
    ) -> None:
        if not 0 <= temperature < math.inf:
            raise BadInputError(
                f"temperature {temperature}: it must be 0 (likeliest token) or a positive number"
            )
        if top_k < 0:
            raise BadInputError(
                f"top_k {top_k}: it must be 0 (every token) or the number of tokens to choose from"
            )
        if change_temperature is not None and not 0 < change_temperature < math.inf:
            raise BadInputError(
                f"change_temperature {change_temperature}: it must be a positive number, or None"
            )
        self.temperature = temperature
        self.change_temperature = change_temperature
        self.top_k = 0 if top_k >= card else top_k
        self.noise = Noise(card, device)

    def draw(
        self,
        logits: Tensor,
        seeds: Sequence[int],
        places: Sequence[tuple[int, int]],
        present: Tensor | None = None,
    ) -> Tensor:
        """Logits ``[B, n, card]`` float32 and one seed per row -> tokens ``[B, n]`` for the n ``places``.

        ``present`` ``[B, n]`` are the codes that sound now, which ``change_temperature`` needs (``card``: none does).
        """
        if self.temperature == 0:
            return logits.argmax(-1)
        same = len(set(seeds)) == 1
        keys = [self.noise.keys(seed, places) for seed in (seeds[:1] if same else seeds)]
        return self.draw_keyed(logits, torch.tensor(keys, dtype=torch.int64, device=logits.device), present)

    def draw_keyed(self, logits: Tensor, keys: Tensor, present: Tensor | None = None) -> Tensor:
        """The same with the noise's keys ``[B or 1, n]`` (see ``Noise.keys``): only tensors, nothing waits."""
        if self.temperature == 0:
            return logits.argmax(-1)
        scores = logits / self.temperature if self.temperature != 1 else logits
        if self.change_temperature is not None and present is not None:
            scores = _apart(scores, present, self.change_temperature)
        noisy = scores + self.noise.keyed(keys)
        if self.top_k:
            kept = scores.topk(self.top_k, dim=-1)
            return kept.indices.gather(-1, noisy.gather(-1, kept.indices).argmax(-1, keepdim=True))[..., 0]
        return noisy.argmax(-1)


def _apart(scores: Tensor, present: Tensor, temperature: float) -> Tensor:
    """Scores ``[B, n, card]`` -> log-probabilities: staying as likely as before, what it changes to sharper."""
    entries = torch.arange(scores.shape[-1], device=scores.device)
    stays = entries == present[..., None]
    log_all = scores.log_softmax(-1)
    log_stay = log_all.masked_fill(~stays, 0.0).sum(-1, keepdim=True).clamp(max=-1e-6)
    sharper = (scores / temperature).masked_fill(stays, -math.inf).log_softmax(-1)
    changed = sharper + torch.log(-torch.expm1(log_stay))
    return torch.where(present[..., None] == scores.shape[-1], log_all, torch.where(stays, log_all, changed))
