"""The compiled CPU kernels of 8- and 4-bit weights: quantise, multiply, attend; None on processors without a target.

The functions are LLVM assembly, compiled in memory for the machine they run on; nothing is downloaded and no compiler
is needed. They work on addresses: ``packing.py`` and ``stepper.py`` own the memory. Threads come from the OpenMP pool
that torch has already started. Knows nothing of models.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drawbar.errors import NotSupportedError
from drawbar.musicgen.compiled.machine_code import compiled
from drawbar.musicgen.compiled.machine_code import team as _team
from drawbar.musicgen.compiled.program import whole_assembly
from drawbar.musicgen.compiled.targets import Target, runnable


class MultiplyJob(ctypes.Structure):
    """One product: what ``multiply`` reads. Addresses are of contiguous memory."""

    _fields_ = (
        *(
            (n, ctypes.c_void_p)
            for n in ("weights", "scales", "inputs", "input_scales", "input_sums", "outputs")
        ),
        *((n, ctypes.c_int64) for n in ("groups", "blocks", "stride", "accumulate", "threads")),
    )


class AttendJob(ctypes.Structure):
    """One layer's attention, 64 values a head: what ``attend`` reads. Pairs are rows x heads."""

    _fields_ = (
        *(
            (n, ctypes.c_void_p)
            for n in ("queries", "keys", "key_scales", "values", "value_scales", "outputs", "scratch")
        ),
        *((n, ctypes.c_int64) for n in ("pairs", "heads", "blocks", "length", "query_stride", "threads")),
    )


Run = Callable[[Any], None]


@dataclass(frozen=True)
class Kernels:
    """The compiled functions. Addresses and integers in, nothing out; jobs are passed themselves."""

    quantise: Callable[[int, int, int, int, int, int], None]
    """(x f32, bytes, scales f32, sums i32, groups, factor): groups of 32 values -> bytes; factor x each sum."""
    multiply: dict[tuple[int, int], Run]
    """(bits, rows 1..4) -> the product of that many rows by weights of 4 or 8 bits."""
    attend: dict[int, Run]
    """Bits of the memory -> one layer's attention of every row's query over its own past."""
    store: dict[int, Callable[..., None]]
    """The same -> remembers one position.

    (k, v f32, keys, key scales, values, value scales, pairs, heads, stride, blocks, position)
    """


@functools.cache
def kernels(target: Target | None = None) -> Kernels | None:
    """The functions compiled for a target that this processor runs, its best one by default; None without any.

    Raises NotSupportedError for a target that is not this processor's.
    """
    found = runnable()
    if not found:
        return None
    chosen = target or found[0]
    if chosen not in found:
        names = ", ".join(t.name for t in found)
        raise NotSupportedError(f"kernels for {chosen.name}: this processor runs {names}")
    team = _team()
    code = compiled(chosen, whole_assembly(chosen))

    def plain(name: str, count: int) -> Callable[..., None]:
        function: Callable[..., None] = ctypes.PYFUNCTYPE(None, *[ctypes.c_int64] * count)(code[name])
        return function

    def shared(name: str) -> Run:
        address = code[name]
        alone = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(address)

        def run(job: Any) -> None:
            if team is not None and job.threads > 1:
                team(address, ctypes.addressof(job), job.threads, 0)
            else:
                job.threads = 1
                alone(ctypes.addressof(job))

        return run

    return Kernels(
        plain("quantise", 6),
        {(bits, rows): shared(f"multiply{bits}_{rows}") for bits in (4, 8) for rows in (1, 2, 3, 4)},
        {bits: shared(f"attend{bits}") for bits in (4, 8)},
        {bits: plain(f"store{bits}", 11) for bits in (4, 8)},
    )
