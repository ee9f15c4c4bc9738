"""Writes the LLVM assembly of the draw: rows' logits -> guided, sharpened, noisy, cut to the likeliest -> tokens.

The same arithmetic as ``generation.sampling`` (whose docstrings give the sources). Among the ``top_k`` likeliest the
noisiest is found without sorting: the noisiest of all, unless ``top_k`` others are likelier; then the next.
"""

from __future__ import annotations

from drawbar.musicgen.compiled.emitter import LANES, LOWEST, Code, F, L, N
from drawbar.musicgen.compiled.mathematics import exp, log

_MULTIPLY = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_LADDER = "<" + ", ".join(f"i32 {n}" for n in range(LANES)) + ">"


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _gumbel(c: Code, key: str, entries: str) -> str:
    """A key and 16 entries' numbers -> their noise (see `sampling.Noise.keyed`)."""
    x = c.let(f"add {L} {key}, {entries}")
    for shift, factor in zip((30, 27), _MULTIPLY, strict=True):
        high = c.let(f"lshr {L} {x}, splat (i64 {shift})")
        x = c.let(f"mul {L} {c.let(f'xor {L} {x}, {high}')}, splat (i64 {_signed(factor)})")
    bits = c.let(f"trunc {L} {c.let(f'lshr {L} {x}, splat (i64 41)')} to {N}")
    whole = c.let(f"sitofp {N} {bits} to {F}")
    uniform = c.f("fmul", c.f("fadd", whole, c.number(0.5)), c.number(2.0**-23))
    minus = "zeroinitializer"
    inner = c.f("fsub", minus, log(c, uniform))
    return c.f("fsub", minus, log(c, inner))


def _largest(c: Code, scores: str, card: str) -> tuple[str, str]:
    """The largest of ``card`` floats -> its place (the first of equals) and itself."""
    best, place = c.cell(F, c.splat("float", LOWEST)), c.cell(N, "zeroinitializer")
    with c.loop("0", card, LANES) as v:
        here = c.load(F, c.at(scores, v, 4))
        above = c.let(f"fcmp ogt {F} {here}, {c.get(best)}")
        lanes = c.n("add", c.splat("i32", c.let(f"trunc i64 {v} to i32")), _LADDER)
        c.set(best, c.let(f"select <16 x i1> {above}, {F} {here}, {F} {c.get(best)}"))
        c.set(place, c.let(f"select <16 x i1> {above}, {N} {lanes}, {N} {c.get(place)}"))
    most = c.across("float", "max", c.get(best))
    equal = c.let(f"fcmp oeq {F} {c.get(best)}, {c.splat('float', most)}")
    far = "splat (i32 2147483647)"
    among = c.let(f"select <16 x i1> {equal}, {N} {c.get(place)}, {N} {far}")
    spread, least = c.room(64), c.cell("i32", "2147483647")
    c.store(N, among, spread)
    with c.loop("0", str(LANES)) as n:
        one = c.load("i32", c.at(spread, n, 4))
        less = c.let(f"icmp slt i32 {one}, {c.get(least)}")
        c.set(least, c.let(f"select i1 {less}, i32 {one}, i32 {c.get(least)}"))
    found = c.let(f"sext i32 {c.get(least)} to i64")
    inside = c.let(f"icmp slt i64 {found}, {card}")
    return c.let(f"select i1 {inside}, i64 {found}, i64 0"), most


def _log_sum(c: Code, scores: str, card: str, most: str) -> str:
    """The logarithm of the sum of exponentials, in all lanes; ``most`` is the largest score."""
    peak, total = c.splat("float", most), c.cell(F, "zeroinitializer")
    with c.loop("0", card, LANES) as v:
        c.set(total, c.f("fadd", c.get(total), exp(c, c.f("fsub", c.load(F, c.at(scores, v, 4)), peak))))
    return c.f("fadd", peak, log(c, c.splat("float", c.across("float", "fadd", c.get(total)))))


def _map(c: Code, card: str, source: str, target: str, factor: str, less: str) -> None:
    """``target = source * factor - less``."""
    with c.loop("0", card, LANES) as v:
        value = c.f("fsub", c.f("fmul", c.load(F, c.at(source, v, 4)), factor), less)
        c.store(F, value, c.at(target, v, 4))


def _apart(c: Code, scores: str, other: str, card: str, present: str, change: str) -> None:
    """Staying as likely as before, what it changes to sharper (see `sampling._apart`); ``other`` is scratch."""
    _, most = _largest(c, scores, card)
    one = c.number(1.0)
    _map(c, card, scores, scores, one, _log_sum(c, scores, card, most))
    with c.when(c.let(f"icmp slt i64 {present}, {card}")):
        stay_at = c.at(scores, present, 4)
        stay = c.load("float", stay_at)
        _map(c, card, scores, other, c.f("fdiv", one, c.splat("float", change)), "zeroinitializer")
        c.store("float", LOWEST, c.at(other, present, 4))
        _, sharpest = _largest(c, other, card)
        # log(1 - e^y) for y <= -1e-6: a series where e^y is near 1
        y = c.of("minnum", c.splat("float", stay), c.number(-1e-6))
        series = c.number(1 / 120)
        for value in (1 / 24, 1 / 6, 0.5, 1.0):
            series = c.fma(series, y, c.number(value))
        near = c.f("fsub", "zeroinitializer", c.f("fmul", series, y))
        close = c.let(f"fcmp ogt {F} {y}, {c.number(-0.05)}")
        rest = c.let(f"select <16 x i1> {close}, {F} {near}, {F} {c.f('fsub', one, exp(c, y))}")
        _map(c, card, other, scores, one, c.f("fsub", _log_sum(c, other, card, sharpest), log(c, rest)))
        c.store("float", stay, stay_at)


# sample: logits [row][book][card] and the noise's keys [track][book] -> drawn [track][book], and 0 in `finite` if a
# logit was not finite. settings: guidance, 1 / temperature (0: the likeliest), change temperature (0: none) as floats,
# top_k as int32. Rows stand as in `generation.py`: (group, branch, clip); a track is (group, clip).
def assembly() -> str:
    c = Code()
    logits, keys, entries, steps, drawn, finite, scratch, settings, clips, branches, tracks, books, card = (
        c.fields("%job", ["ptr"] * 8 + ["i64"] * 5)
    )
    guidance, sharpness = c.one(settings), c.load("float", c.at(settings, 4))
    change, top_k = c.load("float", c.at(settings, 8)), c.load("i32", c.at(settings, 12))
    other = c.at(scratch, card, 4)
    guided = c.let(f"icmp eq i64 {branches}, 2")
    c.store("i64", "1", finite, 8)
    with c.loop("0", tracks) as track, c.loop("0", books) as book:
        group, clip = c.let(f"sdiv i64 {track}, {clips}"), c.let(f"srem i64 {track}, {clips}")
        row = c.add(c.mul(c.mul(group, branches), clips), clip)
        first = c.at(logits, c.mul(c.add(c.mul(row, books), book), card), 4)
        null = c.at(first, c.mul(c.mul(clips, books), card), 4)
        bad = c.cell(F, "zeroinitializer")
        with c.loop("0", card, LANES) as v:
            value = c.cell(F, c.load(F, c.at(first, v, 4)))
            with c.when(guided):
                base = c.load(F, c.at(null, v, 4))
                c.set(value, c.f("fadd", base, c.f("fmul", c.f("fsub", c.get(value), base), guidance)))
            c.set(bad, c.f("fadd", c.get(bad), c.f("fsub", c.get(value), c.get(value))))
            c.store(F, c.get(value), c.at(scratch, v, 4))
        wrong = c.across("float", "fadd", c.get(bad))
        with c.when(c.let(f"fcmp une float {wrong}, 0.0")):
            c.store("i64", "0", finite, 8)
        index = c.add(c.mul(track, books), book)
        likeliest = c.let(f"fcmp oeq float {sharpness}, 0.0")
        with c.when(likeliest):
            place, _ = _largest(c, scratch, card)
            c.store("i64", place, c.at(drawn, index, 8), 8)
        with c.when(c.let(f"xor i1 {likeliest}, true")):
            _map(c, card, scratch, scratch, c.splat("float", sharpness), "zeroinitializer")
            with c.when(c.let(f"fcmp ogt float {change}, 0.0")):
                present = c.load("i64", c.at(steps, c.add(c.mul(row, books), book), 8), 8)
                _apart(c, scratch, other, card, present, change)
            key = c.splat("i64", c.load("i64", c.at(keys, index, 8), 8))
            with c.loop("0", card, LANES) as v:
                noise = _gumbel(c, key, c.load(L, c.at(entries, v, 8), 8))
                c.store(F, c.f("fadd", c.load(F, c.at(scratch, v, 4)), noise), c.at(other, v, 4))
            _choose(c, scratch, other, card, top_k, c.at(drawn, index, 8))
    return c.function("@sample(ptr %job)")


def _choose(c: Code, scores: str, noisy: str, card: str, top_k: str, drawn: str) -> None:
    """The noisiest of the ``top_k`` likeliest (0: of all)."""
    over = c.cell("i64", "0")
    every = c.let(f"icmp eq i32 {top_k}, 0")
    with c.loop("0", card) as _, c.when(c.let(f"icmp eq i64 {c.get(over)}, 0")):
        place, _ = _largest(c, noisy, card)
        mine = c.one(c.at(scores, place, 4))
        likelier = c.cell(N, "zeroinitializer")
        with c.loop("0", card, LANES) as v:
            above = c.let(f"fcmp ogt {F} {c.load(F, c.at(scores, v, 4))}, {mine}")
            c.set(likelier, c.n("add", c.get(likelier), c.let(f"zext <16 x i1> {above} to {N}")))
        count = c.across("i32", "add", c.get(likelier))
        inside = c.let(f"or i1 {every}, {c.let(f'icmp slt i32 {count}, {top_k}')}")
        c.store("i64", place, drawn, 8)
        c.store("float", LOWEST, c.at(noisy, place, 4))
        c.set(over, c.let(f"zext i1 {inside} to i64"))
