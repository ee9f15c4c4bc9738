"""Writes the LLVM assembly of what a frame needs in float32: look up, norm, multiply, attend; and runs lists of jobs.

A program is an array of jobs of 128 bytes: a function, whether every thread runs it, and up to 14 fields of 8 bytes
that the function reads. ``run`` takes them one after the other, with a barrier between them where there are several
threads; so a whole frame is one call. Every row's arithmetic is the same for any number of rows. Knows no models.
"""

from __future__ import annotations

from drawbar.musicgen.compiled.emitter import LANES, LOWEST, Code, F
from drawbar.musicgen.compiled.mathematics import exp, gelu

HEAD = 64
"""Values a head has in every released model; attention is written for it."""
JOB_BYTES = 128
_DECLARED = "declare void @drawbar_barrier()\n"
_UNROLLED = 4


# run: the program's fields are the jobs' address, their count and the threads.
def _run() -> str:
    c = Code()
    jobs, count, threads = c.fields("%program", ["ptr", "i64", "i64"])
    tid, _, _ = c.share("0", threads)
    first, many = c.let(f"icmp eq i64 {tid}, 0"), c.let(f"icmp sgt i64 {threads}, 1")
    with c.loop("0", count) as n:
        job = c.at(jobs, n, JOB_BYTES)
        function, everyone = c.fields(job, ["ptr", "i64"])
        mine = c.let(f"or i1 {first}, {c.let(f'icmp ne i64 {everyone}, 0')}")
        with c.when(mine):
            c.do(f"call void {function}(ptr {c.at(job, 16)})")
        with c.when(many):
            c.do("call void @drawbar_barrier()")
    return c.function("@run(ptr %program)")


# embed: the sum of one table row per codebook, and the position's row.
def _embed() -> str:
    c = Code()
    table, positions, frame, tokens, out, rows, books, entries, width = c.fields(
        "%job", ["ptr"] * 5 + ["i64"] * 4
    )
    place = c.at(positions, c.mul(c.load("i64", frame, 8), width), 4)
    with c.loop("0", rows) as r, c.loop("0", width, LANES) as i:
        total = c.cell(F, "zeroinitializer")
        with c.loop("0", books) as k:
            token = c.load("i64", c.at(tokens, c.add(c.mul(r, books), k), 8), 8)
            row = c.mul(c.add(token, c.mul(k, entries)), width)
            c.set(total, c.f("fadd", c.get(total), c.load(F, c.at(table, c.add(row, i), 4))))
        x = c.f("fadd", c.get(total), c.load(F, c.at(place, i, 4)))
        c.store(F, x, c.at(out, c.add(c.mul(r, width), i), 4))
    return c.function("@embed(ptr %job)")


# norm: layer norm of each row, variance about the mean (two passes).
def _norm() -> str:
    c = Code()
    x, weight, bias, out, rows, width = c.fields("%job", ["ptr"] * 4 + ["i64"] * 2)
    size = c.splat("float", c.let(f"sitofp i64 {width} to float"))
    with c.loop("0", rows) as r:
        at, to = c.at(x, c.mul(r, width), 4), c.at(out, c.mul(r, width), 4)
        total = c.cell(F, "zeroinitializer")
        with c.loop("0", width, LANES) as i:
            c.set(total, c.f("fadd", c.get(total), c.load(F, c.at(at, i, 4))))
        mean = c.f("fdiv", c.splat("float", c.across("float", "fadd", c.get(total))), size)
        square = c.cell(F, "zeroinitializer")
        with c.loop("0", width, LANES) as i:
            apart = c.f("fsub", c.load(F, c.at(at, i, 4)), mean)
            c.set(square, c.fma(apart, apart, c.get(square)))
        variance = c.f("fdiv", c.splat("float", c.across("float", "fadd", c.get(square))), size)
        deviation = c.of("sqrt", c.f("fadd", variance, c.number(1e-5)))
        with c.loop("0", width, LANES) as i:
            normal = c.f("fdiv", c.f("fsub", c.load(F, c.at(at, i, 4)), mean), deviation)
            scaled = c.fma(normal, c.load(F, c.at(weight, i, 4)), c.load(F, c.at(bias, i, 4)))
            c.store(F, scaled, c.at(to, i, 4))
    return c.function("@norm(ptr %job)")


# linear: rows x weights [out/16][in][16], 16 outputs at a time (a lane each). Tiles of rows and blocks keep enough
# sums in registers to hide an addition's latency: 4 rows x 16, or 2 rows (1 row) x 32 outputs.
def _tile(rows: int, wide: int) -> str:
    c = Code()
    sums = [[c.cell(F, "zeroinitializer") for _ in range(rows)] for _ in range(wide)]
    with c.loop("0", "%n_in", _UNROLLED) as i:
        for step in range(_UNROLLED):
            place = c.add(i, step)
            weights = [c.load(F, c.at(c.at("%w", c.mul("%n_in", 64 * b)), place, 64)) for b in range(wide)]
            for r in range(rows):
                x = c.one(c.at("%x", c.add(c.mul("%in_stride", r), place), 4))
                for b in range(wide):
                    c.set(sums[b][r], c.fma(weights[b], x, c.get(sums[b][r])))
    biased = c.let("icmp ne ptr %bias, null")
    added, bent = c.let("icmp eq i64 %mode, 1"), c.let("icmp eq i64 %mode, 2")
    for b in range(wide):
        for r in range(rows):
            to = c.at("%out", c.add(c.mul("%out_stride", r), LANES * b), 4)
            with c.when(biased):
                c.set(sums[b][r], c.f("fadd", c.get(sums[b][r]), c.load(F, c.at("%bias", 64 * b))))
            with c.when(added):
                c.set(sums[b][r], c.f("fadd", c.get(sums[b][r]), c.load(F, to)))
            with c.when(bent):
                c.set(sums[b][r], gelu(c, c.get(sums[b][r])))
            c.store(F, c.get(sums[b][r]), to)
    return c.function(
        f"internal @tile{rows}_{wide}(ptr %w, ptr %bias, ptr %x, ptr %out, "
        "i64 %n_in, i64 %in_stride, i64 %out_stride, i64 %mode)"
    ).replace("define void internal", "define internal void")


_TILES = {4: 1, 3: 1, 2: 2, 1: 2}
"""Rows -> blocks of 16 outputs that a tile takes."""


def _linear() -> str:
    c = Code()
    w, bias, x, out, rows, n_in, blocks, in_stride, out_stride, mode, threads = c.fields(
        "%job", ["ptr"] * 4 + ["i64"] * 7
    )
    pairs = c.let(f"sdiv i64 {c.add(blocks, 1)}, 2")
    _, first, last = c.share(pairs, threads)
    biased = c.let(f"icmp ne ptr {bias}, null")
    fours = c.mul(c.let(f"sdiv i64 {rows}, 4"), 4)
    rest = c.sub(rows, fours)

    def tile(count: int, wide: int, block: str, row: str) -> None:
        at = c.at(w, c.mul(block, n_in), 64)
        b = c.let(f"select i1 {biased}, ptr {c.at(bias, block, 64)}, ptr null")
        source = c.at(x, c.mul(row, in_stride), 4)
        target = c.at(out, c.add(c.mul(row, out_stride), c.mul(block, LANES)), 4)
        c.do(
            f"call void @tile{count}_{wide}(ptr {at}, ptr {b}, ptr {source}, ptr {target}, i64 {n_in}, "
            f"i64 {in_stride}, i64 {out_stride}, i64 {mode})"
        )

    with c.loop(first, last) as pair:
        block = c.mul(pair, 2)
        two = c.let(f"icmp slt i64 {c.add(block, 1)}, {blocks}")
        one = c.let(f"xor i1 {two}, true")
        for count, wide in _TILES.items():
            again = [block, c.add(block, 1)]
            start, end = ("0", fours) if count == 4 else (fours, c.add(fours, 1))
            here = c.let(f"icmp eq i64 {rest}, {count}") if count < 4 else "true"
            with c.when(here), c.loop(start, end, 4) as row:
                if wide == 1:
                    tile(count, 1, again[0], row)
                    with c.when(two):
                        tile(count, 1, again[1], row)
                else:
                    with c.when(two):
                        tile(count, 2, block, row)
                    with c.when(one):
                        tile(count, 1, block, row)
    return c.function("@linear(ptr %job)")


# add: x += addend while the job's switch is on. copy: one piece of memory to another. bend: x = gelu(x).
def _add_and_copy() -> str:
    c = Code()
    x, addend, switch, count = c.fields("%job", ["ptr"] * 3 + ["i64"])
    with c.when(c.let(f"icmp ne i64 {c.load('i64', switch, 8)}, 0")), c.loop("0", count, LANES) as i:
        at = c.at(x, i, 4)
        c.store(F, c.f("fadd", c.load(F, at), c.load(F, c.at(addend, i, 4))), at)
    d = Code()
    source, target, size = d.fields("%job", ["ptr"] * 2 + ["i64"])
    d.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")
    g = Code()
    wide, length, threads = g.fields("%job", ["ptr", "i64", "i64"])
    _, first, last = g.share(g.let(f"sdiv i64 {length}, {LANES}"), threads)
    with g.loop(first, last) as i:
        at = g.at(wide, i, 64)
        g.store(F, gelu(g, g.load(F, at)), at)
    return c.function("@add(ptr %job)") + d.function("@copy(ptr %job)") + g.function("@bend(ptr %job)")


# attend32: each pair (row, head) over keys and values [pair][position][64]. With `fresh` the row's own key and value
# lie that many floats behind its query, and are stored first; `bias` [row][length] is added to the scores.
def _attend() -> str:
    c = Code()
    (
        query, keys, values, bias, out, frame, fixed, pairs, heads, stride, pair_stride, fresh, scratch, threads
    ) = c.fields("%job", ["ptr"] * 6 + ["i64"] * 6 + ["ptr", "i64"])  # fmt: skip
    tid, first, last = c.share(pairs, threads)
    moving = c.let(f"icmp ne ptr {frame}, null")
    length_at = c.cell("i64", fixed)
    with c.when(moving):
        c.set(length_at, c.add(c.load("i64", frame, 8), 1))
    length = c.get(length_at)
    scores = c.at(scratch, c.mul(tid, c.add(pair_stride, 16 * HEAD)), 4)
    full = c.mul(c.let(f"sdiv i64 {c.add(length, LANES - 1)}, {LANES}"), LANES)
    own, biased = c.let(f"icmp ne i64 {fresh}, 0"), c.let(f"icmp ne ptr {bias}, null")
    with c.loop(first, last) as pair:
        row, head = c.let(f"sdiv i64 {pair}, {heads}"), c.let(f"srem i64 {pair}, {heads}")
        q_at = c.at(query, c.add(c.mul(row, stride), c.mul(head, HEAD)), 4)
        k_at, v_at = (c.at(memory, c.mul(pair, pair_stride), 4) for memory in (keys, values))
        with c.when(own):
            newest = c.mul(c.sub(length, 1), HEAD)
            for times, memory in ((1, k_at), (2, v_at)):
                source, target = c.at(q_at, c.mul(fresh, times), 4), c.at(memory, newest, 4)
                for n in range(4):
                    c.store(F, c.load(F, c.at(source, 64 * n)), c.at(target, 64 * n))
        parts = [c.f("fmul", c.load(F, c.at(q_at, 64 * n)), c.number(0.125)) for n in range(4)]
        with c.loop("0", length) as t:
            k_row = c.at(k_at, t, 4 * HEAD)
            total = c.f("fmul", parts[0], c.load(F, k_row))
            for n in range(1, 4):
                total = c.fma(parts[n], c.load(F, c.at(k_row, 64 * n)), total)
            score = c.cell("float", c.across("float", "fadd", total))
            with c.when(biased):
                here = c.load("float", c.at(bias, c.add(c.mul(row, length), t), 4))
                c.set(score, c.let(f"fadd float {c.get(score)}, {here}"))
            c.store("float", c.get(score), c.at(scores, t, 4))
        with c.loop(length, full) as t:
            c.store("float", LOWEST, c.at(scores, t, 4))
        peak = c.cell(F, c.splat("float", LOWEST))
        with c.loop("0", full, LANES) as t:
            c.set(peak, c.of("maxnum", c.get(peak), c.load(F, c.at(scores, t, 4))))
        most = c.splat("float", c.across("float", "max", c.get(peak)))
        weight = c.cell(F, "zeroinitializer")
        with c.loop("0", full, LANES) as t:
            e = exp(c, c.f("fsub", c.load(F, c.at(scores, t, 4)), most))
            c.set(weight, c.f("fadd", c.get(weight), e))
            c.store(F, e, c.at(scores, t, 4))
        mixed = [c.cell(F, "zeroinitializer") for _ in range(4)]
        with c.loop("0", length) as t:
            share, v_row = c.one(c.at(scores, t, 4)), c.at(v_at, t, 4 * HEAD)
            for n in range(4):
                c.set(mixed[n], c.fma(c.load(F, c.at(v_row, 64 * n)), share, c.get(mixed[n])))
        inverse = c.f("fdiv", c.number(1.0), c.splat("float", c.across("float", "fadd", c.get(weight))))
        out_at = c.at(out, pair, 4 * HEAD)
        for n in range(4):
            c.store(F, c.f("fmul", c.get(mixed[n]), inverse), c.at(out_at, 64 * n))
    return c.function("@attend32(ptr %job)")


# The kernels of `byte_kernels` as jobs: what changes from frame to frame is read from the frame.
def _quantised() -> str:
    q = Code()
    x, to, scales, sums, groups, offset, threads = q.fields("%job", ["ptr"] * 4 + ["i64"] * 3)
    _, first, last = q.share(groups, threads)
    small, count = q.let(f"trunc i64 {offset} to i32"), q.sub(last, first)
    places = [q.at(p, first, size) for p, size in ((x, 128), (to, 32), (scales, 4), (sums, 4))]
    given = ", ".join(f"ptr {place}" for place in places)
    q.do(f"call void @quantise({given}, i64 {count}, i32 {small})")
    return q.function("@quantise_job(ptr %job)") + "".join(_remembered(bits) for bits in (4, 8))


def _remembered(bits: int) -> str:
    s = Code()
    kinds = ["ptr"] * 6 + ["i64"] * 4
    *fields, frame = s.fields("%job", [*kinds, "ptr"])
    given = ", ".join(f"{kind} {field}" for kind, field in zip(kinds, fields, strict=True))
    s.do(f"call void @store{bits}({given}, i64 {s.load('i64', frame, 8)})")
    a = Code()
    (frame,) = a.fields("%job", ["ptr"])
    job = a.at("%job", 8)
    a.store("i64", a.add(a.load("i64", frame, 8), 1), a.at(job, 80), 8)  # AttendJob.length
    a.do(f"call void @attend{bits}(ptr {job})")
    return s.function(f"@store{bits}_job(ptr %job)") + a.function(f"@attend{bits}_job(ptr %job)")


def assembly() -> str:
    """The text of all kernels here; those of `byte_kernels` must stand in the same module."""
    tiles = [_tile(rows, wide) for rows, wide in {*_TILES.items(), *((rows, 1) for rows in _TILES)}]
    parts = [_run(), _embed(), _norm(), *sorted(tiles), _linear(), _add_and_copy(), _attend(), _quantised()]
    return "\n".join([_DECLARED, *parts])
