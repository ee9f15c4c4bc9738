"""Writes the LLVM assembly of what our codecs need beside the decoder's kernels: from codes to samples.

Sizes are fields of the jobs; an inverse transform takes any length of 64 x R. Knows nothing of codecs.
"""

from __future__ import annotations

from drawbar.musicgen.compiled.emitter import LANES, Cell, Code, F
from drawbar.musicgen.compiled.mathematics import exp, sine_cosine

_D = "<16 x double>"
_DECLARED = f"declare {_D} @llvm.floor.v16f64({_D})\n"
SHORT = 32
"""Points of the transform's first step."""


# gather: rows of tables [book][card][width], one per codebook, side by side (step = 1) or added up (step = 0).
def _gather() -> str:
    c = Code()
    tables, widths, tokens, out, rows, books, card, width, stride, beside = c.fields(
        "%job", ["ptr"] * 4 + ["i64"] * 6
    )
    with c.loop("0", rows) as r:
        to = c.at(out, c.mul(r, stride), 4)
        place = c.cell("i64", "0")
        with c.loop("0", stride) as i:
            c.store("float", "0.0", c.at(to, i, 4))
        with c.loop("0", books) as k:
            token = c.load("i64", c.at(tokens, c.add(c.mul(r, books), k), 8), 8)
            source = c.at(tables, c.mul(c.add(c.mul(k, card), token), width), 4)
            own = c.load("i64", c.at(widths, k, 8), 8)
            with c.loop("0", own) as i:
                at = c.at(to, c.add(c.get(place), i), 4)
                total = c.let(f"fadd float {c.load('float', at)}, {c.load('float', c.at(source, i, 4))}")
                c.store("float", total, at)
            c.set(place, c.add(c.get(place), c.mul(own, beside)))
    return c.function("@gather(ptr %job)")


# depthwise: a causal convolution per channel, weights [kernel][C]; the past [R][kernel - 1][C] moves on by one frame.
def _depthwise() -> str:
    c = Code()
    x, weights, bias, past, out, rows, width, count = c.fields("%job", ["ptr"] * 5 + ["i64"] * 3)
    with c.loop("0", rows) as r, c.loop("0", width, LANES) as i:
        now = c.load(F, c.at(x, c.add(c.mul(r, width), i), 4))
        total = c.cell(F, c.load(F, c.at(bias, i, 4)))
        before = c.at(past, c.add(c.mul(c.mul(r, width), count), i), 4)
        with c.loop("0", count) as j:
            at = c.at(before, c.mul(j, width), 4)
            w = c.load(F, c.at(weights, c.add(c.mul(j, width), i), 4))
            c.set(total, c.fma(w, c.load(F, at), c.get(total)))
        w = c.load(F, c.at(weights, c.add(c.mul(count, width), i), 4))
        c.store(F, c.fma(w, now, c.get(total)), c.at(out, c.add(c.mul(r, width), i), 4))
        with c.loop("1", count) as j:
            at = c.at(before, c.mul(j, width), 4)
            c.store(F, c.load(F, at), c.at(before, c.mul(c.sub(j, 1), width), 4))
        c.store(F, now, c.at(before, c.mul(c.sub(count, 1), width), 4))
    return c.function("@depthwise(ptr %job)")


# tones: levels [R][hops][osc] -> what the oscillators' cosines and sines are multiplied with [R x hops][2 osc]:
# e^clamp(level) * base * (cos, -sin) of the phase at the hop. limits: least, most and shift of a level. base [R][osc]
# or null. `osc` is filled up to whole vectors; turns and spread are doubles.
def _tones() -> str:
    c = Code()
    levels, base, turns, spread, limits, out, frame, rows, hops, count, stride, pitch = c.fields(
        "%job", ["ptr"] * 7 + ["i64"] * 5
    )
    based = c.let(f"icmp ne ptr {base}, null")
    least, most, shift = (c.one(c.at(limits, 4 * n)) for n in range(3))
    start = c.mul(c.load("i64", frame, 8), hops)
    with c.loop("0", hops) as h, c.loop("0", count, LANES) as i:
        hop = c.splat("double", c.let(f"sitofp i64 {c.add(start, h)} to double"))
        turned = c.let(f"fmul {_D} {hop}, {c.load(_D, c.at(turns, i, 8), 8)}")
        turned = c.let(f"fadd {_D} {turned}, {c.load(_D, c.at(spread, i, 8), 8)}")
        whole = c.call(_D, "llvm.floor.v16f64", f"{_D} {turned}")
        part = c.let(f"fptrunc {_D} {c.let(f'fsub {_D} {turned}, {whole}')} to {F}")
        sine, cosine = sine_cosine(c, c.f("fmul", part, c.number(6.283185307179586)))
        with c.loop("0", rows) as r:
            level = c.load(F, c.at(levels, c.add(c.add(c.mul(r, stride), c.mul(h, pitch)), i), 4))
            level = c.of("minnum", c.of("maxnum", level, least), most)
            amplitude = c.cell(F, exp(c, c.f("fadd", level, shift)))
            with c.when(based):
                known = c.load(F, c.at(base, c.add(c.mul(r, count), i), 4))
                c.set(amplitude, c.f("fmul", c.get(amplitude), known))
            row = c.at(out, c.mul(c.add(c.mul(r, hops), h), c.mul(count, 2)), 4)
            c.store(F, c.f("fmul", c.get(amplitude), cosine), c.at(row, i, 4))
            minus = c.f("fsub", "zeroinitializer", c.f("fmul", c.get(amplitude), sine))
            c.store(F, minus, c.at(row, c.add(i, count), 4))
    return c.function("@tones(ptr %job)")


# spectra: the head's [R][hops][2][bins] -> real and imaginary parts [R x hops][2][room]; e^min(magnitude, 6) * gain.
# The bins of the last vector beyond `bins` read on into what follows, and are never used.
def _spectra() -> str:
    c = Code()
    head, gain, out, rows, hops, bins, stride, room = c.fields("%job", ["ptr"] * 3 + ["i64"] * 5)
    with c.loop("0", rows) as r, c.loop("0", hops) as h:
        source = c.at(head, c.add(c.mul(r, stride), c.mul(h, c.mul(bins, 2))), 4)
        to = c.at(out, c.mul(c.add(c.mul(r, hops), h), c.mul(room, 2)), 4)
        with c.loop("0", bins, LANES) as i:
            low = c.of("minnum", c.load(F, c.at(source, i, 4)), c.number(6.0))
            size = c.f("fmul", exp(c, low), c.load(F, c.at(gain, i, 4)))
            sine, cosine = sine_cosine(c, c.load(F, c.at(source, c.add(i, bins), 4)))
            c.store(F, c.f("fmul", size, cosine), c.at(to, i, 4))
            c.store(F, c.f("fmul", size, sine), c.at(to, c.add(i, room), 4))
    return c.function("@spectra(ptr %job)")


# inverse: half a spectrum [rows][2][room] -> N = 64 R samples [rows][N], not divided by N / 2.
#
# The real signal's even and odd samples are the two parts of a complex one of M = N / 2 = 32 R points (E + i O e^(2 pi
# i k / N), where E and O are what X[k] and conj X[M - k] have in common and not). Its transform is done in two steps,
# with k = k1 + R k2 and n = 32 n1 + n2:
#
#     A[k1][n2]      = e^(2 pi i k1 n2 / M) * sum over k2 of Z[k1 + R k2] e^(2 pi i k2 n2 / 32)
#     z[32 n1 + n2]  = sum over k1 of A[k1][n2] e^(2 pi i k1 n1 / R)
#
# both plain sums with n2 in the lanes. Tables: turn [2][M] of e^(2 pi i k / N), short [32][2][32], twist [R][2][32],
# long [R][R][2]. Scratch: Z [2][M], then A [R][2][32].
def _inverse() -> str:
    c = Code()
    spectra, turn, short, twist, long, scratch, out, rows, points, room = c.fields(
        "%job", ["ptr"] * 7 + ["i64"] * 3
    )
    radix = c.let(f"sdiv i64 {points}, {SHORT}")
    z_im, steps = c.at(scratch, points, 4), c.at(scratch, points, 8)
    backwards = "<" + ", ".join(f"i32 {LANES - 1 - n}" for n in range(LANES)) + ">"
    half = c.number(0.5)
    with c.loop("0", rows) as r:
        re, to = c.at(spectra, c.mul(c.mul(r, room), 2), 4), c.at(out, c.mul(c.mul(r, points), 2), 4)
        im = c.at(re, room, 4)
        # The first and the middle bin are real.
        c.store("float", "0.0", im)
        c.store("float", "0.0", c.at(im, points, 4))
        with c.loop("0", points, LANES) as k:
            far = c.sub(c.sub(points, k), LANES - 1)
            x, y = c.load(F, c.at(re, k, 4)), c.load(F, c.at(im, k, 4))
            u, v = (
                c.let(f"shufflevector {F} {c.load(F, c.at(p, far, 4))}, {F} poison, <16 x i32> {backwards}")
                for p in (re, im)
            )
            e_re, e_im = c.f("fmul", c.f("fadd", x, u), half), c.f("fmul", c.f("fsub", y, v), half)
            d_re, d_im = c.f("fmul", c.f("fsub", x, u), half), c.f("fmul", c.f("fadd", y, v), half)
            t_re, t_im = c.load(F, c.at(turn, k, 4)), c.load(F, c.at(c.at(turn, points, 4), k, 4))
            o_re = c.f("fsub", c.f("fmul", d_re, t_re), c.f("fmul", d_im, t_im))
            o_im = c.f("fadd", c.f("fmul", d_re, t_im), c.f("fmul", d_im, t_re))
            c.store(F, c.f("fsub", e_re, o_im), c.at(scratch, k, 4))
            c.store(F, c.f("fadd", e_im, o_re), c.at(z_im, k, 4))

        with c.loop("0", radix) as k1:
            totals = [[c.cell(F, "zeroinitializer") for _ in range(2)] for _ in range(2)]
            with c.loop("0", str(SHORT)) as k2:
                k = c.add(k1, c.mul(k2, radix))
                a, b = c.one(c.at(scratch, k, 4)), c.one(c.at(z_im, k, 4))
                _turned(c, totals, a, b, c.at(short, k2, 8 * SHORT))
            t = c.at(twist, k1, 8 * SHORT)
            for n in range(2):
                w_re, w_im = c.load(F, c.at(t, 64 * n)), c.load(F, c.at(t, 4 * SHORT + 64 * n))
                a, b = c.get(totals[0][n]), c.get(totals[1][n])
                place = c.at(c.at(steps, k1, 8 * SHORT), 64 * n)
                c.store(F, c.f("fsub", c.f("fmul", a, w_re), c.f("fmul", b, w_im)), place)
                c.store(F, c.f("fadd", c.f("fmul", a, w_im), c.f("fmul", b, w_re)), c.at(place, 4 * SHORT))
        with c.loop("0", radix) as n1:
            totals = [[c.cell(F, "zeroinitializer") for _ in range(2)] for _ in range(2)]
            with c.loop("0", radix) as k1:
                w = c.at(long, c.add(c.mul(n1, radix), k1), 8)
                _turned(c, totals, c.one(w), c.one(c.at(w, 4)), c.at(steps, k1, 8 * SHORT))
            for n in range(2):
                mixed = ", ".join(
                    f"i32 {x}" for pair in zip(range(16), range(16, 32), strict=True) for x in pair
                )
                both = c.let(
                    f"shufflevector {F} {c.get(totals[0][n])}, {F} {c.get(totals[1][n])}, <32 x i32> <{mixed}>"
                )
                c.store("<32 x float>", both, c.at(c.at(to, n1, 8 * SHORT), 128 * n))
    return c.function("@inverse(ptr %job)")


def _turned(c: Code, totals: list[list[Cell]], a: str, b: str, vectors: str) -> None:
    """``totals += (a + i b) * v`` for 32 complex numbers v: real parts, then imaginary ones."""
    for n in range(2):
        x, y = c.load(F, c.at(vectors, 64 * n)), c.load(F, c.at(vectors, 4 * SHORT + 64 * n))
        minus = c.f("fsub", "zeroinitializer", b)
        c.set(totals[0][n], c.fma(minus, y, c.fma(a, x, c.get(totals[0][n]))))
        c.set(totals[1][n], c.fma(b, x, c.fma(a, y, c.get(totals[1][n]))))


# overlap: signals [R x hops][4 hop] x window, + tones [R x hops][2 hop] in their middle, added up; what is complete
# goes to out [R][hops x hop], the rest [R][3 hop] is kept.
def _overlap() -> str:
    c = Code()
    signals, window, tones, tail, out, rows, hops, hop = c.fields("%job", ["ptr"] * 5 + ["i64"] * 3)
    with c.loop("0", rows) as r, c.loop("0", hops) as h:
        row = c.add(c.mul(r, hops), h)
        x, tone = c.at(signals, c.mul(c.mul(row, hop), 4), 4), c.at(tones, c.mul(c.mul(row, hop), 2), 4)
        kept, to = c.at(tail, c.mul(c.mul(r, hop), 3), 4), c.at(out, c.mul(row, hop), 4)
        for quarter in range(4):
            with c.loop("0", hop, LANES) as i:
                place = c.add(i, c.mul(hop, quarter))
                value = c.f("fmul", c.load(F, c.at(x, place, 4)), c.load(F, c.at(window, place, 4)))
                if quarter in (1, 2):
                    value = c.f("fadd", value, c.load(F, c.at(tone, c.sub(place, hop), 4)))
                if quarter < 3:
                    value = c.f("fadd", value, c.load(F, c.at(kept, place, 4)))
                back = c.at(kept, c.sub(place, hop), 4) if quarter else c.at(to, i, 4)
                c.store(F, value, back)
    return c.function("@overlap(ptr %job)")


def assembly() -> str:
    """The text of all kernels here."""
    parts = [_gather(), _depthwise(), _tones(), _spectra(), _inverse(), _overlap()]
    return "\n".join([_DECLARED, *parts])
