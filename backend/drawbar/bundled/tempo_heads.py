"""A decoder and its text encoder -> the same with units that know the sixteenth of the bar in the tempo asked for.

To start a beat from nothing a position must know where it stands in a bar *of the tempo that the prompt names*. The
clock counts the bars of all tempi at once (see ``DecoderSettings.clock_periods``); which of them matters is a product
of a word and a phase, and a small network did not find it within 20 million frames: the odds of a change were the same
for every tempo in the prompt. So one head of block 0 looks for the word of tempo and writes its code, and units of
block 0's feed-forward layer fire at the first, second ... last sixteenth of that tempo's bar; all tempi share what they
write. All of it is ordinary weights. The head's keys and values are held, everything else is trained from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import T5EncoderModel

from drawbar.bundled.chord_heads import LOUD, clock
from drawbar.musicgen.network.decoder import Decoder

_END = 1
"""The word that every prompt ends with."""
SIXTEENTHS = 16
HARMONICS = (1, 2, 4, 8, 16, 32)
"""Of a bar: together they are sharp to a frame or two. The clock must count all of them."""
SHIFTS = (0, 1)
"""Frames behind the sixteenth: codebooks are delayed by none or one."""
_PLACES = [(place, shift) for place in range(SIXTEENTHS) for shift in SHIFTS]
_GAIN = 2.0
_FOUND = 12.0
"""How much more a word of tempo is asked for than thirty others, in nats."""


class TempoHeads:
    """The head and the units of one pair of networks; ``plant`` once, then ``hold`` through training."""

    def __init__(
        self,
        decoder: Decoder,
        text_encoder: T5EncoderModel,
        tempi: Mapping[int, tuple[int, float]],
        free: tuple[Tensor, Tensor],
    ) -> None:
        """``tempi``: of each word by its number in the vocabulary the frames of a bar, and how much it weighs among
        others (1: most). ``free`` are directions of the text states ``[N, Dt]`` and of what the decoder makes of them
        ``[N, D]`` that nothing else is told by: one for tempo, and one for each bar."""
        self.decoder, self.text_encoder, self.tempi = decoder, text_encoder, dict(tempi)
        spec = decoder.spec
        self.bars = sorted({bar for bar, _ in tempi.values()})
        self.told, self.heard = free
        self._beat = {
            bar: [clock(spec.d_model, bar // harmonic, spec.clock_periods) for harmonic in HARMONICS]
            for bar in self.bars
        }
        self._clean = sorted({at for found in self._beat.values() for pair in found for at in pair})
        # A sine of period two is nothing at every position, so its place can hold what queries and units need: a one.
        self._one = spec.d_model - 1
        head = spec.n_heads - 2
        self._rows = slice(head * spec.head_dim, (head + 1) * spec.head_dim)
        drawn = torch.randn(
            spec.d_model,
            len(self.bars) + SIXTEENTHS * len(SHIFTS),
            generator=torch.Generator().manual_seed(1),
        )
        drawn[self._clean] = 0.0
        codes = torch.linalg.qr(drawn)[0].T
        self._codes, self._places = codes[: len(self.bars)], codes[len(self.bars) :]

    @torch.no_grad()
    def hold(self) -> None:
        """Set the head's queries, keys and values again, and keep all else out of what it and the units read."""
        spec, told, heard, one = self.decoder.spec, self.told, self.heard, self._one
        words = self.text_encoder.get_input_embeddings().weight
        words -= words @ told.T @ told
        for name, weight in self.text_encoder.named_parameters():
            if name.endswith((".o.weight", ".wo.weight")):
                weight.sub_(told.T @ (told @ weight))
        # Scaled number by number, what all words have in common would leak into what these are told by.
        scale, through = self.text_encoder.encoder.final_layer_norm.weight, self.decoder.text_proj
        through.weight.mul_(scale)
        scale.fill_(1.0)
        through.weight += heard.T @ (told - heard @ through.weight)
        through.bias.sub_(heard.T @ (heard @ through.bias))
        codes = {
            w: LOUD * (weight * told[0] + told[1 + self.bars.index(bar)])
            for w, (bar, weight) in self.tempi.items()
        }
        for word, code in codes.items():
            words[word] += code
        loud, last = self._loud()
        if _END in codes:
            words[_END] -= (1 - loud / last) * codes[_END]
        for block in self.decoder.blocks:
            block.cross_kv.weight.sub_(block.cross_kv.weight @ heard.T @ heard)
        self.decoder.embed.weight[:, self._clean] = 0.0
        first = self.decoder.blocks[0]
        for written in (first.self_out, first.cross_out):
            written.weight[self._clean] = 0.0
        for norm in (first.cross_norm, first.ff_norm):
            norm.weight[self._clean], norm.bias[self._clean] = 1.0, 0.0
            norm.weight[one], norm.bias[one] = 0.0, 1.0
        query, key = (torch.zeros(spec.head_dim, spec.d_model) for _ in range(2))
        query[0, one], key[0] = spec.head_dim**0.5, _FOUND / loud * heard[0]
        first.cross_q.weight[self._rows], first.cross_kv.weight[self._rows] = query, key
        values = first.cross_kv.weight[spec.d_model + self._rows.start : spec.d_model + self._rows.stop]
        values[: len(self.bars)] = heard[1:] / loud

    def _loud(self) -> tuple[float, float]:
        """How loud a word of tempo's code is where it is read, inside a prompt and as its last: nothing follows there,
        and what a word holds is scaled to one size."""
        words = torch.tensor([[max(self.tempi, key=lambda word: self.tempi[word][1]), _END + 2, _END]])
        heard = (
            self.decoder.text_proj(self.text_encoder(input_ids=words).last_hidden_state) @ self.heard[1:].T
        )
        inside, last = heard[0, 0].max(), heard[0, -1].max()
        return max(0.02, float(inside)), max(0.02, float(last))

    @torch.no_grad()
    def plant(self) -> None:
        """First outputs and units, scaled by what random prompts and tokens make of the residual that they read."""
        first = self.decoder.blocks[0]
        self.hold()
        outputs = first.cross_out.weight[:, self._rows]
        outputs.zero_()
        outputs[:, : len(self.bars)] = 4.0 * self._codes.T
        x, bars = self._read()
        clips = list(zip(x, bars, strict=True))
        told = _mean(clip.mean(0) @ self._codes[self.bars.index(bar)] for clip, bar in clips)
        peak = _mean(_peak(clip, self._wave(bar, torch.arange(len(clip))), bar) for clip, bar in clips)
        inner, outer = [], []
        for bar, code in zip(self.bars, self._codes, strict=True):
            for place, shift in _PLACES:
                at = torch.tensor([place * bar // SIXTEENTHS + shift])
                unit = 3.0 / told * code + 4.0 / peak * self._wave(bar, at)[0]
                unit[self._one] = -5.2  # the word alone, or the place alone, is not enough
                inner.append(_GAIN * unit)
                outer.append(0.8 / _GAIN * self._places[place * len(SHIFTS) + shift])
        # Always the same units: planted anew, they stand once and not twice.
        first.ff_in.weight[: len(inner)] = torch.stack(inner)
        first.ff_out.weight[:, : len(outer)] = torch.stack(outer).T

    @torch.no_grad()
    def fired(self) -> dict[str, float]:
        """Mean write along the places of the bar, of the undelayed ones that are ``due`` and of all ``others``."""
        first, (x, bars) = self.decoder.blocks[0], self._read()
        due, others = [], []
        for clip, bar in zip(x, bars, strict=True):
            written = F.gelu(first.ff_in(clip)) @ first.ff_out.weight.T @ self._places[:: len(SHIFTS)].T
            right = torch.zeros_like(written, dtype=torch.bool)
            for place in range(SIXTEENTHS):
                right[place * bar // SIXTEENTHS :: bar, place] = True
            due.append(written[right].mean())
            others.append(written[~right].mean())
        return {"due": _mean(due), "others": _mean(others)}

    def _read(self, clips: int = 32) -> tuple[Tensor, list[int]]:
        """What the feed-forward layer of block 0 reads ``[B, S, D]`` of random clips, and the bars of their prompts."""
        tempi, words = [word for word in self.tempi if word != _END], self.text_encoder.config.vocab_size
        prompts = torch.randint(3, words, (clips, 12))
        prompts[torch.isin(prompts, torch.tensor(tempi))] = 2  # unknown
        named = [tempi[n % len(tempi)] for n in range(clips)]
        prompts = torch.cat(
            [prompts, torch.tensor(named)[:, None], torch.ones(clips, 1, dtype=torch.long)], dim=1
        )
        kept: list[Tensor] = []
        first, spec = self.decoder.blocks[0], self.decoder.spec
        handle = first.ff_norm.register_forward_hook(lambda _module, _given, made: kept.append(made))
        tokens = torch.randint(spec.card, (clips, spec.n_q, 2 * max(self.bars)))
        states = self.text_encoder(input_ids=prompts).last_hidden_state
        self.decoder(tokens, states, torch.ones_like(prompts, dtype=torch.bool))
        handle.remove()
        return kept[0], [self.tempi[word][0] for word in named]

    def _wave(self, bar: int, at: Tensor) -> Tensor:
        """What in the residual agrees with standing at ``at`` ``[N]`` in that bar: ``[N, D]``."""
        wave = torch.zeros(len(at), self.decoder.spec.d_model)
        for harmonic, (cosine, sine) in zip(HARMONICS, self._beat[bar], strict=True):
            turn = 2 * math.pi * harmonic / bar * at
            wave[:, cosine] = turn.cos()
            if sine != self._one:
                wave[:, sine] = turn.sin()
        return wave


def _peak(clip: Tensor, wave: Tensor, bar: int) -> Tensor:
    """How much a clip ``[S, D]`` agrees with ``wave`` ``[S, D]`` where the sixteenths are."""
    return (clip * wave).sum(-1)[:: bar // SIXTEENTHS].mean()


def _mean(values: Iterable[Tensor]) -> float:
    return float(torch.stack(list(values)).mean())
