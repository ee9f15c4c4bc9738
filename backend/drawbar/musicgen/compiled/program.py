"""Jobs in the order in which they run -> one call that runs them all, without the interpreter's lock.

A job is a function of the kernels and what it reads: addresses and whole numbers. Whoever builds a program keeps the
memory that it reads. Knows nothing of models.
"""

from __future__ import annotations

import ctypes
import functools

import torch
from torch import Tensor

from drawbar.errors import NotSupportedError
from drawbar.musicgen.compiled import byte_kernels, codec_kernels, frame_kernels, sampling_kernel
from drawbar.musicgen.compiled.frame_kernels import JOB_BYTES
from drawbar.musicgen.compiled.machine_code import compiled, team
from drawbar.musicgen.compiled.targets import Target, runnable

SET, ADD, GELU = 0, 1, 2
"""What `Program.linear` does with its product."""


def whole_assembly(target: Target) -> str:
    """The text of every kernel."""
    parts = (frame_kernels.assembly(), sampling_kernel.assembly(), codec_kernels.assembly())
    return "\n".join([byte_kernels.assembly(target), *parts])


@functools.cache
def functions() -> dict[str, int] | None:
    """The kernels' addresses, compiled for this processor; None where it has no target or LLVM is missing."""
    found = runnable()
    return compiled(found[0], whole_assembly(found[0])) if found else None


class FloatWeights:
    """A linear layer ``[out, in]`` in float32 as `linear` reads it: ``[out/16][in][16]``, outputs filled up with 0."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        n_out, given = weight.shape
        self.n_in = -(-given // 4) * 4
        """Inputs, filled up to whole fours with weights of 0."""
        self.blocks = -(-n_out // 16)
        self.width = 16 * self.blocks
        """Outputs, those filled up included."""
        padded = torch.zeros(self.width, self.n_in)
        padded[:n_out, :given] = weight.detach()
        self.values = padded.view(self.blocks, 16, self.n_in).transpose(1, 2).contiguous()
        self.bias: Tensor | None = None
        if bias is not None:
            self.bias = torch.zeros(self.width)
            self.bias[:n_out] = bias.detach()


class Program:
    """A list of jobs; ``seal`` ends it."""

    def __init__(self, threads: int = 1) -> None:
        found = functions()
        if found is None:
            raise NotSupportedError("this processor has none of the instructions that the kernels need")
        self._functions, self._team = found, team()
        self.threads = threads if self._team is not None else 1
        self._jobs: list[tuple[int, bool, tuple[int, ...]]] = []
        self._kept: list[object] = []
        self._marks: dict[str, int] = {}

    def job(self, name: str, *fields: Tensor | int, everyone: bool = False) -> None:
        """One more: a kernel by its name and its fields; ``everyone``: all threads run it and share the work."""
        self._kept += [field for field in fields if isinstance(field, Tensor)]
        values = tuple(field.data_ptr() if isinstance(field, Tensor) else field for field in fields)
        self._jobs.append((self._functions[name], everyone, values))

    def linear(
        self,
        weights: FloatWeights,
        inputs: Tensor,
        outputs: Tensor,
        mode: int = SET,
        *,
        rows: int | None = None,
        in_stride: int | None = None,
    ) -> None:
        """``outputs [rows, width] = inputs [rows, in] @ weights.T`` (+ bias, + what was there, through GELU)."""
        count = inputs.shape[0] if rows is None else rows
        bias: Tensor | int = 0 if weights.bias is None else weights.bias
        stride = in_stride or weights.n_in
        self.job(
            "linear", weights.values, bias, inputs, outputs, count, weights.n_in, weights.blocks, stride,
            outputs.stride(0), mode, self.threads, everyone=True,
        )  # fmt: skip

    def mark(self, name: str) -> None:
        """A place up to which `run` can be told to go."""
        self._marks[name] = len(self._jobs)

    def seal(self) -> None:
        """Lays the jobs out; from now on the program can be run."""
        self._memory = (ctypes.c_int64 * (len(self._jobs) * JOB_BYTES // 8))()
        for number, (function, everyone, values) in enumerate(self._jobs):
            self._memory[16 * number : 16 * number + 2 + len(values)] = [function, int(everyone), *values]
        self._call = (ctypes.c_int64 * 3)(ctypes.addressof(self._memory), len(self._jobs), self.threads)
        self._address = ctypes.addressof(self._call)
        # CFUNCTYPE gives the interpreter's lock back for the time of the call.
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._functions["run"])
        if self.threads > 1:
            assert self._team is not None
            self._start = ctypes.CFUNCTYPE(
                None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
            )(ctypes.cast(self._team, ctypes.c_void_p).value or 0)  # type: ignore[arg-type]

    def run(self, until: str | None = None) -> None:
        """All jobs, or those before a mark."""
        self._call[1] = len(self._jobs) if until is None else self._marks[until]
        if self.threads > 1:
            self._start(self._functions["run"], self._address, self.threads, 0)
        else:
            self._run(self._address)
