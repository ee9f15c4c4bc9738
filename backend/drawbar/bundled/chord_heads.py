"""A fresh text encoder and decoder -> the same with one head that finds the chord which a prompt asks for now.

To play "chords Am F C G" a position must look up its own chord: where it stands in the phrase decides which word it
needs. A small network did not find this within 12 million frames; it played the key and never the progression. So one
head of the text encoder writes what follows a word (its root, then its quality) beside that word, words of place
("chord_2_of_4") are told apart by where in the phrase they sound, and one head of block 0 asks for that place by the
clock. All of them are ordinary weights with chosen first values; training may change every one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import T5EncoderModel

from drawbar.musicgen.network.decoder import Decoder

HARMONICS = (1, 2)
"""Of the phrase: enough for the chord whose middle is nearest to win by far."""
_LOUD = 8.0
"""How loud a place is in its word, beside numbers of about 1."""
_NEXT_WORD = 17
"""The bucket of T5's relative positions in which only the next word lies."""


@torch.no_grad()
def plant(
    decoder: Decoder, text_encoder: T5EncoderModel, places: Mapping[int, tuple[int, int]], phrase: int
) -> float:
    """Give the last heads of the text encoder and of block 0 that task; returns the share of attention they reach.

    ``places`` are the words of place by their number in the vocabulary: which chord of how many. ``phrase`` frames is
    what the chords of a list share evenly; the clock must count it and its half. The share is that which the right
    one of four places has, among them and sixteen other words, a few frames away from a change.
    """
    spec = decoder.spec
    basis = torch.linalg.qr(torch.randn(spec.text_dim, spec.text_dim))[0]
    told = basis[: 2 * len(HARMONICS)]
    _next_words(text_encoder, basis[len(told) :])
    words = text_encoder.get_input_embeddings().weight
    words -= words @ told.T @ told  # nothing else may look like a place
    for name, weight in text_encoder.named_parameters():
        if name.endswith((".o.weight", ".wo.weight")):
            weight -= told.T @ (told @ weight)
    for word, (place, count) in places.items():
        words[word] += _LOUD * words.std() * _angles((place - 0.5) / count) @ told

    heard = torch.linalg.qr(torch.randn(spec.d_model, len(told)))[0].T
    through = decoder.text_proj.weight
    through.copy_(through - heard.T @ (heard @ through) + heard.T @ told)
    decoder.text_proj.bias -= heard.T @ (heard @ decoder.text_proj.bias)
    for block in decoder.blocks:
        block.cross_kv.weight -= block.cross_kv.weight @ heard.T @ heard
    block, head = decoder.blocks[0], spec.n_heads - 1
    rows = slice(head * spec.head_dim, (head + 1) * spec.head_dim)
    clock = _clock(spec.d_model, phrase, spec.clock_periods)
    decoder.embed.weight[:, clock] = 0.0  # between tokens as loud as the clock nobody could read it
    block.self_out.weight[clock] = 0.0
    block.cross_norm.weight[clock], block.cross_norm.bias[clock] = 1.0, 0.0
    for gain in (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0):  # of queries and of keys
        query = torch.zeros(spec.head_dim, spec.d_model)
        query[torch.arange(len(clock)), clock] = gain
        key = torch.zeros(spec.head_dim, spec.d_model)
        key[: len(told)] = gain * heard
        block.cross_q.weight[rows], block.cross_kv.weight[rows] = query, key
        share = _share(decoder, text_encoder, places, phrase)
        if share >= 0.9:
            break
    return share


def _angles(turn: float) -> Tensor:
    """Where in the phrase (0 to 1), as cosines, then sines of its harmonics."""
    angles = 2 * math.pi * turn * torch.tensor(HARMONICS, dtype=torch.float32)
    return torch.cat([angles.cos(), angles.sin()])


def _clock(d_model: int, phrase: int, periods: tuple[int, ...]) -> Tensor:
    """Which numbers of a position hold the same of the phrase."""
    first = d_model // 2 - len(periods)
    cosines = torch.tensor([first + periods.index(phrase // times) for times in HARMONICS])
    return torch.cat([cosines, cosines + d_model // 2])


def _next_words(text_encoder: T5EncoderModel, basis: Tensor) -> None:
    """The last head of each layer looks at the next word and writes it beside what stands here."""
    size = text_encoder.config.d_kv
    rows = slice(-size, None)
    for number, layer in enumerate(text_encoder.encoder.block):
        attention = layer.layer[0].SelfAttention
        read = basis[number * size : (number + 1) * size]
        attention.q.weight[rows] = 0.0
        attention.v.weight[rows] = read
        attention.o.weight[:, rows] = read.T
        if number == 0:
            bias = attention.relative_attention_bias.weight
            bias[:, -1] = 0.0
            bias[_NEXT_WORD, -1] = 20.0


def _share(
    decoder: Decoder, text_encoder: T5EncoderModel, places: Mapping[int, tuple[int, int]], phrase: int
) -> float:
    spec, block = decoder.spec, decoder.blocks[0]
    four = [word for word, (_, count) in places.items() if count == 4]
    others = torch.randint(2, min(places), (16,)).tolist()
    words = [*others[:8], *(x for word in four for x in (word, others[8])), *others[9:]]
    states = text_encoder(input_ids=torch.tensor([words])).last_hidden_state
    keys = block.text_keys(decoder.text_proj(states))[0][0, -1]
    steps = torch.randint(spec.card, (1, spec.n_q, phrase))
    x = decoder.embedded(steps)
    q, k, v = block.qkv(block.self_norm(x)).view(1, phrase, 3, spec.n_heads, spec.head_dim).unbind(2)
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
    )
    x = x + block.self_out(mixed.transpose(1, 2).reshape(1, phrase, spec.d_model))
    asked = block.cross_q(block.cross_norm(x)).view(phrase, spec.n_heads, spec.head_dim)[:, -1]
    found = (asked @ keys.T / math.sqrt(spec.head_dim)).softmax(-1)
    at = torch.arange(phrase)
    right = torch.tensor([words.index(four[int(t) * 4 // phrase]) for t in at])
    far = (at % (phrase // 4) >= 4) & (at % (phrase // 4) < phrase // 4 - 4)
    return float(found[at, right][far].mean())
