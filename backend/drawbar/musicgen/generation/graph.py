"""One frame as one CUDA graph: a column of steps, a position and a seed -> the tokens drawn, without a host sync.

Embedding, all blocks, steering, heads, guidance and sampling read and write buffers that stay where they are, so a
slider move is a copy into one of them and nothing is captured again. On a CPU the same computation runs eagerly: it is
the twin by which the tests hold the graph's arithmetic to ``step.Stepper``'s. Knows no windows, prompts or mixers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.network.cache import Cache
from drawbar.musicgen.network.step import Stepper, TextMemory

_BUCKET = 512
"""Attention looks at the past up to the next multiple of this many positions; each has its own capture.

A captured graph has fixed shapes. One graph for the whole cache would make every frame as slow as the last one; one a
position would be 1,500 captures. What lies between the position and the end of the bucket is masked.
"""
_WARM = 3
"""Runs before a capture: libraries choose their algorithms and allocate in the first ones, which a capture forbids."""


class FrameGraph:
    """The step of ``R = tracks x branches`` rows over one cache. ``run`` may be called from one thread."""

    def __init__(
        self,
        stepper: Stepper,
        cache: Cache,
        text: TextMemory | None,
        sampler: Sampler,
        *,
        clips: int,
        guidance: float | None,
        watched: Sequence[int] = (),
        capture: bool | None = None,
    ) -> None:
        """``capture`` None captures on CUDA and computes eagerly elsewhere; False is the off switch."""
        self._stepper, self._cache, self._text, self._sampler = stepper, cache, text, sampler
        self._clips, self._guidance = clips, guidance
        spec, device = stepper.spec, stepper.decoder.positions.device
        self._branches = 1 if guidance is None else 2
        self._tracks = cache.rows // self._branches
        self._captures = device.type == "cuda" if capture is None else capture
        if self._captures and device.type != "cuda":
            raise BadInputError(
                f"a CUDA graph on device {device}: leave capture=None, which computes eagerly there"
            )
        rows = cache.rows

        def buffer(*shape: int, dtype: torch.dtype = torch.int64) -> tuple[Tensor, Tensor]:
            """Pinned memory to write and its twin on the device (the same tensor on a CPU)."""
            host = torch.zeros(shape, dtype=dtype, pin_memory=device.type == "cuda")
            return host, host if device.type == "cpu" else torch.zeros(shape, dtype=dtype, device=device)

        self._steps = buffer(rows, spec.n_q, 1)
        self._position = buffer(1)
        self._bases = buffer(self._tracks, spec.n_q)
        self._add = torch.zeros(spec.n_layers, rows, spec.d_model, device=device, dtype=stepper.dtype)
        self._places = torch.arange(cache.capacity, device=device)
        self._drawn = torch.zeros(self._tracks, spec.n_q, dtype=torch.long, device=device)
        self._finite = torch.ones(1, dtype=torch.bool, device=device)
        self.watch = {layer: torch.zeros(rows, spec.d_model, device=device) for layer in watched}
        """Layer -> the residual of the last position, after steering ``[R, D]``."""
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._steered: Mapping[int, Tensor] | None = None

    def warm_up(self) -> None:
        """Captures every length beforehand, so that none is captured while playing."""
        if self._captures:
            for length in range(_BUCKET, self._cache.capacity + _BUCKET, _BUCKET):
                self._captured(min(length, self._cache.capacity))

    def steer(self, add: Mapping[int, Tensor]) -> None:
        """Writes what every layer adds, ``[R, D]``; layers that are absent add zero."""
        if add is self._steered:  # nothing moved since the last frame: the buffer holds it already
            return
        self._add.zero_()
        for layer, vectors in add.items():
            self._add[layer].copy_(vectors, non_blocking=True)
        self._steered = add

    def launch(self, steps: Tensor, position: int, bases: Sequence[Sequence[int]]) -> None:
        """Starts one frame: steps ``[R, K, 1]`` at a position of the window; ``bases`` are the noise's keys per track.

        Nothing waits for the device. Raises BadInputError when the cache is full.
        """
        if position >= self._cache.capacity:
            raise BadInputError(
                f"position {position} is outside the cache of {self._cache.capacity} positions"
            )
        # Pinned memory may be written again at once only because `result` waits for the frame that reads it.
        self._steps[0].copy_(steps)
        self._position[0].fill_(position)
        self._bases[0].copy_(torch.tensor(bases, dtype=torch.int64))
        for host, device in (self._steps, self._position, self._bases):
            if host is not device:
                device.copy_(host, non_blocking=True)
        length = min(self._cache.capacity, -(-(position + 1) // _BUCKET) * _BUCKET)
        if self._captures:
            self._captured(length).replay()
        else:
            self._compute(length)
        self._cache.length = position + 1

    def result(self) -> tuple[Tensor, bool]:
        """Waits for the frame -> the tokens ``[tracks, K]`` on the CPU, and whether all logits were finite."""
        drawn = self._drawn.cpu()
        return drawn, bool(self._finite.item())

    def _captured(self, length: int) -> torch.cuda.CUDAGraph:
        if length not in self._graphs:
            kept = [
                layer[:, :, :, :1].clone() for layer in self._cache.layers
            ]  # warming up writes position 0
            place = self._position[1].clone()
            self._position[1].zero_()
            # Capture wants a stream of its own; the waits keep both streams' writes to the buffers in order.
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM):
                    self._compute(length)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._compute(length)
            for layer, first in zip(self._cache.layers, kept, strict=True):
                layer[:, :, :, :1].copy_(first)
            self._position[1].copy_(place)
            self._graphs[length] = graph
        return self._graphs[length]

    def _compute(self, length: int) -> None:
        """The frame itself: only tensors of fixed shape and address."""
        stepper, spec = self._stepper, self._stepper.spec
        decoder, rows, shape = stepper.decoder, self._cache.rows, (spec.d_model,)
        heads, width, at = spec.n_heads, spec.head_dim, self._position[1]
        x = decoder.embed(self._steps[1] + decoder.book_offsets).sum(1) + decoder.positions.index_select(
            0, at
        )
        x = x.view(rows, spec.d_model)
        # Later places of the bucket hold zeros or what a rewind left behind: -inf takes them out of the softmax.
        past = torch.where(self._places[:length] <= at, 0.0, float("-inf")).to(x.dtype).view(1, 1, 1, length)
        for number, (norms, linear) in enumerate(stepper.weights):
            qkv, self_out, cross_q, cross_out, ff_in, ff_out = linear
            mixed = torch.mm(F.layer_norm(x, shape, norms[0], norms[1]), qkv)
            parts = mixed.view(rows, 1, 3, heads, width).permute(2, 0, 3, 1, 4)
            memory = self._cache.layers[number]
            memory.index_copy_(3, at, parts[1:])
            out = F.scaled_dot_product_attention(
                parts[0], memory[0, :, :, :length], memory[1, :, :, :length], attn_mask=past
            )
            x = torch.addmm(x, out.reshape(rows, -1), self_out)
            if self._text is not None and self._text.layers:
                query = torch.mm(F.layer_norm(x, shape, norms[2], norms[3]), cross_q).view(
                    rows, heads, 1, width
                )
                out = F.scaled_dot_product_attention(
                    query, *self._text.layers[number], attn_mask=self._text.bias
                )
                x = torch.addmm(x, out.reshape(rows, -1), cross_out)
            wide = F.gelu(torch.mm(F.layer_norm(x, shape, norms[4], norms[5]), ff_in))
            x = torch.addmm(x, wide, ff_out) + self._add[number]
            if number in self.watch:
                self.watch[number].copy_(x)
        logits = self._guided(stepper.logits(x).float())
        self._finite.copy_(torch.isfinite(logits).all().view(1))
        present = self._steps[1].view(-1, self._branches, self._clips, spec.n_q)[:, 0].flatten(0, 1)
        self._drawn.copy_(self._sampler.draw_keyed(logits, self._bases[1], present))

    def _guided(self, logits: Tensor) -> Tensor:
        if self._guidance is None:
            return logits
        pairs = logits.view(-1, 2, self._clips, *logits.shape[1:])
        conditional, null = pairs[:, 0].flatten(0, 1), pairs[:, 1].flatten(0, 1)
        return null + (conditional - null) * self._guidance
