"""One frame as one call of compiled code: a column of steps, a position and noise keys -> the tokens drawn, on a CPU.

All layers, guidance branches, the twin, steering, what observers watch, heads and the draw run without Python and
without its lock, in memory that is laid out once. The arithmetic is that of ``step.Stepper`` (or of
``quantised.stepper``) and ``sampling.Sampler``; the tests hold it to them. Interface as ``graph.FrameGraph``. Knows no
windows, prompts or mixers.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.checkpoint.memory_needed import parameters
from drawbar.musicgen.compiled.byte_kernels import GROUP
from drawbar.musicgen.compiled.frame_kernels import HEAD
from drawbar.musicgen.compiled.program import ADD, GELU, FloatWeights, Program, functions
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.network.cache import Cache
from drawbar.musicgen.network.step import Stepper, TextMemory
from drawbar.musicgen.quantised.packing import Packed
from drawbar.musicgen.quantised.stepper import QUANTISED, QuantisedCache, QuantisedStepper
from drawbar.musicgen.spec import ModelSpec

Weights = FloatWeights | Packed
_PACKED: weakref.WeakKeyDictionary[Stepper, list[Weights]] = weakref.WeakKeyDictionary()


_LARGEST = 512 << 20
"""Bytes of float32 weights that compiled code lays out a second time; larger ones are bound by memory either way."""


def can_compile(stepper: Stepper) -> bool:
    """Whether frames of this stepper can be computed in one call here, without taking its memory twice."""
    spec = stepper.spec
    if stepper.precision in ("float32", "kv8", "kv4") and 4 * sum(parameters(spec)) > _LARGEST:
        return False
    return (
        stepper.precision in ("float32", *QUANTISED)
        and stepper.decoder.positions.device.type == "cpu"
        and _fits(spec)
        and functions() is not None
    )


def _fits(spec: ModelSpec) -> bool:
    return (
        not spec.melody_frames
        and spec.head_dim == HEAD
        and not (spec.d_model % 32 or spec.d_ff % 32 or spec.card % 16)
    )


def _weights(stepper: Stepper) -> list[Weights]:
    """Six linear layers a block, then the heads; laid out once per stepper."""
    if stepper not in _PACKED:
        if isinstance(stepper, QuantisedStepper):
            every = itertools.chain(*stepper.packed, [stepper.packed_heads])
            found: list[Weights] = [w if isinstance(w, Packed) else FloatWeights(w) for w in every]
        else:
            layers = [weight.t() for _, linear in stepper.weights for weight in linear]
            found = [FloatWeights(weight) for weight in (*layers, stepper.decoder.head.weight)]
        _PACKED[stepper] = found
    return _PACKED[stepper]


class CompiledFrame:
    """The step of ``R = tracks x branches`` rows over one cache. Used by one thread."""

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
    ) -> None:
        self._stepper, self._cache, self._text, self._sampler = stepper, cache, text, sampler
        spec, rows = stepper.spec, cache.rows
        self._branches = 1 if guidance is None else 2
        self._clips, self._guidance, self._tracks = clips, guidance or 0.0, rows // self._branches
        # Frames of many rows are work for every core; those of a take leave one to the window (see live/threads).
        self._program = Program(torch.get_num_threads())
        self._frame = torch.zeros(1, dtype=torch.int64)
        self._steps = torch.zeros(rows, spec.n_q, 1, dtype=torch.int64)
        self._keys = torch.zeros(self._tracks, spec.n_q, dtype=torch.int64)
        self._drawn = torch.zeros(self._tracks, spec.n_q, dtype=torch.int64)
        self._finite = torch.ones(1, dtype=torch.int64)
        self._settings = torch.zeros(4)
        self._add = torch.zeros(spec.n_layers, rows, spec.d_model)
        self._adds = torch.zeros(spec.n_layers, dtype=torch.int64)
        self.watch = {layer: torch.zeros(rows, spec.d_model) for layer in watched}
        """Layer -> the residual of the last position, after steering ``[R, D]``."""
        self._steered: Mapping[int, Tensor] | None = None
        width = max(spec.d_ff, spec.d_model)
        self._bytes = torch.zeros(rows * width, dtype=torch.int8)
        self._byte_scales = torch.zeros(rows * width // GROUP)
        self._byte_sums = torch.zeros(rows * width // GROUP, dtype=torch.int32)
        self._build()

    # --- what `Generation` calls --------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Nothing has to be captured here."""

    def steer(self, add: Mapping[int, Tensor]) -> None:
        """Writes what every layer adds, ``[R, D]``; layers that are absent add nothing."""
        if add is self._steered:
            return
        self._adds.zero_()
        for layer, vectors in add.items():
            self._add[layer].copy_(vectors)
            self._adds[layer] = 1
        self._steered = add

    def extend(self, steps: Tensor) -> None:
        """Remembers one more position of every row, ``[R, K, 1]``, without asking what comes next."""
        self._put(steps, self._cache.length)
        self._program.run(until="remembered")
        self._cache.length += 1

    def launch(self, steps: Tensor, position: int, bases: Sequence[Sequence[int]]) -> None:
        """One frame: steps ``[R, K, 1]`` at a position of the window; ``bases`` are the noise's keys per track."""
        self._put(steps, position)
        self._keys.copy_(torch.tensor(bases, dtype=torch.int64))
        sampler = self._sampler
        self._settings[0] = self._guidance
        self._settings[1] = 0.0 if sampler.temperature == 0 else 1 / sampler.temperature
        self._settings[2] = sampler.change_temperature or 0.0
        self._settings.view(torch.int32)[3] = sampler.top_k
        self._program.run()
        self._cache.length = position + 1

    def result(self) -> tuple[Tensor, bool]:
        """The tokens ``[tracks, K]``, and whether all logits were finite."""
        return self._drawn.clone(), bool(self._finite.item())

    def _put(self, steps: Tensor, position: int) -> None:
        if position >= self._cache.capacity:
            raise BadInputError(
                f"position {position} is outside the cache of {self._cache.capacity} positions"
            )
        self._steps.copy_(steps)
        self._frame[0] = position

    # --- the program --------------------------------------------------------------------------------------

    def _build(self) -> None:
        stepper, spec, program, rows = self._stepper, self._stepper.spec, self._program, self._cache.rows
        decoder, d = stepper.decoder, self._stepper.spec.d_model
        weights = iter(_weights(stepper))
        x, normed, mixed, query = (torch.zeros(rows, d) for _ in range(4))
        qkv, wide = torch.zeros(rows, 3 * d), torch.zeros(rows, spec.d_ff)
        program.job(
            "embed", decoder.embed.weight.data, decoder.positions, self._frame, self._steps, x,
            rows, spec.n_q, spec.card + 1, d,
        )  # fmt: skip

        def norm(weight: Tensor, bias: Tensor) -> Tensor:
            program.job("norm", x, weight.data, bias.data, normed, rows, d)
            return normed

        for number, block in enumerate(decoder.blocks):
            norms = (block.self_norm, block.cross_norm, block.ff_norm)
            self._multiply(next(weights), norm(norms[0].weight, norms[0].bias), qkv)
            self._attend(number, qkv, mixed)
            self._multiply(next(weights), mixed, x, ADD)
            cross = next(weights), next(weights)
            if self._text is not None:
                self._multiply(cross[0], norm(norms[1].weight, norms[1].bias), query)
                self._listen(number, query, mixed)
                self._multiply(cross[1], mixed, x, ADD)
            self._multiply(next(weights), norm(norms[2].weight, norms[2].bias), wide, GELU)
            self._multiply(next(weights), wide, x, ADD)
            program.job("add", x, self._add[number], self._adds[number:], rows * d)
            if number in self.watch:
                program.job("copy", x, self.watch[number], 4 * rows * d)
        program.mark("remembered")
        logits = torch.zeros(rows, spec.n_q * spec.card)
        self._multiply(next(weights), norm(decoder.norm.weight, decoder.norm.bias), logits)
        scratch, entries = torch.zeros(2 * spec.card), self._sampler.noise.entries
        program.job(
            "sample", logits, self._keys, entries, self._steps, self._drawn, self._finite, scratch, self._settings,
            self._clips, self._branches, self._tracks, spec.n_q, spec.card,
        )  # fmt: skip
        program.seal()

    def _multiply(self, weights: Weights, inputs: Tensor, outputs: Tensor, mode: int = 0) -> None:
        program, rows = self._program, inputs.shape[0]
        if isinstance(weights, FloatWeights):
            program.linear(weights, inputs, outputs, mode)
            return
        groups, middle = weights.n_in // GROUP, 8 if weights.bits == 4 else 128
        program.job(
            "quantise_job", inputs, self._bytes, self._byte_scales, self._byte_sums, rows * groups, -middle,
            program.threads, everyone=True,
        )  # fmt: skip
        for first in range(0, rows, 4):
            program.job(
                f"multiply{weights.bits}_{min(4, rows - first)}",
                weights.weights, weights.scales, self._bytes[first * weights.n_in :],
                self._byte_scales[first * groups :], self._byte_sums[first * groups :], outputs[first:],
                groups, weights.n_out // 16, weights.n_out, int(mode == ADD), program.threads, everyone=True,
            )  # fmt: skip
        if mode == GELU:
            program.job("bend", outputs, outputs.numel(), program.threads, everyone=True)

    def _attend(self, layer: int, qkv: Tensor, mixed: Tensor) -> None:
        """Remembers the position's keys and values, then lets every row look at its own past."""
        spec, cache, program = self._stepper.spec, self._cache, self._program
        d, heads, pairs = spec.d_model, spec.n_heads, cache.rows * spec.n_heads
        if isinstance(cache, QuantisedCache):
            (keys, values), (key_scales, value_scales) = cache.layers[layer], cache.scales[layer]
            flat = qkv.view(-1)
            program.job(
                f"store{cache.bits}_job", flat[d:], flat[2 * d :], keys, key_scales, values, value_scales,
                pairs, heads, 3 * d, cache.blocks, self._frame,
            )  # fmt: skip
            scratch = torch.zeros(program.threads, 16 * cache.blocks)
            program.job(
                f"attend{cache.bits}_job", self._frame, qkv, keys, key_scales, values, value_scales, mixed, scratch,
                pairs, heads, cache.blocks, 0, 3 * d, program.threads, everyone=True,
            )  # fmt: skip
            return
        keys, values = cache.layers[layer]
        scratch = torch.zeros(program.threads, (cache.capacity + 16) * HEAD)
        program.job(
            "attend32", qkv, keys, values, 0, mixed, self._frame, 0, pairs, heads, 3 * d, cache.capacity * HEAD,
            d, scratch, program.threads, everyone=True,
        )  # fmt: skip

    def _listen(self, layer: int, query: Tensor, mixed: Tensor) -> None:
        """Every row's query over its prompt."""
        assert self._text is not None
        spec, program = self._stepper.spec, self._program
        keys, values = self._text.layers[layer]
        length = keys.shape[2]
        bias: Tensor | int = 0 if self._text.bias is None else self._text.bias.contiguous()
        scratch = torch.zeros(program.threads, (length + 16) * HEAD)
        program.job(
            "attend32", query, keys, values, bias, mixed, 0, length, self._cache.rows * spec.n_heads, spec.n_heads,
            spec.d_model, length * HEAD, 0, scratch, program.threads, everyone=True,
        )  # fmt: skip
