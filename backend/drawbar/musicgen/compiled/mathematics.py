"""Float vectors -> their exponential, logarithm, error function, sine and cosine, as lines of LLVM assembly.

Polynomials after Cephes (S. Moshier); errors of about 2 units in the last place, told beside each. Knows no memory.
"""

from __future__ import annotations

from drawbar.musicgen.compiled.emitter import Code, F, N


def _polynomial(c: Code, x: str, coefficients: tuple[float, ...]) -> str:
    total = c.number(coefficients[0])
    for value in coefficients[1:]:
        total = c.fma(total, x, c.number(value))
    return total


def exp(c: Code, x: str) -> str:
    """e to the x for -87 <= x <= 88 (relative error 1e-7); below that the value at -87."""
    x = c.of("minnum", c.of("maxnum", x, c.number(-87.0)), c.number(88.0))
    n = c.of("rint", c.f("fmul", x, c.number(1.4426950408889634)))
    r = c.fma(n, c.number(-0.693359375), x)
    r = c.fma(n, c.number(2.12194440e-4), r)
    p = _polynomial(c, r, (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0))
    whole = c.let(f"fptosi {F} {n} to {N}")
    lifted = c.n("shl", c.n("add", whole, "splat (i32 127)"), "splat (i32 23)")
    return c.f("fmul", p, c.let(f"bitcast {N} {lifted} to {F}"))


_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip


def log(c: Code, x: str) -> str:
    """The natural logarithm of normal positive numbers (absolute error 1e-7 of the larger of itself and 1)."""
    bits = c.let(f"bitcast {F} {x} to {N}")
    exponent = c.n("sub", c.n("lshr", bits, "splat (i32 23)"), "splat (i32 126)")
    mantissa = c.n("or", c.n("and", bits, "splat (i32 8388607)"), "splat (i32 1056964608)")
    m = c.let(f"bitcast {N} {mantissa} to {F}")  # 0.5 <= m < 1
    small = c.let(f"fcmp olt {F} {m}, {c.number(0.7071067811865476)}")
    m = c.f(
        "fsub",
        c.let(f"select <16 x i1> {small}, {F} {c.f('fadd', m, m)}, {F} {m}"),
        c.number(1.0),
    )
    e = c.let(f"sitofp {N} {exponent} to {F}")
    e = c.let(f"select <16 x i1> {small}, {F} {c.f('fsub', e, c.number(1.0))}, {F} {e}")
    square = c.f("fmul", m, m)
    y = c.f("fmul", c.f("fmul", _polynomial(c, m, _LOG), m), square)
    y = c.fma(e, c.number(-2.12194440e-4), y)
    y = c.fma(square, c.number(-0.5), y)
    return c.fma(e, c.number(0.693359375), c.f("fadd", m, y))


def gelu(c: Code, x: str) -> str:
    """x * (1 + erf(x / sqrt 2)) / 2, the exact GELU (absolute error 2e-7; Abramowitz and Stegun 7.1.26)."""
    z = c.of("fabs", c.f("fmul", x, c.number(0.7071067811865476)))
    one = c.number(1.0)
    t = c.f("fdiv", one, c.fma(z, c.number(0.3275911), one))
    p = _polynomial(c, t, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))
    tail = c.f("fmul", c.f("fmul", p, t), exp(c, c.f("fsub", "zeroinitializer", c.f("fmul", z, z))))
    erf = c.of("copysign", c.f("fsub", one, tail), x)
    return c.f("fmul", c.f("fmul", x, c.number(0.5)), c.f("fadd", one, erf))


def sine_cosine(c: Code, x: str) -> tuple[str, str]:
    """Sine and cosine of angles up to some thousands (absolute error 2e-7 there)."""
    n = c.of("rint", c.f("fmul", x, c.number(0.6366197723675814)))
    r = x
    for part in (1.5703125, 4.837512969970703e-4, 7.549790126404332e-8):  # pi / 2 in three pieces
        r = c.fma(n, c.number(-part), r)
    z = c.f("fmul", r, r)
    sine = _polynomial(c, z, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1))
    sine = c.fma(c.f("fmul", sine, z), r, r)
    cosine = _polynomial(c, z, (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2))
    cosine = c.fma(c.f("fmul", cosine, z), z, c.fma(z, c.number(-0.5), c.number(1.0)))
    quarter = c.let(f"fptosi {F} {n} to {N}")
    odd = c.let(f"icmp ne {N} {c.n('and', quarter, 'splat (i32 1)')}, zeroinitializer")
    first = c.let(f"select <16 x i1> {odd}, {F} {cosine}, {F} {sine}")
    second = c.let(f"select <16 x i1> {odd}, {F} {sine}, {F} {cosine}")
    minus = [c.n("shl", c.n("and", q, "splat (i32 2)"), "splat (i32 30)") for q in (
        quarter, c.n("add", quarter, "splat (i32 1)")
    )]  # fmt: skip
    signed = []
    for value, sign in zip((first, second), minus, strict=True):
        bits = c.n("xor", c.let(f"bitcast {F} {value} to {N}"), sign)
        signed.append(c.let(f"bitcast {N} {bits} to {F}"))
    return signed[0], signed[1]
