"""A fresh text encoder and decoder -> the same with one head that finds the chord which a prompt asks for now.

To play "chords Am F C G" a position must look up its own chord: where it stands in the phrase decides which word it
needs. A small network did not find this within 12 million frames; it played the key and never the progression. So one
head of the text encoder writes what follows a word (its root, then its quality) beside that word, words of place
("chord_2_of_4") are told apart by where in the phrase they sound, and one head of block 0 asks for that place by the
clock. All of them are ordinary weights; what makes up the heads is chosen and held, the rest is trained around it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import T5EncoderModel

from drawbar.musicgen.network.decoder import Decoder

HARMONICS = (1, 2)
"""Of the phrase: enough for the chord whose middle is nearest to win by far."""
LOUD = 8.0
"""How loud a place is in its word, whose other numbers are about 1."""
_HEARD = 4.0
"""How loud a chord is in the residual at first, beside a position's cosines and sines of 1."""
_NEXT_WORD = 17
"""The bucket of T5's relative positions in which only the next word lies."""


class ChordHeads:
    """The heads of one pair of networks, in place from the start; ``hold`` keeps them through training."""

    def __init__(
        self,
        decoder: Decoder,
        text_encoder: T5EncoderModel,
        places: Mapping[int, tuple[int, int]],
        roots: Sequence[int],
        qualities: Sequence[int],
        phrase: int,
    ) -> None:
        """``places`` are the words of place by their number in the vocabulary: which chord of how many; a root and a
        quality follow each. ``phrase`` frames is what the chords of a list share evenly; the clock must count it and
        its half."""
        self.decoder, self.text_encoder, self.places, self.phrase = decoder, text_encoder, places, phrase
        self.roots, self.qualities = list(roots), list(qualities)
        spec, drawn = decoder.spec, torch.Generator().manual_seed(0)
        basis = torch.linalg.qr(torch.randn(spec.text_dim, spec.text_dim, generator=drawn))[0]
        self._told, self._read = basis.split([2 * len(HARMONICS), spec.text_dim - 2 * len(HARMONICS)])
        self._heard = torch.linalg.qr(torch.randn(spec.d_model, len(self._told), generator=drawn))[0].T
        pairs = [clock(spec.d_model, phrase // times, spec.clock_periods) for times in HARMONICS]
        self._clock = torch.tensor([cosine for cosine, _ in pairs] + [sine for _, sine in pairs])
        self._rows = slice((spec.n_heads - 1) * spec.head_dim, spec.n_heads * spec.head_dim)

    @torch.no_grad()
    def plant(self, share: float = 0.9) -> float:
        """Raise the gain until ``self.share`` is ``share``; returns what is reached."""
        for gain in (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0):  # of queries and of keys
            self.decoder.blocks[0].cross_q.weight[self._rows.start, self._clock[0]] = gain
            self.hold()
            found = self.share()
            if found >= share:
                break
        self._plant_values()
        return found

    def _plant_values(self, lists: int = 300) -> None:
        """First values and outputs of the head in block 0: a code for each root and quality, nothing of other words.

        Left to chance, a chord was so faint a part of what the head read that nothing was learned from it in 600
        steps; with these, within 100.
        """
        spec, block = self.decoder.spec, self.decoder.blocks[0]
        size, named = spec.head_dim, [*self.roots, *self.qualities]
        codes = torch.linalg.qr(torch.randn(max(len(named), size), max(len(named), size)))[0][
            : len(named), :size
        ]
        states, wanted = [], []
        places, others = list(self.places), min(self.places)
        for _ in range(lists):
            words = torch.randint(2, others, (4,)).tolist()
            code = torch.zeros(len(words), size)
            for place in torch.randint(len(places), (4,)).tolist():
                root, quality = (
                    int(torch.randint(len(self.roots), ())),
                    int(torch.randint(len(self.qualities), ())),
                )
                words += [places[place], self.roots[root], self.qualities[quality]]
                both = codes[root] + 0.5 * codes[len(self.roots) + quality]
                code = torch.cat([code, both[None], torch.zeros(2, size)])
            read = self.text_encoder(input_ids=torch.tensor([words])).last_hidden_state[0]
            states.append(self.decoder.text_proj(read))
            wanted.append(code)
        x, y = torch.cat(states), torch.cat(wanted)
        ridge = 1e-5 * float(x.pow(2).sum(0).mean()) * torch.eye(spec.d_model)
        values = torch.linalg.solve(x.T @ x + ridge, x.T @ y).T
        block.cross_kv.weight[spec.d_model + self._rows.start : spec.d_model + self._rows.stop] = values
        block.cross_out.weight[:, self._rows] = _HEARD * torch.linalg.qr(torch.randn(spec.d_model, size))[0]

    @torch.no_grad()
    def hold(self) -> None:
        """Set again what makes up the heads, and keep everything else out of what they read.

        The keys are so small beside what else a word says that a few hundred noisy steps would wear them away.
        """
        spec, told, heard = self.decoder.spec, self._told, self._heard
        _next_words(self.text_encoder, self._read)
        words = self.text_encoder.get_input_embeddings().weight
        words -= words @ told.T @ told
        for word, (place, count) in self.places.items():
            words[word] += LOUD * _angles((place - 0.5) / count) @ told
        for name, weight in self.text_encoder.named_parameters():
            if name.endswith((".o.weight", ".wo.weight")):
                weight.sub_(told.T @ (told @ weight))
        through = self.decoder.text_proj
        through.weight += heard.T @ (told - heard @ through.weight)
        through.bias.sub_(heard.T @ (heard @ through.bias))
        for block in self.decoder.blocks:
            block.cross_kv.weight.sub_(block.cross_kv.weight @ heard.T @ heard)
        # Between tokens as loud as the clock nobody could read it.
        self.decoder.embed.weight[:, self._clock] = 0.0
        first = self.decoder.blocks[0]
        first.self_out.weight[self._clock] = 0.0
        first.cross_norm.weight[self._clock], first.cross_norm.bias[self._clock] = 1.0, 0.0
        gain = float(first.cross_q.weight[self._rows.start, self._clock[0]])
        query, key = torch.zeros(spec.head_dim, spec.d_model), torch.zeros(spec.head_dim, spec.d_model)
        query[torch.arange(len(told)), self._clock] = gain
        key[: len(told)] = gain * heard
        first.cross_q.weight[self._rows], first.cross_kv.weight[self._rows] = query, key

    def free(self, count: int) -> tuple[Tensor, Tensor]:
        """``count`` directions of the text states ``[count, Dt]`` and of what the decoder makes of them ``[count, D]``
        that these heads do not use."""
        drawn = torch.randn(self.decoder.spec.d_model, count, generator=torch.Generator().manual_seed(2))
        basis = torch.linalg.qr(torch.cat([self._heard.T, drawn], dim=1))[0]
        return self._read[-count:], basis[:, len(self._heard) :].T

    @torch.no_grad()
    def share(self) -> float:
        """The share of attention of the right one of four places, among them and sixteen other words, a few frames
        away from a change."""
        spec, block, phrase = self.decoder.spec, self.decoder.blocks[0], self.phrase
        four = [word for word, (_, count) in self.places.items() if count == 4]
        others = torch.randint(2, min(self.places), (16,)).tolist()
        words = [*others[:8], *(x for word in four for x in (word, others[8])), *others[9:]]
        states = self.text_encoder(input_ids=torch.tensor([words])).last_hidden_state
        keys = block.text_keys(self.decoder.text_proj(states))[0][0, -1]
        x = self.decoder.embedded(torch.randint(spec.card, (1, spec.n_q, phrase)))
        q, k, v = block.qkv(block.self_norm(x)).view(1, phrase, 3, spec.n_heads, spec.head_dim).unbind(2)
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
        )
        x = x + block.self_out(mixed.transpose(1, 2).reshape(1, phrase, spec.d_model))
        asked = block.cross_q(block.cross_norm(x)).view(phrase, spec.n_heads, spec.head_dim)[:, -1]
        found = (asked @ keys.T / math.sqrt(spec.head_dim)).softmax(-1)
        at = torch.arange(phrase)
        right = torch.tensor([words.index(four[int(t) * 4 // phrase]) for t in at])
        within = at % (phrase // 4)
        far = (within >= 4) & (within < phrase // 4 - 4)
        return float(found[at, right][far].mean())


def _angles(turn: float) -> Tensor:
    """Where in the phrase (0 to 1), as cosines, then sines of its harmonics."""
    angles = 2 * math.pi * turn * torch.tensor(HARMONICS, dtype=torch.float32)
    return torch.cat([angles.cos(), angles.sin()])


def clock(d_model: int, period: int, periods: tuple[int, ...]) -> tuple[int, int]:
    """Which numbers of a position hold the cosine and the sine of ``period`` frames."""
    at = d_model // 2 - len(periods) + periods.index(period)
    return at, at + d_model // 2


def _next_words(text_encoder: T5EncoderModel, basis: Tensor) -> None:
    """The last head of each layer looks at the next word and writes it beside what stands here."""
    size = text_encoder.config.d_kv
    rows = slice(-size, None)
    stack: Any = text_encoder.encoder.block
    for number, layer in enumerate(stack):
        attention = layer.layer[0].SelfAttention
        read = basis[number * size : (number + 1) * size]
        attention.q.weight[rows] = 0.0
        attention.v.weight[rows] = read
        attention.o.weight[:, rows] = LOUD * read.T
        if number == 0:
            bias = attention.relative_attention_bias.weight
            bias[:, -1] = 0.0
            bias[_NEXT_WORD, -1] = 20.0
