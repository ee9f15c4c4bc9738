"""A seed and something valid -> something nearly valid: JSON values and bytes, changed where it hurts."""

import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 10**40, int("9" * 400), 0.5, -0.0, 1e308, float("inf"), float("nan"),
    "", "x", "\0", "\x1b]0;x\x07", "\ud800", "../../x", "/etc/passwd", "9" * 5000, [], [[]], [[0]], {}, {"": {}},
    [None] * 50, {"k": [1]}, "1979-05-27",
)  # fmt: skip
BLOCKS = (
    b"\0" * 8,
    b"\xff" * 8,
    b"[" * 3000,
    b"{" * 3000,
    b"\r\n",
    b'"',
    b"NaN",
    b"PK\3\4",
    b"RIFF",
    b"-1",
    b"1e999",
)


def value(draw: random.Random, whole: Any) -> Any:
    """A JSON value with one to three places changed, removed, doubled or nested deep."""
    changed = json.loads(json.dumps(whole))
    for _ in range(draw.randint(1, 3)):
        changed = _once(draw, changed)
    return changed


def _once(draw: random.Random, whole: Any) -> Any:
    if isinstance(whole, dict) and whole and draw.random() < 0.9:
        name = draw.choice(list(whole))
        if draw.random() < 0.1:
            return {k: v for k, v in whole.items() if k != name}
        return {**whole, name: _once(draw, whole[name])}
    if isinstance(whole, list) and whole and draw.random() < 0.7:
        at = draw.randrange(len(whole))
        return [*whole[:at], _once(draw, whole[at]), *whole[at + draw.randint(0, 1) :]]
    if draw.random() < 0.03:
        for _ in range(draw.choice((70, 300))):
            whole = [whole]
        return whole
    like = _kind(whole)
    return draw.choice([odd for odd in ODD if _kind(odd) == like] if draw.random() < 0.5 else ODD)


def _kind(value: Any) -> str:
    """Half of the values keep it: what has the wrong type is refused by the schema and goes no further."""
    return "number" if type(value) in (int, float) else type(value).__name__


def data(draw: random.Random, whole: bytes) -> bytes:
    """Bytes with some flipped, overwritten, left out, put in, or cut off."""
    changed = bytearray(whole)
    for _ in range(draw.randint(1, 4)):
        at = (
            draw.randrange(len(changed) + 1)
            if draw.random() < 0.5
            else draw.randrange(min(len(changed), 200) + 1)
        )
        kind = draw.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            block = draw.choice(BLOCKS)
            changed[at : at + len(block)] = block
        elif kind == 2:
            del changed[at : at + draw.randint(1, 40)]
        elif kind == 3:
            changed[at:at] = draw.choice(BLOCKS)
        else:
            del changed[at:]
    return bytes(changed)
