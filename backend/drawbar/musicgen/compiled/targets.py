"""A processor's instructions -> how it adds four products of bytes to each of 16 sums; which of them this one has.

The dot product is the one thing that LLVM does not find by itself. All of them are exact in integers, so that every
processor gives the same bits::

    avx512-vnni   vpdpbusd, 512 bits      unsigned weights x signed inputs, as the weights are stored
    avx-vnni      vpdpbusd, 256 bits      the same in two halves
    avx2          vpmaddubsw + vpmaddwd   |w| x sign(w) q: its 16-bit sums hold 2 x 127 x 127; with 4-bit weights
                                          16 x 15 x 127, so a group of 32 needs one vpmaddwd only
    neon          sdot, 128 bits          signed weights x signed inputs in four quarters
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from drawbar.musicgen.compiled.emitter import Code, N

_HALF, _WORDS, _BYTES = "<8 x i32>", "<16 x i16>", "<32 x i8>"


def _parts(c: Code, vector: str, count: int) -> list[str]:
    """A vector of 16 lanes -> ``count`` equal pieces."""
    width = 16 // count
    found = []
    for part in range(count):
        places = ", ".join(f"i32 {part * width + n}" for n in range(width))
        found.append(
            c.let(f"shufflevector <16 x i32> {vector}, <16 x i32> poison, <{width} x i32> <{places}>")
        )
    return found


def _joined(c: Code, parts: Sequence[str]) -> str:
    """The pieces -> one vector of 16 lanes."""
    found, width = list(parts), 16 // len(parts)
    while len(found) > 1:
        places = ", ".join(f"i32 {n}" for n in range(2 * width))
        kind = f"<{width} x i32>"
        found = [
            c.let(f"shufflevector {kind} {a}, {kind} {b}, <{2 * width} x i32> <{places}>")
            for a, b in zip(found[::2], found[1::2], strict=True)
        ]
        width *= 2
    return found[0]


@dataclass(frozen=True)
class Target:
    """One way to multiply bytes."""

    name: str
    triple: str
    cpu: str
    """The least processor that has it, to compile for another machine."""
    needs: tuple[str, ...]
    """LLVM's names of the instructions."""
    pieces: int
    """Registers that 16 lanes of 32 bits take."""
    declared: str
    signed: bool
    """Whether weights of 8 bits are made signed first; sums then begin at 0 instead of -128 x the inputs' sum."""

    def weights(self, c: Code, vector: str, bits: int) -> list[str]:
        """Stored unsigned bytes ``<16 x i32>`` -> what `dot` takes, in the target's pieces."""
        if self.signed and bits == 8:
            vector = c.n("xor", vector, "splat (i32 -2139062144)")  # 0x80808080
        return _parts(c, vector, self.pieces) if self.pieces > 1 else [vector]

    def sums(self, c: Code, start: str, bits: int) -> Sums:
        """16 sums of products that begin at ``start`` (int32)."""
        return Sums(self, c, bits, _parts(c, start, self.pieces) if self.pieces > 1 else [start])


class Sums:
    """16 running sums of up to 32 products of bytes each (more, but with 4-bit weights on AVX2)."""

    def __init__(self, target: Target, c: Code, bits: int, parts: list[str]) -> None:
        self._target, self._code, self._bits, self._parts = target, c, bits, parts
        self._narrow: list[str] | None = None
        """AVX2, 4 bits: sums of 16 bits that are widened at the end."""

    def add(self, weights: Sequence[str], inputs: str) -> None:
        """Four weights in each lane, as `Target.weights` gives them, x the same four inputs ``<16 x i32>``."""
        c, pieces = self._code, self._target.pieces
        if pieces == 1:
            name = "llvm.x86.avx512.vpdpbusd.512"
            self._parts = [c.call(N, name, f"{N} {self._parts[0]}", f"{N} {weights[0]}", f"{N} {inputs}")]
            return
        four = _parts(c, inputs, pieces)[0]
        if self._target.name == "avx2":
            self._add_pairs([_avx2_pairs(c, w, four, self._bits) for w in weights])
        elif self._target.name == "neon":
            name, kind = "llvm.aarch64.neon.sdot.v4i32.v16i8", "<16 x i8>"
            q = c.let(f"bitcast <4 x i32> {four} to {kind}")
            for n, weight in enumerate(weights):
                w = c.let(f"bitcast <4 x i32> {weight} to {kind}")
                before = f"<4 x i32> {self._parts[n]}"
                self._parts[n] = c.call("<4 x i32>", name, before, f"{kind} {w}", f"{kind} {q}")
        else:
            name = "llvm.x86.avx512.vpdpbusd.256"
            for n, weight in enumerate(weights):
                before = f"{_HALF} {self._parts[n]}"
                self._parts[n] = c.call(_HALF, name, before, f"{_HALF} {weight}", f"{_HALF} {four}")

    def add_past(self, stored: str, inputs: str, sizes: str | None = None) -> None:
        """Four stored bytes in each lane ``<16 x i32>`` x the same four inputs; ``sizes`` are the inputs without signs.

        Without ``sizes`` no input is negative. Stored bytes of 8 bits are signed where the target's are.
        """
        c, target = self._code, self._target
        parts = _parts(c, stored, target.pieces) if target.pieces > 1 else [stored]
        if target.name != "avx2" or self._bits != 8:
            self.add(parts, inputs)
            return
        size, four = (_parts(c, x, 2)[0] for x in (sizes or inputs, inputs))
        self._widen([_avx2_signed(c, part, four if sizes else None, size) for part in parts])

    def _add_pairs(self, pairs: list[str]) -> None:
        c = self._code
        if self._bits == 8:
            self._widen(pairs)
        elif self._narrow is None:
            self._narrow = pairs
        else:
            self._narrow = [c.let(f"add {_WORDS} {a}, {b}") for a, b in zip(self._narrow, pairs, strict=True)]

    def _widen(self, pairs: Sequence[str]) -> None:
        c = self._code
        for n, words in enumerate(pairs):
            fours = c.call(_HALF, "llvm.x86.avx2.pmadd.wd", f"{_WORDS} {words}", f"{_WORDS} splat (i16 1)")
            self._parts[n] = c.let(f"add {_HALF} {self._parts[n]}, {fours}")

    def total(self) -> str:
        """The sums ``<16 x i32>``."""
        if self._narrow is not None:
            self._widen(self._narrow)
            self._narrow = None
        return _joined(self._code, self._parts)


def _avx2_pairs(c: Code, weights: str, inputs: str, bits: int) -> str:
    """Products of 32 bytes, two neighbours added, as 16 words."""
    w, q = (c.let(f"bitcast {_HALF} {x} to {_BYTES}") for x in (weights, inputs))
    if bits == 8:
        q = c.call(_BYTES, "llvm.x86.avx2.psign.b", f"{_BYTES} {q}", f"{_BYTES} {w}")
        w = c.call(_BYTES, "llvm.abs.v32i8", f"{_BYTES} {w}", "i1 false")
    return c.call(_WORDS, "llvm.x86.avx2.pmadd.ub.sw", f"{_BYTES} {w}", f"{_BYTES} {q}")


def _avx2_signed(c: Code, stored: str, signs: str | None, sizes: str) -> str:
    """The same where the inputs' sizes are the unsigned side: their signs, if any, move to the stored bytes."""
    w, size = (c.let(f"bitcast {_HALF} {x} to {_BYTES}") for x in (stored, sizes))
    if signs is not None:
        sign = c.let(f"bitcast {_HALF} {signs} to {_BYTES}")
        w = c.call(_BYTES, "llvm.x86.avx2.psign.b", f"{_BYTES} {w}", f"{_BYTES} {sign}")
    return c.call(_WORDS, "llvm.x86.avx2.pmadd.ub.sw", f"{_BYTES} {size}", f"{_BYTES} {w}")


VNNI = Target(
    "avx512-vnni", "x86_64-unknown-linux-gnu", "icelake-server", ("avx512f", "avx512bw", "avx512vnni"), 1,
    f"declare {N} @llvm.x86.avx512.vpdpbusd.512({N}, {N}, {N})", False,
)  # fmt: skip
AVX_VNNI = Target(
    "avx-vnni", "x86_64-unknown-linux-gnu", "alderlake", ("avx2", "fma", "f16c", "avxvnni"), 2,
    f"declare {_HALF} @llvm.x86.avx512.vpdpbusd.256({_HALF}, {_HALF}, {_HALF})", False,
)  # fmt: skip
AVX2 = Target(
    "avx2", "x86_64-unknown-linux-gnu", "haswell", ("avx2", "fma", "f16c"), 2,
    f"declare {_WORDS} @llvm.x86.avx2.pmadd.ub.sw({_BYTES}, {_BYTES})\n"
    f"declare {_HALF} @llvm.x86.avx2.pmadd.wd({_WORDS}, {_WORDS})\n"
    f"declare {_BYTES} @llvm.x86.avx2.psign.b({_BYTES}, {_BYTES})\n"
    f"declare {_BYTES} @llvm.abs.v32i8({_BYTES}, i1)", True,
)  # fmt: skip
NEON = Target(
    "neon", "aarch64-unknown-linux-gnu", "apple-m1", ("neon", "dotprod"), 4,
    "declare <4 x i32> @llvm.aarch64.neon.sdot.v4i32.v16i8(<4 x i32>, <16 x i8>, <16 x i8>)", True,
)  # fmt: skip
TARGETS = (VNNI, AVX_VNNI, AVX2, NEON)
"""The best first."""


def runnable() -> tuple[Target, ...]:
    """The targets that this processor runs, the best first; none where LLVM is missing."""
    try:
        import llvmlite.binding as llvm  # type: ignore[import-untyped]
    except ImportError:
        return ()
    family = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    features = llvm.get_host_cpu_features()
    # Apple's chips all have dot products; LLVM's list of a host's features is empty on some of their systems.
    has_all = [
        t
        for t in TARGETS
        if t.triple.startswith(family)
        and (all(features.get(name) for name in t.needs) or (t is NEON and platform.system() == "Darwin"))
    ]
    return tuple(has_all)
