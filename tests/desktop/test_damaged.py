"""Damaged takes, spools and settings: the window opens, nothing is deleted, what can be used is used."""

import json
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbar.errors import DiskError
from drawbar_desktop.app import App
from drawbar_desktop.state import Settings, TakeStore, Votes
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.recording import leftovers, recovered_take
from tests.desktop.fakes import fake_load
from tests.desktop.test_state_keeping import make_take, spool

HUGE = int("9" * 400)
ODD: tuple[Any, ...] = (
    None, 5, -1, HUGE, 1.5, float("inf"), float("nan"), "x", "", [], [[0]], {}, {"lanes": {"2/5": [[0]]}},
    {"lanes": {"2/5": [[0, HUGE]]}}, {"lanes": [1]}, {"lanes": {"2/5": 5}}, True, [[[[]]]],
)  # fmt: skip
"""What a field may hold that should hold something else."""


def change(path: Path, name: str, value: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))


@pytest.mark.parametrize("file", ["take.json", "about.json"])
def test_no_value_in_a_take_s_files_stops_the_list_or_deletes_the_take(tmp_path: Path, file: str) -> None:
    store = TakeStore(tmp_path)
    item = store.add(make_take(0.1))
    names = json.loads((item.folder / file).read_text())
    for name in names:
        for number, value in enumerate(ODD):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            for part in item.folder.iterdir():
                (folder / part.name).write_bytes(part.read_bytes())
            change(folder / file, name, value)
    before = len(list(tmp_path.iterdir()))
    found = store.all()
    assert item in found
    kept = [p for p in tmp_path.iterdir() if p.name != "damaged"]
    aside = list((tmp_path / "damaged").iterdir())
    assert len(kept) + len(aside) == before
    assert len(store.damaged) == len(aside) > 0
    assert all((path / "take.wav").is_file() for path in aside)
    assert sorted(i.id for i in TakeStore(tmp_path).all()) == sorted(i.id for i in found)
    for taken in found:
        store.record(taken)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 200_000, b"\xff\xfe", b"null", b'{"settings": {"seed":"x"}}']
)
def test_a_take_whose_file_is_no_take_is_set_aside(tmp_path: Path, text: bytes) -> None:
    item = TakeStore(tmp_path).add(make_take(0.1))
    (item.folder / "take.json").write_bytes(text)
    store = TakeStore(tmp_path)
    assert store.all() == []
    assert [p.parent.name for p in store.damaged] == ["damaged"]
    again = TakeStore(tmp_path)
    assert (again.all(), again.damaged) == ([], []), "it is named once"


def test_the_window_opens_over_damaged_takes_and_spools_and_says_so(qapp: object, tmp_path: Path) -> None:
    item = TakeStore(tmp_path / "takes").add(make_take(0.1))
    change(item.folder / "take.json", "automation", {"lanes": {"2/5": [[0]]}})
    left = spool(tmp_path / "takes", 2).leave()
    assert left is not None
    change(left / "about.json", "settings", [])
    change(left / "about.json", "sample_rate_hz", float("inf"))
    change(left / "about.json", "pid", 2**63)
    told: list[str] = []
    app = App(fake_load(), Desk(tmp_path))
    app.desk.notices.told.connect(told.append)
    app.start()
    app.stop_timers()
    assert "1 damaged take is not shown" in told[0]
    assert "can be recovered" in app.window.banner.words
    app.window.close()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no about": lambda f: (f / "about.json").unlink(),
    "empty about": lambda f: (f / "about.json").write_bytes(b""),
    "half an about": lambda f: (f / "about.json").write_bytes((f / "about.json").read_bytes()[:30]),
    "about is a list": lambda f: (f / "about.json").write_text("[]"),
    "empty tokens": lambda f: (f / "tokens.npy").write_bytes(b""),
    "cut tokens": lambda f: (f / "tokens.npy").write_bytes((f / "tokens.npy").read_bytes()[:-7]),
    "no moves": lambda f: (f / "moves.jsonl").unlink(),
    "amounts is a list": lambda f: (f / "moves.jsonl").write_text('{"sample": 1, "amounts": []}\n'),
    "huge sample": lambda f: (f / "moves.jsonl").write_text(f'{{"sample": {HUGE}, "amounts": {{"3/1": 1}}}}\n'),
    "binary moves": lambda f: (f / "moves.jsonl").write_bytes(b"\xff\x00" * 99),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole_spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = spool(tmp_path_factory.mktemp("spool"), 1).leave()
    assert folder is not None
    return folder


@pytest.mark.parametrize("name", ["settings", "sample_rate_hz", "frame_rate_hz", "begun_s", "bank", "site"])
def test_no_value_in_a_spool_costs_its_sound(whole_spool: Path, tmp_path: Path, name: str) -> None:
    for number, value in enumerate((*ODD, 0)):
        folder = shutil.copytree(whole_spool, tmp_path / f".recording-{number}")
        change(folder / "about.json", name, value)
    found = leftovers(tmp_path)
    assert len(found) == len(ODD) + 1
    for left in found:
        audio = recovered_take(left).audio
        assert len(audio) == 32_000
        assert np.isfinite(audio).all()


@pytest.mark.parametrize("kind", DAMAGE)
def test_the_sound_of_a_damaged_spool_is_recovered(whole_spool: Path, tmp_path: Path, kind: str) -> None:
    folder = shutil.copytree(whole_spool, tmp_path / whole_spool.name)
    DAMAGE[kind](folder)
    (left,) = leftovers(tmp_path)
    take = recovered_take(left)
    assert len(take.audio) == 32_000
    assert np.isfinite(take.audio).all()
    assert TakeStore(tmp_path / "takes").add(take, recovered=True).recovered


def test_any_damaged_byte_of_the_tokens_costs_the_tokens_at_most(whole_spool: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole_spool, tmp_path / whole_spool.name)
    whole = (folder / "tokens.npy").read_bytes()
    rng = np.random.default_rng(0)
    for at in (*range(128), *range(0, 128, 3)):
        damaged = bytearray(whole)
        damaged[at] = int(rng.integers(256))
        (folder / "tokens.npy").write_bytes(damaged)
        (left,) = leftovers(tmp_path)
        assert len(recovered_take(left).audio) == 32_000


def test_emptying_the_bin_touches_nothing_that_is_not_ours(tmp_path: Path) -> None:
    store = TakeStore(tmp_path)
    other = TakeStore(tmp_path)
    mine, theirs = store.add(make_take(0.1, 1)), other.add(make_take(0.1, 2))
    foreign = [tmp_path / name for name in (".git", ".stfolder", ".deleted-scenes", ".20260101-000000.tmp")]
    for path in foreign:
        path.mkdir()
        (path / "file").write_text("x")
    bring_back = other.delete(theirs)
    store.delete(mine)
    store.empty_bin()
    assert all((path / "file").read_text() == "x" for path in foreign)
    bring_back()
    assert store.all() == [theirs], "another window's undo still works"


def save_some(folder: Path, count: int, seed: int) -> None:
    store = TakeStore(folder, clock=lambda: 1_000_000.0)
    for n in range(count):
        store.add(make_take(0.1, seed + n))


@pytest.mark.parametrize("how", ["threads", "processes"])
def test_takes_that_end_in_the_same_second_are_all_kept(tmp_path: Path, how: str) -> None:
    count = 4
    arguments = [(tmp_path, count, 100 * n) for n in range(4)]
    if how == "threads":
        workers: list[Any] = [threading.Thread(target=save_some, args=a) for a in arguments]
    else:
        spawn = multiprocessing.get_context("spawn")
        workers = [spawn.Process(target=save_some, args=a) for a in arguments[:2]]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    items = TakeStore(tmp_path).all()
    assert len(items) == count * len(workers)
    assert len({item.settings.seed for item in items}) == len(items)
    assert len(list(tmp_path.iterdir())) == len(items), "nothing unfinished stays"


def test_settings_that_could_not_be_written_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path / "settings.json")
    settings.set("theme", "light")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write = settings.pending()
    assert write is not None
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(DiskError, match="the disk is full"):
            write()
    assert settings.save()
    assert Settings(tmp_path / "settings.json")["theme"] == "light"
    assert not settings.save()


def test_two_windows_keep_each_other_s_settings_and_votes(tmp_path: Path) -> None:
    one, two = Settings(tmp_path / "settings.json"), Settings(tmp_path / "settings.json")
    one.set("theme", "light")
    two.set("author", "Ada")
    assert one.save()
    assert two.save()
    again = Settings(tmp_path / "settings.json")
    assert (again["theme"], again["author"]) == ("light", "Ada")
    mine, yours = Votes(tmp_path / "votes.json"), Votes(tmp_path / "votes.json")
    mine.vote("3/1", "truth", "drums", 1)
    yours.vote("3/2", "truth", "bass", -1)
    both = Votes(tmp_path / "votes.json")
    assert (both.of("3/1", "truth", "drums"), both.of("3/2", "truth", "bass")) == (1, -1)


def test_a_second_damaged_file_does_not_replace_the_first_that_was_set_aside(tmp_path: Path) -> None:
    for text in ("{one", "{two"):
        (tmp_path / "settings.json").write_text(text)
        Settings(tmp_path / "settings.json")
    kept = sorted(path.read_text() for path in tmp_path.glob("settings.json.damaged*"))
    assert kept == ["{one", "{two"]


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 10**29, -1, 128, "7", None, [1], True])
def test_a_midi_map_and_a_macro_with_odd_numbers_are_left_out(tmp_path: Path, number: object) -> None:
    """An infinite one once kept the window from opening."""
    import json

    from drawbar_desktop.state.desk import Desk
    from drawbar_desktop.state.presets import macros_from

    good = {"target": "play", "channel": 0, "number": 1, "kind": "absolute", "port": ""}
    (tmp_path / "settings.json").write_text(
        json.dumps({"midi": [{**good, "number": number}, {**good, "target": "strip:x"}, good]})
    )
    assert Desk(tmp_path).midi.to_values() == [good]
    macro = {"name": "m", "value": 0.5, "members": {"3/1": [0, 1]}}
    odd = [{**macro, "members": {"3/1": [0, number if number != 1 else None]}}, {**macro, "value": number}]
    found = macros_from([*odd, macro])
    assert found[-1].members == {"3/1": (0.0, 1.0)}
    assert all(abs(end) <= 100 for one in found for ends in one.members.values() for end in ends)
