"""Rendering: the same every time, with progress, and stoppable."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from drawbar.errors import BadInputError, CancelledError, SiteMismatchError
from drawbar.live import TakeSettings, render
from drawbar.steering import Automation
from drawbar.steering.automation import Lane


def test_the_same_settings_render_the_same_file(model: Any, bank: Any, tmp_path: Any) -> None:
    settings = TakeSettings("", 3, 1.0, amounts={"1/0": 1.0})
    one = render(model, bank, settings).save(tmp_path / "1" / "t.wav")
    two = render(model, bank, settings).save(tmp_path / "2" / "t.wav")
    assert one.read_bytes() == two.read_bytes()
    plain = render(model, None, TakeSettings("", 3, 1.0)).audio
    steered = render(model, bank, settings).audio
    assert len(plain) == len(steered) == 32_000
    assert np.isfinite(steered).all()
    assert not np.array_equal(plain, steered)


def test_progress_counts_every_frame_and_cancel_stops(model: Any) -> None:
    seen: list[tuple[int, int]] = []
    render(model, None, TakeSettings("", 3, 0.2), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 10) for n in range(1, 11)]
    cancel = threading.Event()
    with pytest.raises(CancelledError, match="of 500 frames"):
        render(model, None, TakeSettings("", 3, 10.0), progress=lambda *_: cancel.set(), cancel=cancel)


def test_automation_overrides_an_amount(model: Any, bank: Any) -> None:
    settings = TakeSettings("", 3, 1.0, amounts={"1/0": 3.0})
    silent = Automation([Lane("1/0", ((0, 0.0),))])
    plain = render(model, None, TakeSettings("", 3, 1.0))
    np.testing.assert_array_equal(render(model, bank, settings, silent).tokens, plain.tokens)


def test_what_cannot_be_rendered_is_told(model: Any, bank: Any) -> None:
    with pytest.raises(BadInputError, match="endless"):
        render(model, None, TakeSettings("", 3, None))
    with pytest.raises(BadInputError, match="no bank"):
        render(model, None, TakeSettings("", 3, 1.0, amounts={"1/0": 1.0}))
    with pytest.raises(SiteMismatchError):
        render(model, type(bank)("0" * 64), TakeSettings("", 3, 1.0, amounts={"1/0": 1.0}))
