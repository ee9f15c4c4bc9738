"""State without Qt: what gestures do to it and who hears of it."""

import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from drawbar.bank.records import Page
from drawbar.bank.search import Query
from drawbar_desktop.state import Library, Rack, Timeline, Transport, UndoStack, Value
from drawbar_desktop.state.taper import detent, to_amount, to_position
from drawbar_desktop.state.transport import format_time
from drawbar_desktop.state.undo import Step
from tests.desktop.fakes import FakeBank, FakeSnapshot, FakeTrace, make_rows


def make_rack(count: int = 3) -> tuple[Rack, UndoStack, list[str], list[float]]:
    """A rack with a hand-turned clock."""
    now = [0.0]
    undo = UndoStack(clock=lambda: now[0])
    rack = Rack(undo)
    rows = make_rows(count)
    for row in rows:
        rack.add(row)
        now[0] += 1
    return rack, undo, [row.id for row in rows], now


def test_state_loads_without_qt_and_torch() -> None:
    code = (
        "import sys, drawbar_desktop.state as s\n"
        "bad = [m for m in ('PySide6', 'torch', 'pyqtgraph', 'qtawesome') if m in sys.modules]\n"
        "sys.exit(' '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_equal_values_are_not_announced() -> None:
    heard: list[int] = []
    value = Value(1)
    disconnect = value.changed.connect(heard.append)
    assert not value.set(1)
    assert value.set(2)
    disconnect()
    value.set(3)
    assert heard == [2]


def test_a_drag_is_one_undo_step_whatever_its_length() -> None:
    rack, undo, ids, _ = make_rack()
    before = undo.depth
    rack.begin_gesture(ids[0])
    for i in range(50):
        rack.set_amount(ids[0], i / 40)
    rack.end_gesture(ids[0])
    assert undo.depth == before + 1
    undo.undo()
    assert rack.strip(ids[0]).amount == 0.0
    undo.redo()
    assert rack.strip(ids[0]).amount == pytest.approx(49 / 40)


def test_a_drag_that_ends_where_it_began_is_no_step() -> None:
    rack, undo, ids, _ = make_rack()
    before = undo.depth
    rack.begin_gesture(ids[0])
    rack.set_amount(ids[0], 1.0)
    rack.set_amount(ids[0], 0.0)
    rack.end_gesture(ids[0])
    assert undo.depth == before


def test_wheel_notches_within_80_ms_are_one_step_and_later_ones_another() -> None:
    rack, undo, ids, now = make_rack()
    before = undo.depth
    for _ in range(5):
        rack.set_amount(ids[0], rack.strip(ids[0]).amount + 0.05)
        now[0] += 0.05
    now[0] += 0.2
    rack.set_amount(ids[0], 1.0)
    assert undo.depth == before + 2
    undo.undo()
    assert rack.strip(ids[0]).amount == pytest.approx(0.25)
    undo.undo()
    assert rack.strip(ids[0]).amount == 0.0


def test_a_new_gesture_drops_what_could_be_redone() -> None:
    undo, log = UndoStack(), []
    undo.push(Step("a", lambda: log.append("undo a"), lambda: log.append("redo a")))
    undo.undo()
    undo.push(Step("b", lambda: log.append("undo b"), lambda: log.append("redo b")))
    assert undo.redo() is None
    assert log == ["undo a"]


def test_mute_and_solo_decide_what_the_engine_applies() -> None:
    rack, _, ids, _ = make_rack()
    sent: list[tuple[str, float]] = []
    for id in ids:
        rack.set_amount(id, 1.0)
    rack.effective_changed.connect(lambda id, amount: sent.append((id, amount)))
    rack.set_soloed(ids[1], True)
    assert rack.effective() == {ids[0]: 0.0, ids[1]: 1.0, ids[2]: 0.0}
    rack.set_muted(ids[1], True)
    assert rack.effective()[ids[1]] == 0.0
    rack.set_soloed(ids[1], False)
    assert rack.effective() == {ids[0]: 1.0, ids[1]: 0.0, ids[2]: 1.0}
    assert sent == [
        (ids[0], 0.0), (ids[2], 0.0), (ids[1], 0.0), (ids[0], 1.0), (ids[2], 1.0),
    ]  # fmt: skip
    assert rack.strip(ids[1]).amount == 1.0


def test_undo_brings_a_removed_strip_back_where_it_was() -> None:
    rack, undo, ids, _ = make_rack()
    rack.set_amount(ids[1], 0.7)
    rack.remove(ids[1])
    assert list(rack.ids()) == [ids[0], ids[2]]
    undo.undo()
    assert list(rack.ids()) == ids
    assert rack.strip(ids[1]).amount == 0.7


def test_a_feature_is_in_the_rack_once() -> None:
    rack, _, ids, _ = make_rack()
    assert not rack.add(rack.strip(ids[0]).feature)
    assert len(rack) == 3


def test_amounts_stay_within_the_slider() -> None:
    rack, _, ids, _ = make_rack()
    rack.set_amount(ids[0], 9.0)
    assert rack.strip(ids[0]).amount == 4.0


@pytest.mark.parametrize("amount", [-4.0, -2.0, -0.5, 0.0, 0.05, 1.25, 2.0, 3.3])
def test_position_and_amount_agree(amount: float) -> None:
    assert to_amount(to_position(amount)) == pytest.approx(amount, abs=1e-3)


def test_the_notch_holds_near_zero_only() -> None:
    assert detent(0.03) == 0.0
    assert detent(-0.5) == -0.5


def test_an_unlocked_seed_is_new_for_every_take_but_a_chosen_one_is_kept() -> None:
    transport = Transport(rng=random.Random(1))
    transport.set_seed(7)
    assert transport.take_seed() == 7
    second = transport.take_seed()
    assert second != 7
    assert transport.seed.value == second
    transport.seed_locked.set(True)
    assert transport.take_seed() == second


def test_unknown_words_follow_the_prompt() -> None:
    transport = Transport()
    transport.set_vocabulary(lambda text: [w for w in text.split() if w == "kazoo"])
    transport.prompt.set("slow kazoo")
    assert transport.unknown.value == ("kazoo",)
    transport.prompt.set("slow")
    assert not transport.unknown.value


def test_the_clock_reads_minutes_seconds_and_tenths() -> None:
    assert format_time(67.35) == "1:07.3"


def test_the_list_is_fetched_by_the_page_and_only_when_looked_at() -> None:
    bank, library = FakeBank(400), Library()
    library.open(bank)
    assert library.count == 400
    assert bank.searches == 0
    first, last = library.row(0), library.row(399)
    assert first is not None
    assert last is not None
    assert library.row(1) is not None
    assert bank.searches == 2
    assert library.row(400) is None


def test_searching_and_shelves_narrow_the_list() -> None:
    library = Library()
    library.open(FakeBank())
    library.text.set("drum")
    rows = [library.row(i) for i in range(library.count)]
    assert [row.label for row in rows if row] == ["drums", "drums: rock"]
    library.shelf.set("proven")
    assert library.count == 1
    library.text.set("nothing like it")
    assert library.count == 0
    assert library.nearest()


def test_doubles_are_offered_as_one_but_on_shelves_that_somebody_filled() -> None:
    asked: list[bool] = []

    class Asked(FakeBank):
        def find(self, query: Query, *, limit: int = 100, offset: int = 0) -> Page:
            asked.append(query.fold)
            return super().find(query, limit=limit, offset=offset)

    library = Library()
    library.open(Asked())
    for shelf in ("proven", "starred", "all"):
        library.shelf.set(shelf)
    library.doubles.set(True)
    assert library.active_filters() == 1
    library.clear_filters()
    assert asked[-5:] == [True, False, True, False, True]


def test_the_best_features_have_different_labels() -> None:
    bank = FakeBank()
    bank.rows[1] = replace(bank.rows[1], label=bank.rows[0].label)
    library = Library()
    library.open(bank)
    best = library.best(4)
    proven = ["drums", "chords: piano", "pattern: arpeggio"]
    assert [row.label for row in best] == [*proven, "lead: flute"], "proven ones first"


def test_the_timeline_scales_rows_and_tells_heard_from_generated() -> None:
    timeline, trace = Timeline(), FakeTrace()
    trace.ids, trace.frame = ("a", "b"), 150
    timeline.start(8.0)
    timeline.set_scales({"a": 2.0})
    timeline.update(FakeSnapshot("playing", frame=150, played_s=1.0), trace)
    raw = trace.activations(0)[1]
    np.testing.assert_allclose(timeline.heat[0], raw[0] / 2)
    np.testing.assert_allclose(timeline.heat[1], raw[1])
    assert (timeline.generated_s, timeline.played_s, timeline.span_s) == (3.0, 1.0, 8.0)
    assert timeline.now()["a"] == pytest.approx(raw[0, 50] / 2)
    assert timeline.level_db > -60


def test_rows_stand_in_the_order_that_was_asked_for() -> None:
    timeline, trace = Timeline(), FakeTrace()
    trace.ids, trace.frame = ("a", "b", "c"), 50
    timeline.set_scales({"c": 1.0, "a": 1.0})
    timeline.update(FakeSnapshot("playing", frame=50), trace)
    assert timeline.ids == ("c", "a", "b")
    np.testing.assert_allclose(timeline.heat, trace.activations()[1][[2, 0, 1]])


def test_a_poll_with_nothing_new_redraws_nothing() -> None:
    timeline, trace = Timeline(), FakeTrace()
    trace.ids, trace.frame = ("a",), 50
    snapshot, heard = FakeSnapshot("playing", frame=50, played_s=0.5), []
    timeline.update(snapshot, trace)
    timeline.changed.connect(lambda: heard.append("changed"))
    timeline.moved.connect(lambda: heard.append("moved"))
    timeline.update(snapshot, trace)
    assert heard == []


def test_an_endless_take_has_room_to_grow() -> None:
    timeline, trace = Timeline(), FakeTrace()
    timeline.start(None)
    trace.frame = 29 * 50
    timeline.update(FakeSnapshot("playing", frame=29 * 50), trace)
    assert timeline.span_s == 45.0
