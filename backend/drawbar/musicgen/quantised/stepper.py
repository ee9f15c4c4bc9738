"""The next positions' steps -> residuals and logits, with weights and a memory of 8 or 4 bits, on a CPU.

The same interface as ``step.Stepper``. Linear layers and self-attention run in the kernels of ``kernels.py``; norms,
cross-attention and steering stay in float32. Knows nothing of sampling, prompts or sliders.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from drawbar.errors import BadInputError, NotSupportedError
from drawbar.musicgen.compiled.byte_kernels import HEAD, VALUE_GROUP
from drawbar.musicgen.network.cache import Cache
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.step import Interventions, Stepper, TextMemory
from drawbar.musicgen.quantised.kernels import AttendJob, kernels
from drawbar.musicgen.quantised.packing import Packed, Workspace, pack
from drawbar.musicgen.spec import ModelSpec

_FLOAT = 32
QUANTISED = {"kv8": (32, 8), "kv4": (32, 4), "int8": (8, 8), "int4": (4, 4)}
"""What is less than exact on a CPU: the bits of its weights, and of its memory of keys and values."""
_HEAD_BITS = 8
"""The output heads are small and decide the tokens: never below 8 bits."""


def can_quantise(spec: ModelSpec) -> str | None:
    """Why a model of these sizes cannot run quantised on this machine; None if it can."""
    if spec.melody_frames:
        return "melody models run in float32, on a GPU in half precision too"
    if kernels() is None:
        return "the processor has neither AVX2 nor NEON with dot products"
    if spec.head_dim != HEAD:
        return f"its heads have {spec.head_dim} values, the kernels take {HEAD}"
    if spec.d_model % 32 or spec.d_ff % 32 or (spec.n_q * spec.card) % 16:
        return f"its widths {spec.d_model} and {spec.d_ff} do not divide by 32"
    return None


def check_quantisable(spec: ModelSpec, precision: str) -> None:
    """Raises NotSupportedError that says why a model of these sizes cannot run in a quantised precision here."""
    why = can_quantise(spec)
    if why is not None:
        raise NotSupportedError(f"{spec.name} cannot run in {precision}: {why}; use precision float32")


class QuantisedCache(Cache):
    """Self-attention memory of 8 or 4 bits: every position's key and value of a head has its own scale."""

    def __init__(self, spec: ModelSpec, rows: int, capacity: int, bits: int = 8) -> None:
        if rows < 1 or capacity < 1:
            raise BadInputError(f"a cache of {rows} rows and {capacity} positions: both must be at least 1")
        self.rows, self.capacity, self.length = rows, capacity, 0
        self._wide = None
        self.bits = bits
        self.blocks = -(-capacity // VALUE_GROUP) * VALUE_GROUP // 16
        pairs, places = rows * spec.n_heads, 16 * self.blocks
        size = places * HEAD * bits // 8
        self.layers = [torch.zeros(2, pairs, size, dtype=torch.uint8) for _ in range(spec.n_layers)]
        """Per layer keys and values, as ``byte_kernels`` draws them."""
        self.scales = [torch.zeros(2, pairs, places) for _ in range(spec.n_layers)]

    def _memory(self) -> list[Tensor]:
        return [*self.layers, *self.scales]

    def _use(self, memory: list[Tensor]) -> None:
        self.layers, self.scales = memory[: len(self.layers)], memory[len(self.layers) :]

    def _written(self, part: Tensor) -> Tensor:
        return part  # positions stand in blocks

    @property
    def bytes(self) -> int:
        return super().bytes + sum(4 * part.numel() for part in self.scales)


PACKED = ("qkv", "self_out", "cross_q", "cross_out", "ff_in", "ff_out")
"""A block's layers that are packed, in the order in which they are used."""


class WhileLoading:
    """Packs each weight as it comes from its file, so that all of them are never there in float32."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self.packed: dict[str, Packed] = {}

    def __call__(self, name: str, weight: Tensor) -> bool:
        """See ``weights.Keep``."""
        if name == "head.weight":
            self.packed[name] = pack(weight, _HEAD_BITS)
        elif name.startswith("layers.") and name.split(".")[2] in PACKED:
            self.packed[name] = pack(weight, self._bits)
        return name in self.packed


class QuantisedStepper(Stepper):
    """A decoder with packed weights. The decoder's large weights are given back unless ``keep_weights``.

    ``bits`` 32 leaves the weights as they are; the memory of keys and values has ``memory_bits`` (8 or 4), by default
    8, and 4 beside weights of 4.
    """

    def __init__(
        self,
        decoder: Decoder,
        bits: int,
        memory_bits: int | None = None,
        *,
        keep_weights: bool = False,
        packed: Mapping[str, Packed] | None = None,
    ) -> None:
        """``packed`` are weights that were packed while they were loaded (see ``WhileLoading``)."""
        there = packed or {}
        check_quantisable(decoder.spec, f"int{bits}")
        self.spec, self.decoder, self.bits = decoder.spec, decoder, bits
        self.memory_bits = memory_bits or min(bits, 8)
        self._shape = (self.spec.d_model,)
        self._norms: list[tuple[Tensor, ...]] = []
        self.packed: list[tuple[Packed | Tensor, ...]] = []
        """Per layer its six linear layers, in the order in which they are used."""
        for number, block in enumerate(decoder.blocks):
            norms = (block.self_norm, block.cross_norm, block.ff_norm)
            self._norms.append(tuple(p.detach() for norm in norms for p in (norm.weight, norm.bias)))
            parts = (block.qkv, block.self_out, block.cross_q, block.cross_out, block.ff_in, block.ff_out)
            if bits == _FLOAT:
                self.packed.append(tuple(part.weight.detach() for part in parts))
                continue
            names = [f"layers.{number}.{name}.weight" for name in PACKED]
            self.packed.append(
                tuple(
                    there.get(name) or pack(part.weight, bits)
                    for name, part in zip(names, parts, strict=True)
                )
            )
            for part in parts if not keep_weights else ():
                part.weight.data = torch.empty(0)
        self.packed_heads: Packed | Tensor = decoder.head.weight.detach()
        if bits != _FLOAT:
            self.packed_heads = there.get("head.weight") or pack(decoder.head.weight, _HEAD_BITS)
        if not keep_weights and bits != _FLOAT:
            decoder.head.weight.data = torch.empty(0)
        self._room: Workspace | None = None

    @property
    def precision(self) -> str:
        return f"kv{self.memory_bits}" if self.bits == _FLOAT else f"int{self.bits}"

    @property
    def bytes(self) -> int:
        parts = itertools.chain([self.packed_heads], *self.packed)
        return sum(part.bytes if isinstance(part, Packed) else 4 * part.numel() for part in parts)

    def cache(self, rows: int, capacity: int) -> Cache:
        return QuantisedCache(self.spec, rows, capacity, self.memory_bits)

    def forward(
        self,
        steps: Tensor,
        cache: Cache | None,
        text: TextMemory | None,
        interventions: Interventions | None = None,
        watch: Mapping[int, Tensor] | None = None,
        last: int | None = None,
    ) -> Tensor:
        rows, _, count = steps.shape
        memory = QuantisedCache(self.spec, rows, count, self.memory_bits) if cache is None else cache
        assert isinstance(memory, QuantisedCache)
        start, end, many = memory.length, memory.length + count, rows * count
        if end > memory.capacity:
            raise BadInputError(f"position {end - 1} is outside the cache of {memory.capacity} positions")
        spec, threads = self.spec, torch.get_num_threads()
        room = self._workspace(many)
        x = self.decoder.embedded(steps, start).reshape(many, spec.d_model).contiguous()
        qkv, mixed = torch.empty(many, 3 * spec.d_model), torch.empty(many, spec.d_model)
        wide, query = torch.empty(many, spec.d_ff), torch.empty(many, spec.d_model)
        add = interventions.add if interventions is not None else {}
        edit = interventions.edit if interventions is not None else {}
        for number, (norms, linear) in enumerate(zip(self._norms, self.packed, strict=True)):
            self._multiply(room, self._normed(x, norms, 0), linear[0], qkv, threads=threads)
            self._attend(number, memory, qkv, mixed, rows, count, threads)
            self._multiply(room, mixed, linear[1], x, add=True, threads=threads)
            if text is not None:
                self._multiply(room, self._normed(x, norms, 2), linear[2], query, threads=threads)
                asked = query.view(rows, count, spec.n_heads, HEAD).transpose(1, 2)
                heard = F.scaled_dot_product_attention(asked, *text.layers[number], attn_mask=text.bias)
                heard = heard.transpose(1, 2).reshape(many, -1)
                self._multiply(room, heard, linear[3], x, add=True, threads=threads)
            self._multiply(room, self._normed(x, norms, 4), linear[4], wide, threads=threads)
            self._multiply(room, F.gelu(wide), linear[5], x, add=True, threads=threads)
            if number in add:
                x = x + add[number]
            if number in edit:
                x = edit[number](x).contiguous()
            if watch is not None and number in watch:
                watch[number].copy_(x)
            if number == last:
                break
        memory.length = end
        return x

    def logits(self, x: Tensor) -> Tensor:
        norm = self.decoder.norm
        out = torch.empty(x.shape[0], self.spec.n_q * self.spec.card)
        normed = F.layer_norm(x, self._shape, norm.weight, norm.bias)
        room = self._workspace(x.shape[0])
        self._multiply(room, normed, self.packed_heads, out, threads=torch.get_num_threads())
        return out.view(x.shape[0], self.spec.n_q, self.spec.card)

    @staticmethod
    def _multiply(
        room: Workspace, x: Tensor, weights: Packed | Tensor, out: Tensor, *, add: bool = False, threads: int
    ) -> None:
        if isinstance(weights, Packed):
            room.multiply(x, weights, out, add=add, threads=threads)
        elif add:
            out.addmm_(x, weights.t())
        else:
            torch.mm(x, weights.t(), out=out)

    def _normed(self, x: Tensor, norms: tuple[Tensor, ...], place: int) -> Tensor:
        return F.layer_norm(x, self._shape, norms[place], norms[place + 1])

    def _workspace(self, rows: int) -> Workspace:
        if self._room is None or self._room.rows < rows:
            self._room = Workspace(rows, self.spec.d_ff)
        return self._room

    def _attend(
        self,
        layer: int,
        cache: QuantisedCache,
        qkv: Tensor,
        mixed: Tensor,
        rows: int,
        count: int,
        threads: int,
    ) -> None:
        """Remembers ``count`` positions of every row and lets each look at its own past; R x n rows of ``qkv``."""
        found = kernels()
        assert found is not None
        d, heads = self.spec.d_model, self.spec.n_heads
        (keys, values), (key_scales, value_scales) = cache.layers[layer], cache.scales[layer]
        scratch = torch.empty(max(1, threads), 16 * cache.blocks)
        out = mixed if count == 1 else torch.empty(rows, d)
        stride, address = 3 * d * count, qkv.data_ptr()
        job = AttendJob(
            0, keys.data_ptr(), key_scales.data_ptr(), values.data_ptr(), value_scales.data_ptr(), out.data_ptr(),
            scratch.data_ptr(), rows * heads, heads, cache.blocks, 0, stride, threads,
        )  # fmt: skip
        for n in range(count):
            position = cache.length + n
            place = address + 4 * 3 * d * n
            found.store[cache.bits](
                place + 4 * d, place + 8 * d, keys.data_ptr(), key_scales.data_ptr(), values.data_ptr(),
                value_scales.data_ptr(), rows * heads, heads, stride, cache.blocks, position,
            )  # fmt: skip
            job.queries, job.length = place, position + 1
            found.attend[cache.bits](job)
            if count > 1:
                mixed.view(rows, count, d)[:, n] = out
