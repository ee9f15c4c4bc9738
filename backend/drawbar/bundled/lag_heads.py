"""A fresh decoder -> the same with heads that look back one bar or phrase, so that copying is possible from the start.

A small network with sinusoidal positions does not find within millions of frames how to look one bar back. Such a head
is an ordinary head with chosen first weights: its queries read a position's cosines and sines, its keys the same
turned by the lag, so that their product is largest where the distance is the lag; its values and output are a
projection and its transpose, so that what stood there is written into the residual as it was embedded. Nothing in the
architecture changes, and training may change every weight. To copy what *follows*, the lag is one less than the
distance at which the music returns: the position that predicts step s + 1 must read the one that holds its twin.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drawbar.musicgen.network.decoder import Block, Decoder


@torch.no_grad()
def plant(decoder: Decoder, lags: tuple[tuple[int, ...], ...], share: float = 0.6) -> list[list[float]]:
    """Set the first heads of block n to look back ``lags[n]`` frames; returns what share of the attention they give.

    The gain is raised until a head gives the wanted position ``share`` of its attention, between random tokens. The
    dimensions whose positions these heads read start out free of everything else: between tokens as loud as the
    positions no gain would be enough.
    """
    spec = decoder.spec
    pairs = torch.linspace(0, 0.55 * (spec.d_model // 2 - 1), spec.head_dim // 2).round().long()
    read = torch.cat([pairs, pairs + spec.d_model // 2])
    free = torch.ones(spec.d_model, dtype=torch.bool)
    free[read] = False
    decoder.embed.weight[:, read] = 0.0
    for block in decoder.blocks[: len(lags) - 1]:
        for written in (block.self_out, block.cross_out, block.ff_out):
            written.weight[read] = 0.0
    reached = []
    room = int(free.sum())
    for block, wanted in zip(decoder.blocks, lags, strict=False):
        shares = []
        # Heads of one block read different numbers of what stood there, as long as there are any left.
        basis = torch.cat([torch.linalg.qr(torch.randn(room, room))[0] for _ in range(2)])
        for head, lag in enumerate(wanted):
            projection = torch.zeros(spec.head_dim, spec.d_model)
            projection[:, free] = basis[head * spec.head_dim :][: spec.head_dim]
            for gain in (2.0, 3.0, 4.0, 6.0, 8.0, 12.0):
                _set_head(block, head, lag - 1, gain, pairs, projection)
                found = _attention(decoder, block, head, lag - 1)
                if found >= share:
                    break
            shares.append(round(found, 3))
        reached.append(shares)
    return reached


def _set_head(block: Block, head: int, lag: int, gain: float, pairs: Tensor, projection: Tensor) -> None:
    d = block.self_out.weight.shape[0]
    size, half = d // block.heads, d // 2
    rates = torch.exp(pairs.float() * -(math.log(10000) / (half - 1)))
    rows = torch.arange(size // 2)
    first = head * size
    query, key = torch.zeros(size, d), torch.zeros(size, d)
    query[rows, pairs] = query[rows + size // 2, pairs + half] = gain
    cosine, sine = torch.cos(lag * rates) * gain, torch.sin(lag * rates) * gain
    key[rows, pairs], key[rows, pairs + half] = cosine, -sine
    key[rows + size // 2, pairs], key[rows + size // 2, pairs + half] = sine, cosine
    for part, weight in enumerate((query, key, projection)):
        block.qkv.weight[part * d + first : part * d + first + size] = weight
    block.self_out.weight[:, first : first + size] = projection.T


def _attention(decoder: Decoder, block: Block, head: int, lag: int, length: int = 700) -> float:
    """The share of a head's attention that falls on the position ``lag`` before, between random tokens."""
    spec = decoder.spec
    steps = torch.randint(spec.card, (1, spec.n_q, length))
    x = decoder.embedded(steps)
    for before in decoder.blocks:
        if before is block:
            break
        x = before(x, None, None)
    q, k, _ = block.qkv(block.self_norm(x)).view(length, 3, block.heads, spec.head_dim).unbind(1)
    at = torch.arange(lag + 1, length)
    scores = (q[at, head] @ k[:, head].T / math.sqrt(spec.head_dim)).masked_fill(
        torch.arange(length) > at[:, None], float("-inf")
    )
    return float(scores.softmax(-1)[torch.arange(len(at)), at - lag].mean())
