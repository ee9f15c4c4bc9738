"""The compiled CPU kernels of 8- and 4-bit weights: quantise, multiply, attend; None without AVX-512 VNNI.

The functions are LLVM assembly, compiled in memory for the machine they run on (AVX-512 VNNI); nothing is downloaded
and no compiler is needed. They work on addresses: ``packed.py`` and ``quantised.py`` own the memory. Threads come from
the OpenMP pool that torch has already started. Knows nothing of models.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawbar.musicgen.quantised.llvm_kernels import assembly


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
    attend: Run
    """One layer's attention of every row's query over its own past."""
    store: Callable[..., None]
    """(k, v f32, keys, key scales, values, value scales, pairs, heads, stride, blocks, position): remembers one."""


@functools.cache
def kernels() -> Kernels | None:
    """The functions compiled for this processor; None where it has no AVX-512 VNNI, or LLVM is missing."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    try:
        import llvmlite.binding as llvm  # type: ignore[import-untyped]
    except ImportError:
        return None
    features = llvm.get_host_cpu_features()
    if not all(features.get(name) for name in ("avx512f", "avx512bw", "avx512vnni")):
        return None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3
    )
    team = _team(llvm)
    module = llvm.parse_assembly(assembly())
    module.verify()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _KEPT.append(engine)

    def plain(name: str, count: int) -> Callable[..., None]:
        function: Callable[..., None] = ctypes.PYFUNCTYPE(None, *[ctypes.c_int64] * count)(
            engine.get_function_address(name)
        )
        return function

    def shared(name: str) -> Run:
        address = engine.get_function_address(name)
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
        shared("attend"),
        plain("store", 11),
    )


_KEPT: list[object] = []
"""Compiled code lives as long as its engine."""


def _team(llvm: Any) -> Callable[..., None] | None:
    """OpenMP's ``GOMP_parallel`` from the library that torch uses, with its thread numbers; None without it."""
    import torch

    for file in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        # PyDLL keeps the interpreter lock: a call takes microseconds, the lock back from a busy window takes up to the
        # switch interval of 5 ms. The team is the one that torch has started, so no core is asked for twice.
        library = ctypes.PyDLL(str(file))
        llvm.add_symbol("drawbar_thread", ctypes.cast(library.omp_get_thread_num, ctypes.c_void_p).value)
        start: Callable[..., None] = library.GOMP_parallel
        library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        library.GOMP_parallel.restype = None
        return start
    alone = ctypes.CFUNCTYPE(ctypes.c_int32)(lambda: 0)
    _KEPT.append(alone)
    llvm.add_symbol("drawbar_thread", ctypes.cast(alone, ctypes.c_void_p).value)
    return None
