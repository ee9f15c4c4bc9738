"""Python calls -> the lines of one LLVM function: values get fresh names, a loop is a ``with`` block.

All vectors have 16 lanes: one register with AVX-512, two with AVX2, four with NEON; LLVM divides them. Sums over lanes
are added in one order everywhere, so that every processor with fused multiply-add gives the same bits. Knows nothing
of models, compiling or memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

LANES = 16
F, N, L = "<16 x float>", "<16 x i32>", "<16 x i64>"
LOWEST = "0xFFF0000000000000"
"""Minus infinity."""
DECLARED = f"""
declare i32 @drawbar_thread()
declare {F} @llvm.fabs.v16f32({F})
declare {F} @llvm.maxnum.v16f32({F}, {F})
declare {F} @llvm.minnum.v16f32({F}, {F})
declare {F} @llvm.rint.v16f32({F})
declare {F} @llvm.sqrt.v16f32({F})
declare {F} @llvm.fma.v16f32({F}, {F}, {F})
declare {F} @llvm.copysign.v16f32({F}, {F})
declare {N} @llvm.abs.v16i32({N}, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


def single(value: float) -> str:
    """A float constant as LLVM writes it: the bits of the double nearest to the float32."""
    rounded = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"


@dataclass
class Cell:
    """A loop-carried value: a stack slot that the optimiser turns into a register."""

    slot: str
    kind: str


class Code:
    """Collects the lines of one function."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.slots: list[str] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def let(self, text: str) -> str:
        result = self.name()
        self.lines.append(f"  {result} = {text}")
        return result

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    # --- memory -------------------------------------------------------------------------------------------

    def load(self, kind: str, pointer: str, align: int = 4) -> str:
        return self.let(f"load {kind}, ptr {pointer}, align {align}")

    def store(self, kind: str, value: str, pointer: str, align: int = 4) -> None:
        self.do(f"store {kind} {value}, ptr {pointer}, align {align}")

    def at(self, pointer: str, index: str | int, size: int = 1) -> str:
        """The address ``index`` elements of ``size`` bytes further."""
        offset = index if size == 1 else self.mul(str(index), size)
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def cell(self, kind: str, start: str) -> Cell:
        slot = self.name()
        self.slots.append(f"  {slot} = alloca {kind}, align 64")
        self.store(kind, start, slot, 64 if kind.startswith("<") else 4)
        return Cell(slot, kind)

    def get(self, cell: Cell) -> str:
        return self.load(cell.kind, cell.slot, 64 if cell.kind.startswith("<") else 4)

    def set(self, cell: Cell, value: str) -> None:
        self.store(cell.kind, value, cell.slot, 64 if cell.kind.startswith("<") else 4)

    def room(self, size: int) -> str:
        slot = self.name()
        self.slots.append(f"  {slot} = alloca [{size} x i8], align 64")
        return slot

    # --- integers -----------------------------------------------------------------------------------------

    def add(self, a: str, b: str | int) -> str:
        return self.let(f"add i64 {a}, {b}")

    def sub(self, a: str, b: str | int) -> str:
        return self.let(f"sub i64 {a}, {b}")

    def mul(self, a: str, b: str | int) -> str:
        return self.let(f"mul i64 {a}, {b}")

    # --- vectors ------------------------------------------------------------------------------------------

    def splat(self, kind: str, value: str) -> str:
        vector = f"<16 x {kind}>"
        one = self.let(f"insertelement {vector} poison, {kind} {value}, i64 0")
        return self.let(f"shufflevector {vector} {one}, {vector} poison, <16 x i32> zeroinitializer")

    def number(self, value: float) -> str:
        """A constant in all lanes."""
        return self.splat("float", single(value))

    def one(self, pointer: str) -> str:
        """The float at an address, in all lanes."""
        return self.splat("float", self.load("float", pointer))

    def f(self, operation: str, a: str, b: str) -> str:
        """``fadd``, ``fsub``, ``fmul`` or ``fdiv`` of float vectors."""
        return self.let(f"{operation} {F} {a}, {b}")

    def n(self, operation: str, a: str, b: str) -> str:
        """The same of vectors of int32."""
        return self.let(f"{operation} {N} {a}, {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.call(F, "llvm.fma.v16f32", f"{F} {a}", f"{F} {b}", f"{F} {c}")

    def of(self, function: str, *values: str) -> str:
        """An LLVM intrinsic of float vectors: fabs, maxnum, minnum, rint, sqrt, copysign."""
        return self.call(F, f"llvm.{function}.v16f32", *(f"{F} {value}" for value in values))

    def call(self, kind: str, name: str, *arguments: str) -> str:
        return self.let(f"call {kind} @{name}({', '.join(arguments)})")

    def across(self, kind: str, operation: str, vector: str) -> str:
        """All lanes of a vector into one value, halves upon halves: the same order on every processor."""
        lanes = LANES
        while lanes > 1:
            lanes //= 2
            halves = [", ".join(f"i32 {n + first}" for n in range(lanes)) for first in (0, lanes)]
            whole = f"<{2 * lanes} x {kind}>"
            low, high = (
                self.let(f"shufflevector {whole} {vector}, {whole} poison, <{lanes} x i32> <{half}>")
                for half in halves
            )
            if operation == "max":
                above = self.let(f"fcmp ogt <{lanes} x {kind}> {low}, {high}")
                vector = self.let(
                    f"select <{lanes} x i1> {above}, <{lanes} x {kind}> {low}, <{lanes} x {kind}> {high}"
                )
            else:
                vector = self.let(f"{operation} <{lanes} x {kind}> {low}, {high}")
        return self.let(f"extractelement <1 x {kind}> {vector}, i64 0")

    # --- control ------------------------------------------------------------------------------------------

    @contextmanager
    def loop(self, start: str, end: str, step: int = 1) -> Iterator[str]:
        """``for i in range(start, end, step)``."""
        self.count += 1
        tag = f"l{self.count}"
        counter = self.cell("i64", start)
        self.do(f"br label %{tag}.test")
        self.lines.append(f"{tag}.test:")
        i = self.get(counter)
        more = self.let(f"icmp slt i64 {i}, {end}")
        self.do(f"br i1 {more}, label %{tag}.body, label %{tag}.done")
        self.lines.append(f"{tag}.body:")
        yield i
        self.set(counter, self.add(i, step))
        self.do(f"br label %{tag}.test")
        self.lines.append(f"{tag}.done:")

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """``if condition`` (an i1)."""
        self.count += 1
        tag = f"l{self.count}"
        self.do(f"br i1 {condition}, label %{tag}.then, label %{tag}.end")
        self.lines.append(f"{tag}.then:")
        yield
        self.do(f"br label %{tag}.end")
        self.lines.append(f"{tag}.end:")

    # --- functions ----------------------------------------------------------------------------------------

    def fields(self, job: str, kinds: Sequence[str]) -> list[str]:
        """The 8-byte fields of a job structure."""
        return [self.load(kind, self.at(job, 8 * n), 8) for n, kind in enumerate(kinds)]

    def share(self, count: str, threads: str) -> tuple[str, str, str]:
        """This thread's number, and the first and last part of ``count`` that are its own."""
        number = self.let("call i32 @drawbar_thread()")
        tid = self.let(f"sext i32 {number} to i64")
        alone = self.let(f"icmp slt i64 {threads}, 2")
        tid = self.let(f"select i1 {alone}, i64 0, i64 {tid}")
        first = self.let(f"sdiv i64 {self.mul(count, tid)}, {threads}")
        last = self.let(f"sdiv i64 {self.mul(count, self.add(tid, 1))}, {threads}")
        return tid, first, last

    def function(self, head: str) -> str:
        body = "\n".join(["entry:", *self.slots, *self.lines, "  ret void"])
        return f"define void {head} {{\n{body}\n}}\n"
