"""What studios expect of the window: prompts blended live, sync, OSC, movement."""

import json
import shlex
import socket
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import soundfile
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from drawbar.bank.kinds import kind_of
from drawbar.bank.links import id_of, link_of
from drawbar.errors import MissingDependencyError
from drawbar.live.takes.take import load_settings
from drawbar.prompts import PromptPart, weight_id
from drawbar_desktop.app import App
from drawbar_desktop.services.osc import messages_of
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.export import export_take
from drawbar_desktop.state.modulation import FOLLOW, Modulator
from drawbar_desktop.style.theme import P
from drawbar_desktop.widgets.timeline.row_signs import kind_color
from tests.desktop.fake_midi import FakeMidi
from tests.desktop.fakes import FakeEngine


def test_prompts_are_blended_by_faders_that_are_heard_at_once(app: App, engine: FakeEngine) -> None:
    bar, blending = app.window.transport, app.desk.blending
    bar.prompt.setText("slow piano")
    app.transport.prompt.set("slow piano")
    bar.blend.click()
    bar.blend_card.more.click()
    bar.blend_card.without.click()
    blending.set_text(1, "fast drums")
    blending.set_text(2, "bass")
    app.poll_plots()
    QApplication.processEvents()
    assert [field.text() for field in bar.blend_card.fields] == ["slow piano", "fast drums", "bass"]
    bar.blend_card.faders[0].setValue(40)
    app.new_take()
    settings, _, _ = engine.played
    assert settings.blend == (
        PromptPart("slow piano", 0.4), PromptPart("fast drums", 0.5), PromptPart("bass", 1.0, unwanted=True),
    )  # fmt: skip
    bar.blend_card.faders[1].setValue(90)
    bar.blend_card.faders[2].setValue(20)
    assert ("amount", weight_id(1), 0.9) in engine.calls
    assert ("amount", weight_id(2), 0.2) in engine.calls
    assert bar.blend.isChecked()
    bar.blend_card.hide()


def test_one_prompt_alone_is_no_blend(app: App, engine: FakeEngine) -> None:
    app.transport.prompt.set("slow piano")
    app.desk.blending.add("")
    app.new_take()
    assert engine.played[0].blend == ()


def test_a_host_sets_the_tempo_starts_stops_and_goes_on(app: App, engine: FakeEngine, midi: FakeMidi) -> None:
    app.machinery.scan_midi()
    app.window.settings.clock_in.setChecked(True)
    for number in range(60):
        midi.send(0xF8)
        waiting = app.machinery.ports._realtime
        message, _ = waiting.get()
        waiting.put((message, number * 60 / 24 / 132))
        app.sync.poll(engine.snapshot())
    assert abs(app.timeline.grid.value.tempo_bpm - 132) < 1
    midi.send(0xFA)
    app.poll_plots()
    assert engine.played[0].prompt == app.transport.prompt.value
    engine.step(2.0)
    midi.send(0xFC)
    app.poll_plots()
    assert engine.calls[-1] == ("pause", True)
    midi.send(0xFB)
    app.poll_plots()
    assert engine.calls[-1] == ("pause", False)


def test_slider_moves_wait_for_the_beat_and_the_take_knows_its_tempo(app: App, engine: FakeEngine) -> None:
    app.rack_actions.add_best()
    id = next(iter(app.rack.ids()))
    app.timeline.grid.set(Grid(60.0, 0.0))
    app.desk.quantiser.step.set("beat")
    app.new_take()
    engine.step(2.3)
    app.rack.set_amount(id, 1.0)
    app.poll_plots()
    assert ("amount", id, 1.0) not in engine.calls
    engine.step(2.85)
    app.poll_plots()
    assert ("amount", id, 1.0) in engine.calls
    app.desk.quantiser.step.set("")
    app.rack.set_amount(id, 0.5)
    assert ("amount", id, 0.5) in engine.calls


def test_osc_is_off_until_switched_on_and_goes_both_ways(app: App, engine: FakeEngine) -> None:
    pytest.importorskip("pythonosc", reason="python-osc is not installed: pip install 'drawbar[osc]'")
    from pythonosc.osc_message import OscMessage
    from pythonosc.osc_message_builder import OscMessageBuilder

    server = app.osc.server
    assert server.port == 0
    app.desk.settings.set("osc_port", free_port())
    app.window.settings.osc.setChecked(True)
    assert server.port == app.desk.settings["osc_port"]
    app.rack_actions.add_best()
    first, second = list(app.rack.ids())[:2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(10)

        def ask(address: str, *values: float | str) -> None:
            message = OscMessageBuilder(address)
            for value in values:
                message.add_arg(value)
            client.sendto(message.build().dgram, ("127.0.0.1", server.port))

        client.sendto(b"not osc at all", ("127.0.0.1", server.port))
        ask("/drawbar/prompt", "slow piano")
        ask("/drawbar/slider/1", 1.0)
        ask(f"/drawbar/amount/{second}", 0.7)
        ask("/drawbar/slider/x", 1.0)
        ask("/elsewhere", 1.0)
        ask("/drawbar/tempo", 96.0)
        ask("/drawbar/new")
        ask("/drawbar/state")
        answers: dict[str, list[object]] = {}
        while "/drawbar/slider/4" not in answers:
            app.osc.poll()
            client.settimeout(0.05)
            try:
                answer = OscMessage(client.recv(65_536))
            except TimeoutError:
                continue
            answers[answer.address] = answer.params
    assert engine.played[0].prompt == "slow piano"
    assert app.rack.strip(first).amount > 1
    assert app.rack.strip(second).amount == pytest.approx(0.7)
    assert answers["/drawbar/prompt"] == ["slow piano"]
    assert answers["/drawbar/tempo"] == [96.0]
    assert answers["/drawbar/slider/2"][0] == second
    app.window.settings.osc.setChecked(False)
    assert server.port == 0


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_oscillator_and_a_follower_move_sliders_and_put_them_back(app: App, engine: FakeEngine) -> None:
    app.rack_actions.add_best()
    first, second, *_ = app.rack.ids()
    app.rack.set_amount(first, 0.5)
    modulation, card = app.desk.modulation, app.window.rack.movement_card
    app.window.rack.movement.click()
    card.target.setCurrentIndex(card.target.findData(first))
    card.more.click()
    modulation.change(first, shape="square", depth=0.4, rate=1.0)
    modulation.set(second, Modulator(FOLLOW, 1.0))
    grid = Grid(120.0, 0.0)
    modulation.tick(0.2, 0.0, grid)
    assert app.rack.strip(first).amount == pytest.approx(0.9)
    assert app.rack.strip(second).amount == pytest.approx(1.0)
    assert ("amount", first, 0.9) in engine.calls
    modulation.tick(0.7, -40.0, grid)
    assert app.rack.strip(first).amount == pytest.approx(0.1)
    assert app.rack.strip(second).amount == 0
    modulation.change(first, synced=True, rate=1.0)
    modulation.tick(1.1, -40.0, grid)  # a bar lasts 2 s: the second half has begun
    assert app.rack.strip(first).amount == pytest.approx(0.1)
    modulation.rest()
    assert app.rack.strip(first).amount == pytest.approx(0.5)
    modulation.set(first, None)
    assert first not in modulation.all
    card.hide()


def test_the_pad_moves_two_sliders_or_blends_four_settings(app: App) -> None:
    app.rack_actions.add_best()
    first, second, *_ = app.rack.ids()
    card, pad = app.window.rack.movement_card, app.desk.pad
    app.window.rack.movement.click()
    pad.x.set(first)
    pad.y.set(second)
    QTest.mouseClick(card.field, Qt.MouseButton.LeftButton, pos=QPoint(149, 0))
    low_high = app.rack.strip(first).usable or (-1.5, 1.5)
    assert app.rack.strip(first).amount == pytest.approx(low_high[1], abs=0.01)
    card.corners[3].click()
    app.rack.set_amounts("elsewhere", {first: 0.0, second: 0.0})
    card.corners[0].click()
    assert pad.blends
    pad.move(1.0, 1.0)
    assert app.rack.strip(first).amount == pytest.approx(low_high[1], abs=0.01)
    pad.move(0.0, 0.0)
    assert app.rack.strip(first).amount == 0
    pad.move(0.5, 0.5)
    assert app.rack.strip(first).amount == pytest.approx(low_high[1] / 2, abs=0.02)
    card.hide()


def test_the_pad_and_what_moves_by_itself_are_undone_and_remembered(app: App) -> None:
    app.rack_actions.add_best()
    first, second, *_ = app.rack.ids()
    desk, card = app.desk, app.window.rack.movement_card
    desk.modulation.set(first, Modulator("saw", 0.4, 1.0))
    desk.modulation.set(first, None)
    app.undo.undo()
    assert desk.modulation.all == {first: Modulator("saw", 0.4, 1.0)}
    desk.pad.choose("x", second)
    app.undo.undo()
    assert desk.pad.x.value == ""
    app.undo.redo()
    assert desk.pad.x.value == second
    depth, stood = app.undo.depth, app.rack.strip(second).amount
    QTest.mousePress(card.field, Qt.MouseButton.LeftButton, pos=QPoint(20, 75))
    QTest.mouseMove(card.field, QPoint(120, 75))
    QTest.mouseRelease(card.field, Qt.MouseButton.LeftButton, pos=QPoint(149, 75))
    assert app.undo.depth == depth + 1
    moved = app.rack.strip(second).amount
    app.undo.undo()
    assert app.rack.strip(second).amount == stood != moved
    app.undo.redo()
    desk.pad.fill(1)
    amounts = {strip.id: strip.amount for strip in app.rack.strips}
    desk.modulation.tick(0.9, 0.0, Grid())
    desk.note_settings()
    stored = json.loads(json.dumps([desk.settings["movement"], desk.settings["pad"]]))
    desk.modulation.set(first, None)
    desk.pad.clear()
    desk.pad.choose("x", "")
    for broken in ([{"id": first}], ["x"], [{**stored[0][0], "shape": "wobble"}]):
        desk.modulation.restore(broken)
    desk.pad.restore({"x": 3})
    assert not desk.modulation.all
    desk.modulation.restore(stored[0])
    desk.pad.restore(stored[1])
    assert desk.modulation.all == {first: Modulator("saw", 0.4, 1.0)}
    assert desk.pad.x.value == second
    assert desk.pad.corners.value[1] == amounts
    desk.modulation.rest()
    assert app.rack.strip(first).amount == 0  # not where the saw had it


def test_a_take_is_exported_as_a_studio_wants_it(
    app: App, engine: FakeEngine, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.timeline.grid.set(Grid(120.0, 0.5))
    app.transport.prompt.set("slow piano")
    app.rack_actions.add_best()
    app.rack.set_amount(next(iter(app.rack.ids())), 0.5)
    app.new_take()
    engine.step(9.0)
    app.poll_plots()
    engine.stop()
    app.poll_text()

    def kept() -> bool:
        app.poll_plots()
        return bool(app.desk.history.shown())

    qtbot.waitUntil(kept, timeout=10_000)
    item = app.desk.history.shown()[0]
    assert item.grid == (120.0, 0.5, 4)
    app.desk.history.selected.set(item.id)
    app.timeline.loop.set((2.0, 4.0))
    app.actions.keep_loop()
    assert app.desk.history.get(item.id).loop == (2.0, 4.0)  # type: ignore[union-attr]
    sheet, written = app.window.export, []
    app.window._ask_export()
    sheet.path.setText(str(tmp_path / "one.wav"))
    sheet.rate.setCurrentIndex(sheet.rate.findData(48_000))
    sheet.bits.setCurrentIndex(sheet.bits.findData("16"))
    sheet.loop.setChecked(True)
    written += export_take(app.desk.history.store, item, sheet.choice())  # type: ignore[arg-type]
    info = soundfile.info(written[0])
    assert (info.samplerate, info.subtype, info.frames) == (48_000, "PCM_16", 96_000)
    sheet.bars.setChecked(True)
    assert not sheet.loop.isChecked()
    sheet.bits.setCurrentIndex(sheet.bits.findData("32"))
    again = sheet.choice().numbered()
    assert again.path.stem == "one-2"
    written = export_take(app.desk.history.store, item, again)  # type: ignore[arg-type]
    info = soundfile.info(written[0])
    assert (info.samplerate, info.subtype, info.frames) == (48_000, "FLOAT", 8 * 48_000)
    sheet.heat.setChecked(True)
    heat = export_take(app.desk.history.store, item, sheet.choice())[-2]  # type: ignore[arg-type]
    rows = heat.read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("time_s,")
    assert len(rows[0].split(",")) == len(rows[-1].split(",")) > 2
    monkeypatch.setattr("drawbar_desktop.state.export.find_spec", lambda _: None)
    sheet.table.setCurrentIndex(sheet.table.findData("parquet"))
    choice = replace(sheet.choice(), path=tmp_path / "two.wav")
    with pytest.raises(MissingDependencyError, match=r"pip install 'drawbar\[cluster\]', or choose CSV"):
        export_take(app.desk.history.store, item, choice)  # type: ignore[arg-type]
    assert not (tmp_path / "two.wav").exists()
    monkeypatch.undo()
    if find_spec("pyarrow") is not None:
        from pyarrow.parquet import read_table

        table = read_table(export_take(app.desk.history.store, item, choice)[-2])  # type: ignore[arg-type]
        assert table.column_names == rows[0].split(",")
        assert table.num_rows == len(rows) - 1
    sheet.command.click()
    words = shlex.split(QApplication.clipboard().text())
    assert words[:5] == ["drawbar", "render", "slow piano", "--seed", str(item.settings.seed)]
    assert f"{next(iter(app.rack.ids()))}=+0.5" in words
    assert load_settings(written[0]) == item.settings
    sheet.dismiss()


def test_two_features_are_seen_side_by_side(app: App) -> None:
    one, other, third = (app.library.row(place).id for place in (0, 6, 1))  # type: ignore[union-attr]
    for id in (other, one):
        app.library.selected.set(id)
    assert app.library.bank is not None
    menu = app.window.inspector.compare_menu(app.library.bank.feature(one))
    title, call, *_ = menu[0]  # type: ignore[misc]
    assert title.endswith(other)
    call()
    sheet = app.window.comparison
    assert sheet.isVisible()
    assert [page.title() for page in sheet.pages] == [app.actions.title_of(id) for id in (one, other)]
    same = one.split("/")[0] == other.split("/")[0]
    assert ("Cosine of their directions: +1" if same else "different spaces") in sheet.alike.text()
    app.library.selected.set(third)
    assert sheet.pages[0].title() == app.actions.title_of(one)
    sheet.dismiss()


def test_lanes_and_rows_have_the_sign_and_colour_of_their_kind(app: App) -> None:
    app.rack_actions.add_best()
    lane = app.window.timeline.lane
    for strip in app.rack.strips:
        app.library.selected.set(strip.id)
        assert lane.id == strip.id
        kind = kind_of(strip.feature.label)
        assert lane.kind == kind
        assert lane.line.opts["pen"].color() == QColor(kind_color(kind) if kind else P.cool)
        assert lane.signs.rows == [(kind, 0.0)]


def test_a_feature_is_found_again_by_its_id_and_link(app: App) -> None:
    id = app.library.best(1)[0].id
    app.library.selected.set(id)
    link = link_of("my bank", id)
    assert id_of(link) == id
    assert id_of(id) == id
    app.library.selected.set(None)
    app.window.browser.search.setText(link)
    assert app.library.selected.value == id


def test_odd_osc_moves_nothing(app: App) -> None:
    builder = pytest.importorskip("pythonosc.osc_message_builder", reason="python-osc is not installed")
    told: list[str] = []
    app.desk.notices.told.connect(told.append)
    app.rack_actions.add_best()
    before = [strip.amount for strip in app.rack.strips]

    def datagram(address: str, value: object) -> bytes:
        message = builder.OscMessageBuilder(address)
        message.add_arg(value)
        data: bytes = message.build().dgram
        return data

    for address in (
        "/drawbar/slider/0",
        "/drawbar/slider/-9",
        "/drawbar/slider/99",
        "/drawbar/" + "x" * 3000,
    ):
        for one in messages_of(datagram(address, 1.0), ("127.0.0.1", 9)):
            app.osc._one(one)
    with pytest.raises(ValueError, match="not finite"):
        messages_of(datagram("/drawbar/slider/1", float("nan")), ("127.0.0.1", 9))
    with pytest.raises(ValueError, match="no OSC"):
        messages_of(b"#bundle\0" + b"\xff" * 20, ("127.0.0.1", 9))
    assert [strip.amount for strip in app.rack.strips] == before
    assert all(len(words) < 400 for words in told)
