"""Holding a concept at a level by feedback."""

import pytest
import torch

from drawbar.errors import BadInputError
from drawbar.steering.aim import Aim, Gains
from drawbar.steering.directions import Direction

D = 8
AXIS = torch.eye(D)[2]


def aim(level: float, **gains: float) -> Aim:
    direction = Direction("concept/drums", 1, AXIS, 2.0, encoder=AXIS)
    return Aim(direction, level, rest=1.0, gains=Gains(**gains))  # type: ignore[arg-type]


def played(run: object, base: float, frames: int = 400) -> list[float]:
    """A model whose concept stands at ``base`` and keeps nine tenths of what was pushed before."""
    assert hasattr(run, "holds")
    told, carried = [], 0.0
    for position in range(frames):
        (hold,) = run.holds(position, 1).values()
        x = ((base + carried) * AXIS).view(1, 1, D)
        after = hold.apply(x, 0)
        carried = 0.9 * float((after - x)[0, 0] @ AXIS)
        told.append(float(x[0, 0] @ AXIS))
    return told


@pytest.mark.parametrize("base", [0.0, 2.0, 5.0])
def test_whatever_a_take_has_by_itself_it_ends_at_the_level(base: float) -> None:
    told = played(aim(1.5).start(), base)
    assert sum(told[-50:]) / 50 == pytest.approx(1.0 + 1.5 * 2.0, abs=0.3)


def test_the_null_branch_is_left_alone_and_a_passed_position_gets_what_it_got() -> None:
    run = aim(2.0).start()
    (hold,) = run.holds(0, 3).values()
    x = torch.zeros(1, 3, D)
    assert torch.equal(hold.apply(x, 1), x)
    first = hold.apply(x, 0)
    assert torch.equal(hold.apply(x, 0), first)
    run.rewind(1)
    (hold,) = run.holds(0, 3).values()
    torch.testing.assert_close(hold.apply(x, 0), first)


def test_it_never_pushes_further_than_it_may() -> None:
    run = aim(100.0, most=0.5).start()
    (hold,) = run.holds(0, 1).values()
    x = torch.zeros(1, 1, D)
    assert float((hold.apply(x, 0) - x).norm()) == pytest.approx(0.5 * 2.0)


def test_what_cannot_be_read_cannot_be_aimed_at() -> None:
    with pytest.raises(BadInputError, match="read"):
        Aim(Direction("x", 0, AXIS, 1.0), 1.0)
    with pytest.raises(BadInputError):
        Gains(frames=0)
