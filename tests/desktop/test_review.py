"""The review window -> keys decide, notes are kept, clips are shown aligned, and the end says so."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from drawbar.research.horizon.annotations import Annotation, annotation_id
from drawbar.research.horizon.events import Window
from drawbar.research.horizon.review import Review, read_decisions, write_queue
from drawbar.research.horizon.review_clips import clip_path, read_clips
from drawbar_desktop.review.state import Floats, ReviewDesk
from drawbar_desktop.review.view import ReviewWindow
from drawbar_desktop.state.note_image import ROWS, note_image, octave_ticks

RATE = 32_000


class FakeSound:
    """Remembers what it was told to play."""

    def __init__(self) -> None:
        self.sound: Floats | None = None
        self.played_s = 0.0

    @property
    def playing(self) -> bool:
        return self.sound is not None

    def play(self, audio: Floats) -> None:
        self.sound, self.played_s = audio, 0.0

    def stop(self) -> None:
        self.sound = None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = []
    for n in range(3):
        motif, again = Window(n + 1.0, n + 2.0), Window(n + 20.0, n + 21.0)
        rows.append(Annotation(annotation_id("t", motif, again), "t", "CC0-1.0", motif, again, "exact"))
    write_queue(tmp_path, rows)
    (tmp_path / "clips").mkdir()
    t = np.arange(2 * RATE) / RATE
    for row in rows:
        for which, hz in (("motif", 440), ("recurrence", 660)):
            soundfile.write(clip_path(tmp_path, row, which), 0.3 * np.sin(2 * np.pi * hz * t), RATE)
    return tmp_path


@pytest.fixture
def sound() -> FakeSound:
    return FakeSound()


@pytest.fixture
def desk(folder: Path, sound: FakeSound) -> ReviewDesk:
    return ReviewDesk(Review(folder, "ann"), lambda row: read_clips(folder, row), sound, RATE)


@pytest.fixture
def window(qapp: QApplication, desk: ReviewDesk) -> Iterator[ReviewWindow]:
    shown = ReviewWindow(desk)
    shown.show()
    shown.activateWindow()
    qapp.processEvents()
    yield shown
    shown.close()


def test_each_key_decides_and_the_next_pair_is_shown(window: ReviewWindow, folder: Path) -> None:
    assert window.place.text() == "1 of 3"
    QTest.keyClick(window, Qt.Key.Key_T)
    assert window.place.text() == "2 of 3"
    QTest.keyClick(window, Qt.Key.Key_N)
    QTest.keyClick(window, Qt.Key.Key_A)
    said = [(row.status, row.event_type) for row in read_decisions(folder, "ann").values()]
    assert said == [("verified", "transposed"), ("verified", "none"), ("ambiguous", "exact")]
    assert window.done.isVisible()
    assert not window.buttons["y"].isEnabled()


def test_undo_brings_the_last_pair_back(window: ReviewWindow, folder: Path) -> None:
    QTest.keyClick(window, Qt.Key.Key_Y)
    QTest.keyClick(window, Qt.Key.Key_U)
    assert window.place.text() == "1 of 3"
    assert read_decisions(folder, "ann") == {}
    QTest.keyClick(window, Qt.Key.Key_U)
    assert window.said.text() == "Nothing to take back yet"


def test_letters_typed_into_the_note_decide_nothing_and_the_note_is_kept(
    window: ReviewWindow, folder: Path, qapp: QApplication
) -> None:
    QTest.keyClick(window, Qt.Key.Key_O)
    qapp.processEvents()
    QTest.keyClicks(window.note, "any")
    assert read_decisions(folder, "ann") == {}
    QTest.keyClick(window.note, Qt.Key.Key_Return)
    QTest.keyClick(window, Qt.Key.Key_Y)
    assert [row.notes for row in read_decisions(folder, "ann").values()] == ["any"]
    assert window.note.text() == ""


def test_space_plays_both_in_turn_and_the_playhead_follows_from_clip_to_clip(
    window: ReviewWindow, desk: ReviewDesk, sound: FakeSound
) -> None:
    QTest.keyClick(window, Qt.Key.Key_Space)
    assert sound.sound is not None
    assert len(sound.sound) == round(4.4 * RATE)
    sound.played_s = 1.0
    assert desk.heads() == (1.0, None)
    sound.played_s = 3.4
    assert desk.heads()[0] is None
    assert desk.heads()[1] == pytest.approx(1.0)
    QTest.keyClick(window, Qt.Key.Key_2)
    sound.played_s = 0.5
    assert desk.heads() == (None, 0.5)
    QTest.keyClick(window, Qt.Key.Key_N)
    assert not sound.playing


def test_both_clips_stand_on_the_same_time_axis(window: ReviewWindow) -> None:
    spans = [clip.note_plot.getViewBox().viewRange()[0] for clip in window.clips]
    assert spans[0] == pytest.approx(spans[1])
    assert spans[0] == pytest.approx([0.0, 2.0])


def test_a_note_is_seen_at_its_pitch_whatever_its_level() -> None:
    t = np.arange(RATE) / RATE
    for hz, tick in ((261.63, "C4"), (523.25, "C5")):
        for level in (0.5, 0.001):
            image = note_image((level * np.sin(2 * np.pi * hz * t)).astype(np.float32), RATE)
            row = int(image[:, 25].argmax())
            assert abs(row + 0.5 - dict((name, at) for at, name in octave_ticks())[tick]) <= 1
    assert note_image(np.zeros(10, np.float32), RATE).shape == (ROWS, 1)


def test_buttons_do_what_the_keys_do(window: ReviewWindow, folder: Path) -> None:
    for key in ("v", "r"):
        QTest.mouseClick(window.buttons[key], Qt.MouseButton.LeftButton)
    QTest.mouseClick(window.back, Qt.MouseButton.LeftButton)
    assert [row.event_type for row in read_decisions(folder, "ann").values()] == ["varied"]


def test_without_a_device_or_a_clip_the_review_goes_on_and_says_so(folder: Path, qapp: QApplication) -> None:
    review = Review(folder, "bob")
    first = review.queue[0]
    clip_path(folder, first, "motif").unlink()
    desk = ReviewDesk(review, lambda row: read_clips(folder, row), None, RATE)
    window = ReviewWindow(desk)
    assert "drawbar review queue" in window.said.text()
    desk.play("both")
    assert "no sound device" in window.said.text()
    desk.press("r")
    assert desk.number == 2
    window.close()
