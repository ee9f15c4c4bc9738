"""Plans cut into blocks, and what is kept of them when a process dies."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbar.errors import BadInputError, DrawbarError
from drawbar.evidence.experiment.trials import Block, Condition, Pair, Plan, Trials

PAIRS = (Pair("piano", 1), Pair("strings", 2), Pair("piano", 3))
CONDITIONS = tuple(Condition("feature", "2/7", 2, amount) for amount in (-1.0, 1.0))
MEASURES = ("detector:drums", "finite")


def _plan(**other: object) -> Plan:
    given = {"stage": "screen", "seconds": 1.0, "batch": 4, "pairs": PAIRS, "conditions": CONDITIONS}
    return Plan(**(given | other))  # type: ignore[arg-type]


def _values(block: Block) -> NDArray[np.float32]:
    return np.array([[10 * c + p, 1] for c, p in block.cells], np.float32)


def _play(trials: Trials, block: Block) -> None:
    tokens = np.array([[[c, p]] for c, p in block.cells], np.uint16)
    trials.write(block, tokens, _values(block), MEASURES, 1)


def test_every_trial_is_played_once_and_found_again(tmp_path: Path) -> None:
    trials = Trials(tmp_path, _plan())
    blocks = trials.missing()
    assert [len(block.cells) for block in blocks] == [4, 2]
    for block in blocks:
        _play(trials, block)
    assert trials.missing() == []
    assert trials.values[:, :, 0].tolist() == [[0, 1, 2], [10, 11, 12]]
    assert list(trials.amounts("feature", "2/7")) == [-1.0, 1.0]
    assert trials.tokens(CONDITIONS[1], 2).tolist() == [[1, 2]]
    rows = list(trials.rows())
    assert [(c.amount, p.seed, batch) for c, p, _, batch, _ in rows][3:] == [
        (1.0, 1, 4),
        (1.0, 2, 2),
        (1.0, 3, 2),
    ]


def test_after_a_kill_only_what_is_missing_is_played(tmp_path: Path) -> None:
    trials = Trials(tmp_path, _plan())
    first, second = trials.missing()
    _play(trials, second)
    trials.path(first).with_suffix(".part9").write_bytes(b"half a bl")
    assert Trials(tmp_path, _plan()).missing() == [first]
    trials.path(second).write_bytes(b"cut short")
    assert Trials(tmp_path, _plan()).missing() == [first, second]


@pytest.mark.parametrize("other", [{"seconds": 2.0}, {"settings": "another model"}, {"batch": 3}])
def test_blocks_of_another_plan_do_not_count(tmp_path: Path, other: dict[str, object]) -> None:
    trials = Trials(tmp_path, _plan())
    for block in trials.missing():
        _play(trials, block)
    changed = Trials(tmp_path, _plan(**other))
    assert len(changed.missing()) == len(list(changed.plan.blocks()))


def test_an_unfinished_stage_is_not_analysed(tmp_path: Path) -> None:
    with pytest.raises(DrawbarError, match="2 blocks"):
        _ = Trials(tmp_path, _plan()).values


def test_a_condition_that_comes_twice_is_refused() -> None:
    with pytest.raises(BadInputError, match="twice"):
        _plan(conditions=CONDITIONS * 2)
