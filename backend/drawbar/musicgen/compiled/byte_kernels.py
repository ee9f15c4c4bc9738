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


def _to_bytes(c: Code, parts: Sequence[str], limit: int = 127) -> tuple[list[str], str, str]:
    """Float vectors -> integer vectors in -limit..limit, their common scale, and the sum of all."""
    peak = c.of("fabs", parts[0])
    for part in parts[1:]:
        peak = c.of("maxnum", peak, c.of("fabs", part))
    most = c.across("float", "max", peak)
    scale = c.let(f"fdiv float {most}, {limit}.0")
    silent = c.let(f"fcmp oeq float {most}, 0.0")
    raw = c.let(f"fdiv float {limit}.0, {most}")
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


# attend: each pair (row, head) over its own past; 64 values a head, kept in 8 or 4 bits.
#
#     keys         per pair, in blocks of 16 positions (a lane each), a step = 64 bytes = 16 positions x 4 values:
#
#         byte       0 1 2 3     4 5 6 7     ...     60 61 62 63   |   64 65 66 67   ...
#         position   0 0 0 0     1 1 1 1     ...     15 15 15 15   |    0  0  0  0   ...
#         value      0 1 2 3     0 1 2 3     ...      0  1  2  3   |    4  5  6  7   ...     16 steps
#
#     values       per pair, in groups of 32 positions = 8 steps of 4 positions, a step = 4 x 64 bytes:
#
#         byte       0 1 2 3     4 5 6 7     ...     60 61 62 63   |   64 65 66 67   ...
#         value      0 0 0 0     1 1 1 1     ...     15 15 15 15   |   16 16 16 16   ...     all 64
#         position   0 1 2 3     0 1 2 3     ...      0  1  2  3   |    0  1  2  3   ...
#
#     In 4 bits two steps share their bytes: step 2 n in the low half of each, 2 n + 1 in the high.
#     key_scales, value_scales   one float a position
#     scratch      per thread one float a position
#
# Both lie like weights, so that one dot product of bytes takes 4 values of the query against 16 positions, or the
# weights of 4 positions against 16 values. The first pass gives the scores (1/8 is 1 over the root of 64; those past
# `length` are minus infinity), the second their exponentials, which, times the values' scales, become bytes of a common
# scale for each 32 positions, where the scores lay; the third adds up the values. Nothing is widened to floats but one
# sum per block or group. While one is read the next is fetched: memory, not arithmetic, takes the time.
VALUE_GROUP = 32
"""Positions whose attention weights share a scale."""


def _steps(c: Code, vectors: Sequence[str], bits: int) -> list[str]:
    """Stored vectors -> one of bytes for each step; halves of bytes are taken apart."""
    if bits == 8:
        return list(vectors)
    ones, found = "splat (i32 252645135)", []  # 0x0F0F0F0F
    for vector in vectors:
        found += [c.n("and", vector, ones), c.n("and", c.n("lshr", vector, "splat (i32 4)"), ones)]
    return found


def _fetch(c: Code, start: str, index: str, size: int) -> None:
    """Has the ``index``-th ``size`` bytes after ``start`` brought near: the next pass over memory begins there."""
    place = c.at(start, index, size)
    for n in range(0, size, 64):
        c.do(f"call void @llvm.prefetch.p0(ptr {c.at(place, n)}, i32 0, i32 2, i32 1)")


def _attend(target: Target, bits: int) -> str:
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
    groups = c.let(f"sdiv i64 {c.add(length, VALUE_GROUP - 1)}, {VALUE_GROUP}")
    four, sizes, size = c.room(HEAD), c.room(HEAD), HEAD * bits // 8
    lanes = "<" + ", ".join(f"i32 {n}" for n in range(16)) + ">"
    end = c.splat("i32", c.let(f"trunc i64 {length} to i32"))
    # What the sums begin at, so that bytes that were stored + 128 (or + 8) count as they were.
    middle = -8 if bits == 4 else 0 if target.signed else -128
    with c.loop(first, last) as pair:
        row, head = c.let(f"sdiv i64 {pair}, {heads}"), c.let(f"srem i64 {pair}, {heads}")
        q_at = c.at(query, c.add(c.mul(row, stride), c.mul(head, HEAD)), 4)
        parts = [c.load(F, c.at(q_at, 64 * n)) for n in range(4)]
        whole, scale, total = _to_bytes(c, parts)
        _put_bytes(c, whole, four)
        _put_bytes(c, [c.call(N, "llvm.abs.v16i32", f"{N} {part}", "i1 false") for part in whole], sizes)
        bias = c.splat("i32", c.let(f"mul i32 {total}, {middle}"))
        factor = c.splat("float", c.let(f"fmul float {scale}, 0.125"))
        base = c.mul(pair, positions)
        k_at, ks_at = c.at(keys, base, size), c.at(key_scales, base, 4)
        v_at, vs_at = c.at(values, base, size), c.at(value_scales, base, 4)
        peak = c.cell(F, c.splat("float", LOWEST))
        with c.loop("0", c.mul(groups, VALUE_GROUP // 16)) as b:
            block_at = c.at(k_at, b, 16 * size)
            _fetch(c, v_at, b, 16 * size)
            sums = [target.sums(c, start, bits) for start in (bias, "zeroinitializer")]
            stored = [c.load(N, c.at(block_at, 64 * n), 1) for n in range(2 * bits)]
            for n, vector in enumerate(_steps(c, stored, bits)):
                asked, bare = (c.splat("i32", c.load("i32", c.at(q, 4 * n), 1)) for q in (four, sizes))
                sums[n % 2].add_past(vector, asked, bare)
            dots = c.let(f"sitofp {N} {c.n('add', sums[0].total(), sums[1].total())} to {F}")
            score = c.f("fmul", dots, c.f("fmul", factor, c.load(F, c.at(ks_at, b, 64))))
            place = c.splat("i32", c.let(f"trunc i64 {c.mul(b, 16)} to i32"))
            seen = c.let(f"icmp slt {N} {c.n('add', place, lanes)}, {end}")
            score = c.let(f"select <16 x i1> {seen}, {F} {score}, {F} {c.splat('float', LOWEST)}")
            c.store(F, score, c.at(scores, b, 64))
            c.set(peak, c.of("maxnum", c.get(peak), score))
        most = c.splat("float", c.across("float", "max", c.get(peak)))
        weight, moved = c.cell(F, "zeroinitializer"), c.cell(F, "zeroinitializer")
        with c.loop("0", groups) as g:
            parts, place = [], c.at(scores, g, 4 * VALUE_GROUP)
            scales_at = c.at(vs_at, g, 4 * VALUE_GROUP)
            for n in range(VALUE_GROUP // 16):
                e = exp(c, c.f("fsub", c.load(F, c.at(place, 64 * n)), most))
                c.set(weight, c.f("fadd", c.get(weight), e))
                parts.append(c.f("fmul", e, c.load(F, c.at(scales_at, 64 * n))))
            whole, scale, total = _to_bytes(c, parts)
            _put_bytes(c, whole, place)
            c.store("float", scale, c.at(place, VALUE_GROUP))
            if bits == 4:  # values were stored + 8: that much of all weights is taken off at the end
                both = c.let(f"sitofp {N} {c.n('add', *whole)} to {F}")
                c.set(moved, c.fma(both, c.splat("float", scale), c.get(moved)))
            else:
                c.store("i32", c.let(f"mul i32 {total}, {middle}"), c.at(place, VALUE_GROUP + 4))
        mixed = [c.cell(F, "zeroinitializer") for _ in range(4)]
        with c.loop("0", groups) as g:
            place = c.at(scores, g, 4 * VALUE_GROUP)
            group_scale = c.one(c.at(place, VALUE_GROUP))
            start = "zeroinitializer"
            if bits == 8 and middle:
                start = c.splat("i32", c.load("i32", c.at(place, VALUE_GROUP + 4)))
            group_at = c.at(v_at, g, VALUE_GROUP * size)
            _fetch(c, c.at(k_at, c.mul(positions, size)), g, VALUE_GROUP * size)
            for part in range(4):
                sum_ = target.sums(c, start, bits)
                stored = [c.load(N, c.at(group_at, 256 * n + 64 * part), 1) for n in range(bits)]
                for n, vector in enumerate(_steps(c, stored, bits)):
                    sum_.add_past(vector, c.splat("i32", c.load("i32", c.at(place, 4 * n), 1)))
                value = c.let(f"sitofp {N} {sum_.total()} to {F}")
                c.set(mixed[part], c.fma(value, group_scale, c.get(mixed[part])))
        inverse = c.splat("float", c.let(f"fdiv float 1.0, {c.across('float', 'fadd', c.get(weight))}"))
        less = c.let(f"fmul float {c.across('float', 'fadd', c.get(moved))}, 8.0")
        out_at = c.at(out, pair, 4 * HEAD)
        for n in range(4):
            value = c.f("fsub", c.get(mixed[n]), c.splat("float", less)) if bits == 4 else c.get(mixed[n])
            c.store(F, c.f("fmul", value, inverse), c.at(out_at, 64 * n))
    return c.function(f"@attend{bits}(ptr %job)")


# store: one position's key and value of every pair -> their places above. A key's step n goes to lane ``position % 16``
# of the block's vector n; a value's bytes go 4 bytes apart, and in 4 bits into their half alone.
def _store(target: Target, bits: int) -> str:
    c = Code()
    middle = 8 if bits == 4 else 0 if target.signed else 128
    limit = 7 if bits == 4 else 127
    positions = c.mul("%blocks", 16)
    room = c.room(HEAD)
    half, size = HEAD // 4 * bits // 8, HEAD * bits // 8
    with c.loop("0", "%pairs") as pair:
        row, head = c.let(f"sdiv i64 {pair}, %heads"), c.let(f"srem i64 {pair}, %heads")
        offset = c.add(c.mul(row, "%stride"), c.mul(head, HEAD))
        base = c.mul(pair, positions)
        for source, to, scales in (("%k", "%keys", "%key_scales"), ("%v", "%values", "%value_scales")):
            at = c.at(source, offset, 4)
            whole, scale, _ = _to_bytes(c, [c.load(F, c.at(at, 64 * n)) for n in range(4)], limit)
            c.store("float", scale, c.at(scales, c.add(base, "%position"), 4))
            _put_bytes(c, [c.n("add", part, f"splat (i32 {middle})") for part in whole], room)
            pair_at = c.at(to, base, size)
            if to == "%keys":
                block, lane = c.let("sdiv i64 %position, 16"), c.let("srem i64 %position, 16")
                place = c.at(pair_at, c.add(c.mul(block, 16 * size), c.mul(lane, 4)))
                with c.loop("0", str(half)) as n:
                    if bits == 8:
                        bytes_ = c.load("i32", c.at(room, n, 4), 1)
                    else:
                        low, high = (c.load("i32", c.at(c.at(room, n, 8), 4 * h), 1) for h in (0, 1))
                        bytes_ = c.let(f"or i32 {low}, {c.let(f'shl i32 {high}, 4')}")
                    c.store("i32", bytes_, c.at(place, n, 64), 1)
                continue
            group, inside = (c.let(f"{op} i64 %position, {VALUE_GROUP}") for op in ("sdiv", "srem"))
            step, byte = c.let(f"sdiv i64 {inside}, 4"), c.let(f"srem i64 {inside}, 4")
            vector = step if bits == 8 else c.let(f"sdiv i64 {step}, 2")
            place = c.at(pair_at, c.add(c.mul(group, VALUE_GROUP * size), c.add(c.mul(vector, 256), byte)))
            shift = c.let(f"trunc i64 {c.mul(c.let(f'srem i64 {step}, 2'), 4)} to i8")
            with c.loop("0", str(HEAD)) as n:
                value, here = c.load("i8", c.at(room, n), 1), c.at(place, n, 4)
                if bits == 4:
                    other = c.let(f"xor i8 {c.let(f'shl i8 15, {shift}')}, -1")
                    kept = c.let(f"and i8 {c.load('i8', here, 1)}, {other}")
                    value = c.let(f"or i8 {kept}, {c.let(f'shl i8 {value}, {shift}')}")
                c.store("i8", value, here, 1)
    return c.function(
        f"@store{bits}(ptr %k, ptr %v, ptr %keys, ptr %key_scales, ptr %values, ptr %value_scales, "
        "i64 %pairs, i64 %heads, i64 %stride, i64 %blocks, i64 %position)"
    )


def assembly(target: Target) -> str:
    """The text of all kernels for one target."""
    products = [_multiply(target, bits, rows) for bits in (4, 8) for rows in (1, 2, 3, 4)]
    memory = [write(target, bits) for bits in (4, 8) for write in (_attend, _store)]
    return "\n".join([DECLARED, target.declared, _quantise(), *products, *memory])
