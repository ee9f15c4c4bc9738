"""The window over the real engine, a small random model and a real bank."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from drawbar.musicgen import Stream
from drawbar_desktop.app import App
from drawbar_desktop.services.model_loading import load_embedded
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.export import ExportChoice
from tests.desktop.fakes import start_or_stop
from tests.desktop.tiny_assets import write_assets


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and a bank in small."""
    return write_assets(tmp_path_factory.mktemp("assets"))


@pytest.fixture
def whole(qapp: object, assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The application as a user starts it, with a silent output."""
    from drawbar.live import Engine, NullOutput

    monkeypatch.setenv("DRAWBAR_ASSETS", str(assets))
    monkeypatch.setattr(
        "drawbar.live.Engine", lambda model, bank: Engine(model, bank, NullOutput(32_000, reason="test"))
    )
    desk = Desk(tmp_path / "home")
    desk.settings.set("welcomed", True)
    app = App(load_embedded, desk)
    app.load_now()
    assert app.failed is None
    yield app
    app.close()
    app.window.close()


def play_until(app: App, qtbot: Any, seconds: float) -> None:
    """Poll as the timers would."""

    def polled() -> bool:
        app.poll_plots()
        app.poll_text()
        assert app.transport.readout.value.state != "error", app.transport.readout.value.message
        return app.timeline.played_s >= seconds

    qtbot.waitUntil(polled, timeout=60_000)


def test_a_take_is_played_steered_stopped_and_exported(qtbot: Any, whole: App, tmp_path: Path) -> None:
    app = whole
    app.transport.prompt.set("slow piano with kazoo")
    assert app.transport.unknown.value == ("kazoo",)
    app.rack_actions.add_best()
    assert len(app.rack) == 4
    app.transport.seconds.set(8.0)
    app.transport.set_seed(7)
    start_or_stop(app)
    play_until(app, qtbot, 0.2)
    first = next(iter(app.rack.ids()))
    app.rack.set_amount(first, 1.5)
    play_until(app, qtbot, 0.6)
    assert app.timeline.heat.shape[0] >= 10
    assert set(app.rack.ids()) <= set(app.timeline.ids)
    assert app.timeline.peaks.loudest >= 0.0
    assert app.timeline.mel.columns > 10
    start_or_stop(app)

    def ended() -> bool:
        app.poll_plots()
        app.poll_text()
        return not app.transport.playing.value

    qtbot.waitUntil(ended, timeout=30_000)
    target = tmp_path / "take.wav"

    def kept() -> bool:
        app.poll_plots()
        app.poll_text()
        return app.desk.history.total == 1

    qtbot.waitUntil(kept, timeout=30_000)
    app.actions.export()
    app.keeping.export(ExportChoice(target))

    def saved() -> bool:
        app.poll_plots()
        return target.with_suffix(".json").exists() and target.exists()

    qtbot.waitUntil(saved, timeout=30_000)
    audio, rate = soundfile.read(target)
    assert rate == 32_000
    assert len(audio) / rate >= 0.5
    assert np.isfinite(audio).all()


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB")])
def test_when_memory_runs_out_the_take_so_far_is_kept_and_the_window_says_what_helps(
    qtbot: Any, whole: App, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    app = whole
    real = Stream.__next__

    def short_of_memory(self: Stream) -> Any:
        frame = real(self)
        if frame.index == 60:
            raise error
        return frame

    monkeypatch.setattr(Stream, "__next__", short_of_memory)
    app.transport.seconds.set(8.0)
    start_or_stop(app)

    def kept() -> bool:
        app.poll_plots()
        app.poll_text()
        return app.desk.history.total == 1

    qtbot.waitUntil(kept, timeout=60_000)
    words = app.window.status.text.text()
    assert "memory ran out" in words
    assert "close other programs" in words
    assert "load a smaller model" in words
    item = app.desk.history.shown()[0]
    assert 0.2 < item.seconds < 1.3
    assert not app.transport.playing.value
    monkeypatch.setattr(Stream, "__next__", real)
    start_or_stop(app)
    play_until(app, qtbot, 0.1)


def test_every_page_of_the_inspector_opens(whole: App) -> None:
    started = time.perf_counter()
    for index in range(whole.library.count):
        row = whole.library.row(index)
        assert row is not None
        whole.library.selected.set(row.id)
        assert whole.window.inspector.title()
    assert time.perf_counter() - started < 60


def test_a_bank_of_another_model_is_refused_but_the_model_plays(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drawbar.bank import Bank, BankInfo
    from tests.musicgen.tiny import SPEC, write_checkpoint

    write_checkpoint(tmp_path / "model")
    Bank.create(tmp_path / "bank", BankInfo("other", "other", "f" * 64, (1,), SPEC.d_model)).close()
    monkeypatch.setenv("DRAWBAR_ASSETS", str(tmp_path))
    app = App(load_embedded)
    app.load_now()
    assert app.transport.ready.value
    assert app.library.count == 0
    assert "ffff" in app.window.status.text.text()
    app.close()
    app.window.close()


def test_without_a_model_the_window_says_how_to_get_one(
    qtbot: Any, qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_ASSETS", str(tmp_path))
    app = App(load_embedded)
    app.start()
    qtbot.waitUntil(lambda: app.failed is not None, timeout=60_000)
    assert app.window.rack.empty.hint.text() == app.failed
    app.window.close()
