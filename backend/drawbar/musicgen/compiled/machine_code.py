"""LLVM assembly and a target -> the addresses of its functions, compiled in memory for the machine that runs it.

What was compiled once is kept in the user's folder. Knows nothing of what the functions do. Compiled code stays until
the process ends.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drawbar.musicgen.compiled.targets import Target, runnable
from drawbar.paths import user_dir

_KEPT: list[object] = []
"""Compiled code lives as long as its engine."""


@functools.cache
def compiled(target: Target, text: str) -> dict[str, int]:
    """The text of a module -> every function's address. The target must be one that this processor runs."""
    import llvmlite.binding as llvm  # type: ignore[import-untyped]

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    team()
    best = target is runnable()[0]
    cpu = llvm.get_host_cpu_name() if best else target.cpu
    features = llvm.get_host_cpu_features().flatten() if best else _flags(target)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=3, jit=True, codemodel="jitdefault"
    )
    key = hashlib.sha256(repr((text, machine.triple, cpu, features, llvm.llvm_version_info)).encode())
    kept = user_dir() / "compiled" / f"{key.hexdigest()}.o"
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    try:
        data = kept.read_bytes()
    except OSError:
        data = machine.emit_object(_optimised(llvm, machine, text))
        _keep(kept, data)
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    _KEPT.append(engine)
    names = re.findall(r"^define void @(\w+)\(", text, re.MULTILINE)
    return {name: engine.get_function_address(name) for name in names}


def _keep(file: Path, data: bytes) -> None:
    """Two seconds of compiling are done once per machine; where nothing can be kept, at every start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_bytes(data)
        part.replace(file)
    except OSError:
        return


def object_file(target: Target, text: str) -> bytes:
    """The same for another machine: an object file to link there."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=_flags(target), opt=3, reloc="pic"
    )
    module = _optimised(llvm, machine, text)
    result: bytes = machine.emit_object(module)
    return result


def _flags(target: Target) -> str:
    return ",".join(f"+{name}" for name in target.needs)


def _optimised(llvm: Any, machine: Any, text: str) -> Any:
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    return module


@functools.cache
def team() -> Callable[..., None] | None:
    """OpenMP's ``GOMP_parallel`` from the library that torch uses, with its thread numbers; None without it."""
    import llvmlite.binding as llvm
    import torch

    for file in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        # PyDLL keeps the interpreter lock: a call takes microseconds, the lock back from a busy window takes up to the
        # switch interval of 5 ms. The team is the one that torch has started, so no core is asked for twice.
        library = ctypes.PyDLL(str(file))
        _offer(llvm, "drawbar_thread", library.omp_get_thread_num)
        _offer(llvm, "drawbar_barrier", library.GOMP_barrier)
        start: Callable[..., None] = library.GOMP_parallel
        library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        library.GOMP_parallel.restype = None
        return start
    alone = ctypes.CFUNCTYPE(ctypes.c_int32)(lambda: 0)
    _KEPT.append(alone)
    _offer(llvm, "drawbar_thread", alone)
    _offer(llvm, "drawbar_barrier", alone)
    return None


def _offer(llvm: Any, name: str, function: Any) -> None:
    llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
