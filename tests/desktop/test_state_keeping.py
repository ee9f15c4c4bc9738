"""What stays after a restart or a crash: settings, takes, spools, votes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from drawbar.live.takes.take import Take, TakeSettings, load_settings
from drawbar_desktop.state import History, Settings, TakeStore, Votes
from drawbar_desktop.state.recording import Recorder, leftovers, recovered_take
from drawbar_desktop.state.takes import thumbnail
from tests.desktop.fakes import FakeTrace

RATE = 32_000
SETTINGS = TakeSettings("slow piano", 7, 8.0, amounts={"3/1": 0.5}, twin=True)


def make_take(seconds: float = 0.5, seed: int = 7) -> Take:
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    audio, twin = (rng.uniform(-0.5, 0.5, n).astype(np.float32) for _ in range(2))
    tokens = rng.integers(0, 1024, (4, int(seconds * 50))).astype(np.uint16)
    return Take(audio, RATE, tokens, TakeSettings("slow piano", seed, seconds), twin_audio=twin, site="ab")


def test_settings_survive_a_restart_and_bad_values_become_defaults(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    settings = Settings(path)
    settings.set("theme", "light")
    settings.set("scale_percent", 333)
    settings.remember("prompts", "one", 2)
    settings.remember("prompts", "two", 2)
    settings.remember("prompts", "one", 2)
    assert settings.save()
    assert not settings.save()
    again = Settings(path)
    assert (again["theme"], again["scale_percent"], again["prompts"]) == ("light", 100, ["one", "two"])
    with pytest.raises(KeyError):
        settings.set("no such thing", 1)


def test_damaged_settings_are_set_aside_and_the_window_starts(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"theme": "li')
    assert Settings(path)["theme"] == "dark"
    assert path.with_suffix(".json.damaged").exists()


def test_a_take_comes_back_exactly_with_star_and_notes(tmp_path: Path) -> None:
    store, take = TakeStore(tmp_path), make_take()
    heat = np.random.default_rng(0).uniform(0, 1.2, (2, 25)).astype(np.float32)
    item = store.add(take, heat=(("3/1", "3/2"), heat))
    item = store.mark(item, starred=True, notes="the good one")
    (found,) = TakeStore(tmp_path).all()
    assert found == item
    assert (found.starred, found.notes, found.settings) == (True, "the good one", take.settings)
    np.testing.assert_allclose(store.audio(found), take.audio, atol=2**-22)
    assert take.twin_audio is not None
    np.testing.assert_allclose(store.audio(found, twin=True), take.twin_audio, atol=2**-22)
    ids, stored = store.heat(found)
    assert ids == ("3/1", "3/2")
    np.testing.assert_allclose(stored, heat, atol=0.006)
    assert load_settings(found.path) == take.settings
    assert len(found.thumb) == 72


def test_two_takes_in_one_second_are_two_takes(tmp_path: Path) -> None:
    store = TakeStore(tmp_path, clock=lambda: 1_000_000.0)
    ids = {store.add(make_take(seed=i)).id for i in range(3)}
    assert len(ids) == 3
    assert len(store.all()) == 3


def test_a_take_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    bad = make_take()
    bad.audio[0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        TakeStore(tmp_path).add(bad)
    assert list(tmp_path.iterdir()) == []


def test_deleting_can_be_taken_back_until_the_bin_is_emptied(tmp_path: Path) -> None:
    store = TakeStore(tmp_path)
    item = store.add(make_take())
    bring_back = store.delete(item)
    assert store.all() == []
    bring_back()
    assert store.all() == [item]
    store.delete(item)
    store.empty_bin()
    assert list(tmp_path.iterdir()) == []


def test_the_history_filters_by_words_and_stars(tmp_path: Path) -> None:
    store = TakeStore(tmp_path)
    one, two = store.add(make_take(seed=1)), store.add(make_take(seed=2))
    history = History(store)
    history.reload()
    history.mark(two.id, notes="Loud Drums")
    history.text.set("drums piano")
    assert [i.id for i in history.shown()] == [two.id]
    history.text.set("")
    history.mark(one.id, starred=True)
    history.starred_only.set(True)
    assert [i.id for i in history.shown()] == [one.id]


def test_a_folder_that_is_no_take_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "about.json").write_text("{}")
    assert TakeStore(tmp_path).all() == []
    assert (tmp_path / "half").exists()


def test_thumbnails_of_short_sounds() -> None:
    assert thumbnail(np.zeros(0, np.float32)) == ()
    assert thumbnail(np.array([0.5, -0.5], np.float32)) == ((0.5, 0.5), (-0.5, -0.5))


def spool(folder: Path, seconds: float) -> Recorder:
    recorder, trace = Recorder(folder), FakeTrace()
    recorder.begin(SETTINGS, {"sample_rate_hz": RATE, "frame_rate_hz": 50.0, "bank": "b", "site": "s"})
    for second in range(1, int(seconds) + 1):
        trace.frame = second * 50
        recorder.feed(trace, {"3/1": 0.5 if second < 2 else 1.0})
    return recorder


def test_a_finished_take_leaves_no_spool(tmp_path: Path) -> None:
    recorder = spool(tmp_path, 2)
    assert recorder.recording
    assert leftovers(tmp_path) == []  # its program is alive
    recorder.end()
    assert list(tmp_path.iterdir()) == []


def test_what_was_heard_before_a_crash_is_recovered(tmp_path: Path) -> None:
    spool(tmp_path, 3).leave()
    (left,) = leftovers(tmp_path)
    assert (left.seconds, left.settings, left.bank) == (3.0, SETTINGS, "b")
    take = recovered_take(left)
    trace = FakeTrace()
    trace.frame = 150
    np.testing.assert_array_equal(take.audio, trace.steered())
    assert take.tokens.shape == (4, 150)
    assert take.automation["lanes"]["3/1"] == [[0, 0.5], [50, 0.5], [50, 1.0]]
    assert not take.complete
    item = TakeStore(tmp_path).add(take, recovered=True)
    assert item.recovered
    left.discard()
    assert leftovers(tmp_path) == []
    assert soundfile.info(item.path).duration == 3.0


CRASH = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.desktop.test_state_keeping import {what}
{what}(Path(sys.argv[1]))
"""


def generate_for_ever(folder: Path) -> None:
    recorder, trace = Recorder(folder), FakeTrace()
    recorder.begin(SETTINGS, {"sample_rate_hz": RATE, "frame_rate_hz": 50.0})
    while True:
        trace.frame += 25
        recorder.feed(trace, {"3/1": trace.frame / 1000})
        print("ready", flush=True)
        time.sleep(0.01)


def save_takes_for_ever(folder: Path) -> None:
    for i in range(10_000):
        TakeStore(folder).add(make_take(2.0, seed=i))
        print("ready", flush=True)


def write_settings_for_ever(folder: Path) -> None:
    settings = Settings(folder / "settings.json")
    for i in range(1_000_000):
        settings.set("prompts", [f"prompt {i}"] * 30)
        settings.save()
        print("ready", flush=True)


def kill_while(what: str, folder: Path, lines: int) -> None:
    root = str(Path(__file__).parents[2])
    code = CRASH.format(root=root, what=what)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, env=environment
    )
    assert child.stdout is not None
    for _ in range(lines):
        assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_kill_9_while_generating_loses_nothing_that_was_spooled(tmp_path: Path) -> None:
    kill_while("generate_for_ever", tmp_path, 5)
    (left,) = leftovers(tmp_path)
    assert left.seconds >= 2.0
    assert len(recovered_take(left).audio) == left.samples


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_kill_9_while_saving_takes_leaves_only_whole_ones(tmp_path: Path) -> None:
    kill_while("save_takes_for_ever", tmp_path, 3)
    items = TakeStore(tmp_path).all()
    assert len(items) >= 3
    visible = [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
    assert len(items) == len(visible)
    for item in items:
        assert soundfile.info(item.path).duration == 2.0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_kill_9_while_writing_settings_keeps_the_old_or_the_new_ones(tmp_path: Path) -> None:
    kill_while("write_settings_for_ever", tmp_path, 20)
    settings = Settings(tmp_path / "settings.json")
    assert len(set(settings["prompts"])) == 1
    assert int(settings["prompts"][0].split()[1]) >= 19
    assert not list(tmp_path.glob("*.damaged"))


def test_votes_are_kept_and_can_be_taken_back(tmp_path: Path) -> None:
    votes = Votes(tmp_path / "votes.json")
    votes.vote("3/1", "truth", "drums", 1)
    assert Votes(tmp_path / "votes.json").of("3/1", "truth", "drums") == 1
    votes.vote("3/1", "truth", "drums", -1)
    assert votes.of("3/1", "truth", "drums") == -1
    votes.vote("3/1", "truth", "drums", -1)
    assert Votes(tmp_path / "votes.json").of("3/1", "truth", "drums") == 0
