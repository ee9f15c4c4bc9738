"""Tracks and events -> files and back; what is damaged is refused by its line."""

from pathlib import Path

import pytest

from drawbar.errors import BadInputError
from drawbar.research.horizon.events import (
    Event,
    PieceSettings,
    Track,
    Window,
    load_events,
    load_tracks,
    save_events,
    save_tracks,
    split_of,
)

MOTIF, RETURN = Window(4.0, 8.0), Window(20.0, 24.0)


def _track(name: str) -> Track:
    return Track(
        name, split_of(name), 45.0, "CC0-1.0", "composed", "0" * 64, piece=PieceSettings(3, 45.0, "exact")
    )


def test_tracks_and_events_come_back_as_they_were(tmp_path: Path) -> None:
    tracks = (_track("a"), Track("b", "test", 3.0, "CC-BY-4.0", "folder", "1" * 64, path="x/b.wav"))
    events = (Event("a", MOTIF, RETURN, "exact", True), Event("b", MOTIF, RETURN, "none", False))
    save_tracks(tmp_path / "t", tracks)
    save_events(tmp_path / "e", events)
    assert load_tracks(tmp_path / "t") == tracks
    assert load_events(tmp_path / "e", verified_only=False) == events


def test_only_verified_events_are_loaded_unless_asked(tmp_path: Path) -> None:
    save_events(tmp_path / "e", [Event("a", MOTIF, RETURN, "exact", flag) for flag in (True, False)])
    assert [e.verified for e in load_events(tmp_path / "e")] == [True]


def test_seventy_fifteen_fifteen_of_a_hundred_tracks_by_name_alone() -> None:
    splits = [split_of(f"track-{n}") for n in range(4000)]
    shares = [splits.count(name) / 4000 for name in ("train", "valid", "test")]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.02)
    assert splits == [split_of(f"track-{n}") for n in range(4000)]


@pytest.mark.parametrize(
    "text", ["{", '{"track":"a"}', "[]", '{"track":"a","motif":{"start_s":3,"end_s":1}}', "3"]
)
def test_a_damaged_row_is_refused_by_its_line(tmp_path: Path, text: str) -> None:
    save_events(tmp_path / "e", [Event("a", MOTIF, RETURN, "exact", True)])
    with (tmp_path / "e").open("a") as file:
        file.write(text + "\n")
    with pytest.raises(BadInputError, match="line 2"):
        load_events(tmp_path / "e")


def test_two_tracks_of_one_name_are_refused(tmp_path: Path) -> None:
    save_tracks(tmp_path / "t", [_track("a"), _track("a")])
    with pytest.raises(BadInputError, match="two tracks are called 'a'"):
        load_tracks(tmp_path / "t")


def test_windows_that_overlap_by_half_say_so() -> None:
    assert Window(0, 3).overlap(Window(1, 4)) == pytest.approx(0.5)
    assert Window(0, 1).overlap(Window(2, 3)) == 0.0
