"""Strips, macros, slots, presets and lanes: every gesture, what it sends, and its one undo step."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbar_desktop.state import Lanes, Macros, Presets, Rack, Slots, UndoStack
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.lanes import amount_at, thinned
from drawbar_desktop.state.presets import macros_from, strips_from, strips_to
from drawbar_desktop.state.rack import Resolve
from drawbar_desktop.state.taper import AMOUNT_MAX, KNEE, Taper
from tests.desktop.fakes import FakeBank, make_rows


class Desk:
    """A rack with everything that belongs to it, and a hand-turned clock."""

    def __init__(self, count: int = 3) -> None:
        self.now = 0.0
        self.undo = UndoStack(clock=lambda: self.now)
        self.rack = Rack(self.undo)
        self.macros = Macros(self.rack, self.undo)
        self.slots = Slots(self.rack, self.undo)
        self.lanes = Lanes(self.undo)
        self.rows = make_rows(20)
        for row in self.rows[:count]:
            self.rack.add(row)
            self.now += 1
        self.ids = [row.id for row in self.rows[:count]]

    @property
    def resolve(self) -> Resolve:
        rows = {row.id: row for row in self.rows}
        return lambda id: (rows[id], None) if id in rows else None

    def amounts(self) -> list[float]:
        return [strip.amount for strip in self.rack.strips]


def test_the_taper_is_linear_inside_the_usable_range_and_logarithmic_beyond() -> None:
    taper = Taper(-0.5, 1.0)
    assert taper.to_position(0.0) == 0.5
    assert taper.to_position(1.0) == pytest.approx(0.5 + KNEE / 2)
    assert taper.to_position(-0.5) == pytest.approx(0.5 - KNEE / 2)
    assert taper.to_position(0.5) == pytest.approx(0.5 + KNEE / 4)
    assert (taper.to_amount(1.0), taper.to_amount(0.0)) == (AMOUNT_MAX, -AMOUNT_MAX)
    positions = [taper.to_position(a) for a in np.linspace(-4, 4, 161)]
    assert positions == sorted(positions)
    middle = 0.5 + (KNEE + 1) / 4
    assert taper.to_amount(middle) == pytest.approx(2.0, abs=0.01)  # half way in octaves from 1 to 4


def test_modes_change_what_is_applied_and_silence_turns_them_off() -> None:
    desk = Desk()
    told: list[tuple[str, str]] = []
    desk.rack.mode_changed.connect(lambda id, mode: told.append((id, mode)))
    first = desk.ids[0]
    desk.rack.set_amount(first, -1.7)
    desk.rack.set_mode(first, "mute")
    assert desk.rack.effective()[first] == 1.0
    desk.rack.set_mode(first, "clamp")
    assert desk.rack.effective()[first] == -1.7
    desk.rack.set_soloed(desk.ids[1], True)
    assert desk.rack.modes() == {}
    assert told == [(first, "mute"), (first, "clamp"), (first, "add")]


def test_randomise_leaves_locked_strips_alone_and_is_one_step() -> None:
    desk = Desk()
    desk.rack.set_usable(desk.ids[2], (-0.2, 0.1))
    desk.rack.set_amount(desk.ids[0], 0.7)
    desk.rack.set_locked(desk.ids[0], True)
    depth = desk.undo.depth
    desk.rack.randomise(random.Random(3))
    assert desk.amounts()[0] == 0.7
    assert desk.amounts()[1] != 0.0
    assert -0.2 <= desk.amounts()[2] <= 0.1
    assert desk.undo.depth == depth + 1
    desk.undo.undo()
    assert desk.amounts() == [0.7, 0.0, 0.0]


def test_reordering_can_be_undone() -> None:
    desk = Desk()
    desk.rack.move(desk.ids[2], 0)
    assert list(desk.rack.ids()) == [desk.ids[2], desk.ids[0], desk.ids[1]]
    desk.undo.undo()
    assert list(desk.rack.ids()) == desk.ids


def test_automation_and_midi_moves_are_no_undo_steps_and_yield_to_a_hand() -> None:
    desk = Desk()
    depth = desk.undo.depth
    desk.rack.follow(desk.ids[0], 0.9)
    assert (desk.amounts()[0], desk.undo.depth) == (0.9, depth)
    desk.rack.begin_gesture(desk.ids[0])
    desk.rack.follow(desk.ids[0], -0.9)
    assert desk.amounts()[0] == 0.9


def test_a_macro_moves_its_members_and_a_drag_of_it_is_one_step() -> None:
    desk = Desk()
    desk.rack.set_amount(desk.ids[0], 1.0)
    desk.now += 1
    macro = desk.macros.make(desk.ids[:2], "Drive")
    assert macro is not None
    desk.macros.set_member("Drive", desk.ids[1], (0.5, -0.5))
    depth = desk.undo.depth
    desk.macros.begin_gesture("Drive")
    for share in (0.9, 0.6, 0.5):
        desk.macros.turn("Drive", share)
    desk.macros.end_gesture()
    assert desk.amounts()[:2] == [0.5, 0.0]
    assert desk.undo.depth == depth + 1
    desk.undo.undo()
    assert desk.amounts()[:2] == [1.0, 0.0]
    assert desk.macros.get("Drive").value == 1.0  # type: ignore[union-attr]


def test_a_macro_can_be_renamed_opened_and_ungrouped() -> None:
    desk = Desk()
    desk.macros.make(desk.ids, "Band")
    desk.macros.rename("Band", "Everyone")
    desk.macros.set_member("Everyone", desk.ids[0], None)
    assert list(desk.macros.get("Everyone").members) == desk.ids[1:]  # type: ignore[union-attr]
    desk.macros.remove("Everyone")
    assert not desk.macros.all
    desk.undo.undo()
    assert [macro.name for macro in desk.macros.all] == ["Everyone"]


def test_slots_switch_copy_and_keep_what_the_other_had() -> None:
    desk = Desk()
    first = desk.ids[0]
    desk.rack.set_amount(first, 1.0)
    desk.slots.toggle()
    assert desk.amounts()[0] == 1.0  # a slot that was never filled begins as a copy
    desk.rack.set_amount(first, -1.0)
    desk.slots.toggle()
    assert (desk.slots.active.value, desk.amounts()[0]) == ("A", 1.0)
    desk.slots.copy("A", "B")
    desk.slots.toggle()
    assert desk.amounts()[0] == 1.0


def test_morphing_goes_between_the_slots_and_includes_strips_that_one_lacks() -> None:
    desk = Desk(2)
    desk.rack.set_amount(desk.ids[0], 1.0)
    desk.slots.toggle()
    desk.rack.set_amount(desk.ids[0], -1.0)
    desk.rack.add(desk.rows[5])
    desk.rack.set_amount(desk.rows[5].id, 2.0)
    depth = desk.undo.depth
    desk.slots.set_morph(0.25)
    assert desk.amounts() == [0.5, 0.0, 0.5]
    desk.slots.set_morph(1.0)
    assert desk.amounts() == [-1.0, 0.0, 2.0]
    assert desk.undo.depth == depth
    desk.slots.choose("A")
    assert desk.amounts() == [1.0, 0.0]
    assert desk.slots.morph.value is None


def test_the_louder_slot_is_turned_down_to_compare() -> None:
    desk = Desk()
    desk.slots.note_loudness({"A": -14.0, "B": -20.0})
    assert desk.slots.offset_db() == -6.0
    desk.slots.choose("B")
    assert desk.slots.offset_db() == 0.0
    desk.slots.match.set(False)
    desk.slots.choose("A")
    assert desk.slots.offset_db() == 0.0


def test_presets_come_back_from_disk_and_name_what_a_bank_lacks(tmp_path: Path) -> None:
    desk, presets = Desk(), Presets(tmp_path)
    desk.rack.set_amount(desk.ids[1], 1.25)
    desk.rack.set_mode(desk.ids[2], "clamp")
    desk.macros.make(desk.ids, "All")
    presets.save("My: sound / 1", desk.rack.strips, desk.macros.all)
    (loaded,) = Presets(tmp_path).user()
    strips, missing = strips_from(loaded.strips, desk.resolve)
    assert (tuple(strips), missing) == (desk.rack.strips, [])
    assert macros_from(loaded.macros) == list(desk.macros.all)
    strips, missing = strips_from(loaded.strips, lambda id: None)
    assert (strips, missing) == ([], ["drums", "bass: fingered", "chords: piano"])
    presets.delete(loaded)
    assert presets.user() == ()


def test_malformed_presets_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{not json")
    (tmp_path / "odd.json").write_text(
        json.dumps({"name": 3, "strips": [1, {"id": 4}, {"id": "3/1", "amount": "x"}]})
    )
    presets = Presets(tmp_path)
    assert [p.name for p in presets.user()] == ["3"]
    assert (tmp_path / "bad.json.damaged").exists()
    assert strips_from(presets.user()[0].strips, lambda id: None)[0] == []
    assert macros_from([{"name": "x", "value": "y", "members": 3}]) == []


def test_factory_presets_are_made_from_what_the_bank_has() -> None:
    presets = Presets()
    presets.set_bank(FakeBank())
    assert presets.all()
    assert all(p.factory and len(p.strips) >= 2 for p in presets.all())


def test_loading_a_preset_keeps_locked_strips_and_is_one_step() -> None:
    desk = Desk()
    stored = strips_to(desk.rack.strips)
    desk.rack.set_amount(desk.ids[0], 1.5)
    desk.rack.set_locked(desk.ids[0], True)
    desk.rack.remove(desk.ids[1])
    depth = desk.undo.depth
    desk.rack.restore("preset", strips_from(stored, desk.resolve)[0])
    assert list(desk.rack.ids()) == desk.ids
    assert desk.amounts() == [1.5, 0.0, 0.0]
    assert desk.undo.depth == depth + 1
    desk.undo.undo()
    assert list(desk.rack.ids()) == [desk.ids[0], desk.ids[2]]


def test_lanes_are_drawn_moved_and_deleted_each_as_one_step() -> None:
    desk = Desk()
    lanes, id = desk.lanes, desk.ids[0]
    depth = desk.undo.depth
    lanes.begin_gesture()
    lanes.draw(id, [(t / 50, t / 100) for t in range(101)])
    lanes.end_gesture()
    assert lanes.points(id) == ((0.0, 0.0), (2.0, 1.0))
    lanes.put(id, 1.0, -1.0)
    assert lanes.amount(id, 1.5) == pytest.approx(0.0)
    lanes.move(id, 1, 5.0, 0.25)
    assert lanes.points(id)[1] == (2.0, 0.25)  # between its neighbours
    lanes.delete(id, 1)
    assert desk.undo.depth == depth + 4
    for _ in range(4):
        desk.undo.undo()
    assert lanes.ids() == ()


def test_bar_five_to_nine_is_steered_with_short_flanks() -> None:
    desk, grid = Desk(), Grid(120.0, 0.5, 4)
    start, end = grid.span(5, 9)
    assert (start, end) == (8.5, 18.5)
    desk.lanes.between(desk.ids[0], start, end, 1.5)
    amount = desk.lanes.amount
    assert [amount(desk.ids[0], t) for t in (0.0, 8.5, 12.0, 18.5, 30.0)] == [0.0, 1.5, 1.5, 1.5, 0.0]


def test_recorded_moves_become_a_lane_and_no_undo_step() -> None:
    desk = Desk()
    id, depth = desk.ids[0], desk.undo.depth
    for i in range(50):
        desk.lanes.record(id, 1.0 + i / 50, i / 50)
    assert desk.lanes.recorded() == (id,)
    assert len(desk.lanes.points(id)) <= 4
    assert desk.lanes.amount(id, 1.5) == pytest.approx(0.5, abs=0.03)
    assert desk.undo.depth == depth


def test_lanes_in_frames_have_one_point_a_frame() -> None:
    desk = Desk()
    desk.lanes.restore({"3/1": [(0.0, 0.0), (0.101, 1.0), (0.102, 2.0)]})
    assert desk.lanes.frames(50) == {"3/1": [(0, 0.0), (5, 2.0)]}


def test_thinning_keeps_the_line_within_the_tolerance() -> None:
    rng = np.random.default_rng(0)
    line = [(i / 100, float(a)) for i, a in enumerate(np.cumsum(rng.normal(0, 0.05, 400)))]
    few = thinned(line, 0.05)
    assert len(few) < len(line) / 2
    assert max(abs(amount_at(few, t) - a) for t, a in line) <= 0.05 + 1e-9


def test_the_grid_snaps_to_beats_and_thins_its_lines() -> None:
    grid = Grid(120.0, 0.25, 4)
    assert grid.snap(0.78) == 0.75
    assert grid.snap(1.0) == 1.0
    assert [bar for _, bar in grid.lines(0, 9)] == [1, 2, 3, 4, 5]
    assert len(list(grid.lines(0, 4000, most=32))) <= 33
    assert list(Grid().lines(0, 9)) == []


def test_near_collinear_strips_are_announced() -> None:
    desk = Desk()
    heard: list[Any] = []
    desk.rack.strip_changed.connect(heard.append)
    desk.rack.set_alike({desk.ids[0]: [desk.ids[1]], desk.ids[2]: []})
    assert desk.rack.alike == {desk.ids[0]: (desk.ids[1],)}
    count = len(heard)
    desk.rack.set_alike({desk.ids[0]: [desk.ids[1]]})
    assert len(heard) == count > 0


def test_the_rack_holds_no_more_than_the_engine_has_slots() -> None:
    rack = Rack(UndoStack())
    added: list[Any] = [rack.add(row) for row in make_rows(70)]
    assert sum(added) == 64
