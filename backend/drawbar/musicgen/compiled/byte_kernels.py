"""Writes the LLVM assembly of the CPU kernels; ``kernels.py`` says what they do and compiles them.

One text for every processor: only the dot product of bytes differs (``compiled.targets``). Knows nothing of compiling
or memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from drawbar.musicgen.compiled.emitter import DECLARED, LOWEST, Code, F, N
from drawbar.musicgen.compiled.mathematics import exp
from drawbar.musicgen.compiled.targets import Target

GROUP = 32
"""Inputs that share a scale."""
OUTPUTS = 16
"""Outputs computed together: the lanes of a vector."""
HEAD = 64
"""Values a head has in every released model; attention is written for it."""
_AHEAD = 4096
"""Bytes of weights fetched ahead of their use."""


def _to_bytes(c: Code, parts: Sequence[str]) -> tuple[list[str], str, str]:
    """Float vectors -> integer vectors in -127..127, their common scale, and the sum of all."""
    peak = c.of("fabs", parts[0])
    for part in parts[1:]:
        peak = c.of("maxnum", peak, c.of("fabs", part))
    most = c.across("float", "max", peak)
    scale = c.let(f"fdiv float {most}, 127.0")
    silent = c.let(f"fcmp oeq float {most}, 0.0")
    raw = c.let(f"fdiv float 127.0, {most}")
    factor = c.splat("float", c.let(f"select i1 {silent}, float 0.0, float {raw}"))
    whole = []
    for part in parts:
        scaled = c.let(f"fmul {F} {part}, {factor}")
        nearest = c.of("rint", scaled)
        whole.append(c.let(f"fptosi {F} {nearest} to {N}"))
    total = whole[0]
    for more in whole[1:]:
        total = c.let(f"add {N} {total}, {more}")
    return whole, scale, c.across("i32", "add", total)


def _put_bytes(c: Code, whole: Sequence[str], pointer: str) -> None:
    for n, part in enumerate(whole):
        c.store("<16 x i8>", c.let(f"trunc {N} {part} to <16 x i8>"), c.at(pointer, 16 * n), 1)


# quantise: inputs -> bytes, one scale per group of 32 values.
#
#     x        f32   | 32 values | 32 values | ...          row after row
#     q        i8    | 32 bytes  | 32 bytes  | ...          round(x * 127 / largest), -127..127
#     scales   f32   |     1     |     1     | ...          largest / 127
#     sums     i32   |     1     |     1     | ...          offset * sum of the 32 bytes, see `multiply`
def _quantise() -> str:
    c = Code()
    with c.loop("0", "%groups") as g:
        place = c.at("%x", g, 4 * GROUP)
        parts = [c.load(F, place), c.load(F, c.at(place, 64))]
        whole, scale, total = _to_bytes(c, parts)
        _put_bytes(c, whole, c.at("%q", g, GROUP))
        c.store("float", scale, c.at("%scales", g, 4))
        c.store("i32", c.let(f"mul i32 {total}, %offset"), c.at("%sums", g, 4))
    return c.function("@quantise(ptr %x, ptr %q, ptr %scales, ptr %sums, i64 %groups, i32 %offset)")


# multiply: rows of bytes x packed weights, 16 outputs at a time (the 16 lanes of a 512-bit register).
#
#     weights  [out/16][in/32]   one group = 8 steps; one step = 64 bytes = 16 outputs x 4 inputs:
#
#         byte     0 1 2 3     4 5 6 7     8 ...      60 61 62 63
#         output   0 0 0 0     1 1 1 1     2 ...      15 15 15 15
#         input    0 1 2 3     0 1 2 3     0 ...       0  1  2  3      step n: inputs 4 n .. 4 n + 3
#
#         8 bits: 8 x 64 bytes a group. 4 bits: 4 x 64, step 2 n in the low half of each byte, 2 n + 1 in the high.
#     scales   [out/16][in/32]   16 half floats, one an output
#
# vpdpbusd multiplies 4 unsigned by 4 signed bytes in each lane and adds them to its int32: the four inputs, broadcast
# to all lanes, against four weights of 16 outputs. Weights must be the unsigned side, so they are stored + 128 (+ 8 in
# 4 bits), and  sum (w + 128) q  =  sum w q  +  128 * sum q:  each lane starts at -128 * sum q, which `quantise` left in
# `sums`; a target whose instruction wants signed weights flips their top bit and starts at 0. After a group:
# outputs += total * weight scale * input scale. All rows share one pass over the weights, since reading those is what
# takes the time.
def _multiply(target: Target, bits: int, rows: int) -> str:
    c = Code()
    w, ws, q, qs, qz, out, groups, blocks, stride, accumulate, threads = c.fields(
        "%job", ["ptr"] * 6 + ["i64"] * 5
    )
    _, first, last = c.share(blocks, threads)
    size = GROUP * OUTPUTS * bits // 8
    keep = c.let(f"icmp ne i64 {accumulate}, 0")
    with c.loop(first, last) as block:
        place = c.at(out, block, 4 * OUTPUTS)
        sums = []
        for r in range(rows):
            before = c.load(F, c.at(place, c.mul(stride, 4 * r)))
            sums.append(c.cell(F, c.let(f"select i1 {keep}, {F} {before}, {F} zeroinitializer")))
        column = c.mul(block, groups)
        w_block, ws_block = c.at(w, column, size), c.at(ws, column, 2 * OUTPUTS)
        with c.loop("0", groups) as g:
            at = c.at(w_block, g, size)
            signed = target.signed and bits == 8
            totals = []
            for r in range(rows):
                start = c.splat("i32", c.load("i32", c.at(qz, c.add(g, c.mul(groups, r)), 4)))
                totals.append(target.sums(c, "zeroinitializer" if signed else start, bits))
            bytes_at = [c.at(q, c.add(g, c.mul(groups, r)), GROUP) for r in range(rows)]
            for n in range(size // 64):
                vector = c.load(N, c.at(at, 64 * n), 1)
                ahead = c.at(at, 64 * n + _AHEAD)
                c.do(f"call void @llvm.prefetch.p0(ptr {ahead}, i32 0, i32 3, i32 1)")
                steps = [(n, vector)]
                if bits == 4:
                    ones = "splat (i32 252645135)"  # 0x0F0F0F0F
                    low = c.n("and", vector, ones)
                    steps = [
                        (2 * n, low),
                        (2 * n + 1, c.n("and", c.n("lshr", vector, "splat (i32 4)"), ones)),
                    ]
                for step, weights in steps:
                    ready = target.weights(c, weights, bits)
                    for r in range(rows):
                        totals[r].add(ready, c.splat("i32", c.load("i32", c.at(bytes_at[r], 4 * step), 1)))
            scale = c.let(f"fpext <16 x half> {c.load('<16 x half>', c.at(ws_block, g, 32), 2)} to {F}")
            for r in range(rows):
                one = c.one(c.at(qs, c.add(g, c.mul(groups, r)), 4))
                value = c.let(f"sitofp {N} {totals[r].total()} to {F}")
                c.set(sums[r], c.fma(value, c.f("fmul", scale, one), c.get(sums[r])))
        for r in range(rows):
            c.store(F, c.get(sums[r]), c.at(place, c.mul(stride, 4 * r)))
    return c.function(f"@multiply{bits}_{rows}(ptr %job)")


# attend: each pair (row, head) over its own past; 64 values a head.
#
#     keys         per pair, in blocks of 16 positions (a lane each), 1,024 bytes a block, unsigned (+ 128):
#
#         byte       0 1 2 3     4 5 6 7     ...     60 61 62 63   |   64 65 66 67   ...
#         position   0 0 0 0     1 1 1 1     ...     15 15 15 15   |    0  0  0  0   ...
#         value      0 1 2 3     0 1 2 3     ...      0  1  2  3   |    4  5  6  7   ...     16 vectors of 64 bytes
#
#     values       per pair, position after position: 64 signed bytes
#     key_scales, value_scales   one float a position
#     scratch      per thread one float a position: first scores, then weights x value scale
#
# Keys lie like weights, so that one vpdpbusd takes 4 values of the query against 16 positions; two running sums hide
# its latency. Then a softmax over the scores (1/8 is 1 over the root of 64; the lanes past `length` are minus
# infinity), and the values are added up position by position, as they lie.
def _attend(target: Target) -> str:
    c = Code()
    (
        query,
        keys,
        key_scales,
        values,
        value_scales,
        out,
        scratch,
        pairs,
        heads,
        blocks,
        length,
        stride,
        threads,
    ) = c.fields("%job", ["ptr"] * 7 + ["i64"] * 6)
    tid, first, last = c.share(pairs, threads)
    positions = c.mul(blocks, 16)
    scores = c.at(scratch, c.mul(tid, positions), 4)
    used = c.let(f"sdiv i64 {c.add(length, 15)}, 16")
    four = c.room(HEAD)
    lanes = "<" + ", ".join(f"i64 {n}" for n in range(16)) + ">"
    end = c.let(f"insertelement <16 x i64> poison, i64 {length}, i64 0")
    end = c.let(f"shufflevector <16 x i64> {end}, <16 x i64> poison, <16 x i32> zeroinitializer")
    with c.loop(first, last) as pair:
        row, head = c.let(f"sdiv i64 {pair}, {heads}"), c.let(f"srem i64 {pair}, {heads}")
        q_at = c.at(query, c.add(c.mul(row, stride), c.mul(head, HEAD)), 4)
        parts = [c.load(F, c.at(q_at, 64 * n)) for n in range(4)]
        whole, scale, total = _to_bytes(c, parts)
        _put_bytes(c, whole, four)
        bias = "zeroinitializer" if target.signed else c.splat("i32", c.let(f"mul i32 {total}, -128"))
        factor = c.splat("float", c.let(f"fmul float {scale}, 0.125"))
        base = c.mul(pair, positions)
        k_at, ks_at = c.at(keys, base, HEAD), c.at(key_scales, base, 4)
        v_at, vs_at = c.at(values, base, HEAD), c.at(value_scales, base, 4)
        peak = c.cell(F, c.splat("float", LOWEST))
        with c.loop("0", used) as b:
            block_at = c.at(k_at, b, 16 * HEAD)
            sums = [target.sums(c, start, 8) for start in (bias, "zeroinitializer")]
            for n in range(16):
                vector = target.weights(c, c.load(N, c.at(block_at, 64 * n), 1), 8)
                sums[n % 2].add(vector, c.splat("i32", c.load("i32", c.at(four, 4 * n), 1)))
            dots = c.let(f"sitofp {N} {c.n('add', sums[0].total(), sums[1].total())} to {F}")
            score = c.let(f"fmul {F} {dots}, {c.let(f'fmul {F} {factor}, {c.load(F, c.at(ks_at, b, 64))}')}")
            start = c.let(f"insertelement <16 x i64> poison, i64 {c.mul(b, 16)}, i64 0")
            start = c.let(f"shufflevector <16 x i64> {start}, <16 x i64> poison, <16 x i32> zeroinitializer")
            seen = c.let(f"icmp slt <16 x i64> {c.let(f'add <16 x i64> {start}, {lanes}')}, {end}")
            score = c.let(f"select <16 x i1> {seen}, {F} {score}, {F} {c.splat('float', LOWEST)}")
            c.store(F, score, c.at(scores, b, 64))
            c.set(peak, c.of("maxnum", c.get(peak), score))
        most = c.splat("float", c.across("float", "max", c.get(peak)))
        weight = c.cell(F, "zeroinitializer")
        with c.loop("0", used) as b:
            place = c.at(scores, b, 64)
            e = exp(c, c.f("fsub", c.load(F, place), most))
            c.set(weight, c.let(f"fadd {F} {c.get(weight)}, {e}"))
            c.store(F, c.let(f"fmul {F} {e}, {c.load(F, c.at(vs_at, b, 64))}"), place)
        mixed = [c.cell(F, "zeroinitializer") for _ in range(4)]
        with c.loop("0", length) as t:
            share = c.splat("float", c.load("float", c.at(scores, t, 4)))
            v_row = c.at(v_at, t, HEAD)
            for n in range(4):
                value = c.let(f"sitofp <16 x i8> {c.load('<16 x i8>', c.at(v_row, 16 * n), 1)} to {F}")
                c.set(mixed[n], c.fma(value, share, c.get(mixed[n])))
        whole_weight = c.across("float", "fadd", c.get(weight))
        inverse = c.splat("float", c.let(f"fdiv float 1.0, {whole_weight}"))
        out_at = c.at(out, pair, 4 * HEAD)
        for n in range(4):
            c.store(F, c.let(f"fmul {F} {c.get(mixed[n])}, {inverse}"), c.at(out_at, 64 * n))
    return c.function("@attend(ptr %job)")


# store: one position's key and value of every pair -> their places above. In a block a key is spread out: its bytes
# 4 n .. 4 n + 3 go to vector n, lane ``position % 16``. xor 128 makes the signed byte unsigned (the same as + 128).
def _store() -> str:
    c = Code()
    block, lane = c.let("sdiv i64 %position, 16"), c.let("srem i64 %position, 16")
    positions = c.mul("%blocks", 16)
    four = c.room(HEAD)
    with c.loop("0", "%pairs") as pair:
        row, head = c.let(f"sdiv i64 {pair}, %heads"), c.let(f"srem i64 {pair}, %heads")
        offset = c.add(c.mul(row, "%stride"), c.mul(head, HEAD))
        base = c.mul(pair, positions)
        for source, target, scales, keyed in (
            ("%k", "%keys", "%key_scales", True), ("%v", "%values", "%value_scales", False)
        ):  # fmt: skip
            at = c.at(source, offset, 4)
            whole, scale, _ = _to_bytes(c, [c.load(F, c.at(at, 64 * n)) for n in range(4)])
            c.store("float", scale, c.at(scales, c.add(base, "%position"), 4))
            if not keyed:
                _put_bytes(c, whole, c.at(target, c.add(base, "%position"), HEAD))
                continue
            _put_bytes(c, [c.let(f"xor {N} {part}, splat (i32 128)") for part in whole], four)
            place = c.at(c.at(target, base, HEAD), c.add(c.mul(block, 16 * HEAD), c.mul(lane, 4)))
            for n in range(16):
                c.store("i32", c.load("i32", c.at(four, 4 * n), 1), c.at(place, 64 * n), 1)
    return c.function(
        "@store(ptr %k, ptr %v, ptr %keys, ptr %key_scales, ptr %values, ptr %value_scales, "
        "i64 %pairs, i64 %heads, i64 %stride, i64 %blocks, i64 %position)"
    )


def assembly(target: Target) -> str:
    """The text of all kernels for one target."""
    products = [_multiply(target, bits, rows) for bits in (4, 8) for rows in (1, 2, 3, 4)]
    return "\n".join([DECLARED, target.declared, _quantise(), *products, _attend(target), _store()])
