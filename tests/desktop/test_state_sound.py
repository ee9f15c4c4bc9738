"""Timeline, spectrum, loudness, ranking, MIDI and trouble, without a window."""

from typing import Any

import numpy as np
import pytest

from drawbar.audio_analysis.loudness import SILENT_LUFS, loudness_lufs, matching_gains_db
from drawbar_desktop.state import MidiMap, Timeline
from drawbar_desktop.state.beat_grid import track_tempo
from drawbar_desktop.state.growing_array import Peaks
from drawbar_desktop.state.hearing import rank
from drawbar_desktop.state.library import hits
from drawbar_desktop.state.midi import Move
from drawbar_desktop.state.spectrum import FLOOR_DB, MelImage, note_name, note_ticks
from drawbar_desktop.state.transport import Trouble
from tests.desktop.fakes import FakeSnapshot, FakeTrace, make_rows

RATE = 32_000


class CountingTrace(FakeTrace):
    """Notes how much was fetched."""

    fetched = 0
    columns = 0

    def audio(self, since_sample: int = 0) -> Any:
        found = super().audio(since_sample)
        self.fetched += len(found)
        return found

    def activations(self, since_frame: int = 0) -> Any:
        ids, values = super().activations(since_frame)
        self.columns += values.shape[1]
        return ids, values


def test_a_long_take_is_fetched_once_not_once_a_poll() -> None:
    timeline, trace = Timeline(), CountingTrace()
    trace.ids = ("a", "b")
    timeline.start(None)
    for frame in range(25, 1500, 25):
        trace.frame = frame
        timeline.update(FakeSnapshot("playing", frame=frame, played_s=(frame - 10) / 50), trace)
    assert trace.fetched == trace.samples
    assert trace.columns < 3 * trace.frame
    np.testing.assert_allclose(timeline.heat, FakeTrace.activations(trace)[1], rtol=1e-5)
    assert timeline.mel.columns == trace.frame


def test_frames_that_were_decided_again_are_shown_as_they_are_now() -> None:
    class Ahead(FakeTrace):
        samples = 55 * 640  # handed to the output; frames behind it may be made again

        def audio(self, since_sample: int = 0) -> Any:
            return super().audio(since_sample)[: max(0, self.samples - since_sample)]

    timeline, trace = Timeline(), Ahead()
    trace.ids, trace.frame = ("a",), 100
    timeline.start(8.0)
    timeline.update(FakeSnapshot("playing", frame=100, played_s=1.0), trace)
    assert timeline.heat.shape[1] == 100
    trace.frame = 60  # a slider moved: everything after 1.2 s is made again
    timeline.update(FakeSnapshot("playing", frame=60, played_s=1.1), trace)
    assert timeline.heat.shape[1] == 60


def test_zooming_keeps_the_place_under_the_pointer_and_scrolling_stops_following() -> None:
    timeline = Timeline()
    timeline.start(60.0)
    timeline.zoom(0.5, 15.0)
    assert timeline.in_view() == (7.5, 37.5)
    timeline.scroll(5.0)
    assert timeline.in_view() == (12.5, 42.5)
    assert not timeline.follow.value
    timeline.scroll(1000.0)
    assert timeline.in_view() == (30.0, 60.0)
    timeline.zoom(100.0, 40.0)
    assert timeline.view.value is None


def test_a_zoomed_view_follows_the_playhead() -> None:
    timeline, trace = Timeline(), FakeTrace()
    timeline.start(40.0)
    timeline.look(0.0, 4.0)
    trace.frame = 600
    timeline.update(FakeSnapshot("playing", frame=600, played_s=10.0), trace)
    left, right = timeline.in_view()
    assert left <= 10.0 <= right
    assert right - left == pytest.approx(4.0)


def test_peaks_of_any_stretch_hold_its_extremes() -> None:
    rng, peaks = np.random.default_rng(0), Peaks()
    audio = rng.uniform(-1, 1, 100_000).astype(np.float32)
    for part in np.array_split(audio, 37):
        peaks.push(part)
    pairs, first, last = peaks.between(20_000, 60_000, 200)
    assert len(pairs) <= 200
    assert first <= 20_000
    assert last >= 60_000
    assert pairs[:, 1].max() == audio[first:last].max()
    assert peaks.between(0, 0, 10)[0].shape == (0, 2)


def test_a_tone_lights_the_band_of_its_note() -> None:
    mel, t = MelImage(RATE), np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    for part in np.array_split(tone, 9):  # pieces give the same picture as the whole
        mel.push(part)
    whole = MelImage(RATE)
    whole.push(tone)
    np.testing.assert_allclose(mel.image, whole.image, atol=1e-3)
    assert mel.columns == 50
    band = int(mel.image[:, 25].argmax())
    assert note_name(mel.centres_hz[band]) in ("A4", "B♭4", "A♭4")
    assert mel.image.min() >= FLOOR_DB
    assert [name for _, name in note_ticks(mel)][:3] == ["C2", "C3", "C4"]
    assert note_name(261.63) == "C4"


def test_loudness_is_matched_by_turning_the_louder_one_down() -> None:
    t = np.arange(2 * RATE) / RATE
    quiet = (0.1 * np.sin(2 * np.pi * 997 * t)).astype(np.float32)
    one, two = loudness_lufs(quiet, RATE), loudness_lufs(2 * quiet, RATE)
    assert two - one == pytest.approx(6.02, abs=0.05)
    gains = matching_gains_db(one, two)
    assert gains[0] == 0.0
    assert gains[1] == pytest.approx(one - two)
    assert loudness_lufs(np.zeros(RATE, np.float32), RATE) == SILENT_LUFS
    assert loudness_lufs(quiet[:100], RATE) == SILENT_LUFS
    assert matching_gains_db(SILENT_LUFS, two) == (0.0, 0.0)


def test_what_is_heard_is_ranked_in_units_of_each_feature_and_once_a_name() -> None:
    rows = {row.id: row for row in make_rows(6)}
    ids = list(rows)
    means = np.array([rows[i].p99 * s for i, s in zip(ids, (0.2, 0.9, 0.5, 0.0, 0.01, 0.4), strict=True)])
    heard = rank([*ids, "gone"], np.append(means, 99.0).astype(np.float32), rows.get)
    assert [h.feature.id for h in heard] == [ids[1], ids[2], ids[5], ids[0]]
    assert heard[0].strength == pytest.approx(0.9, abs=1e-5)


def test_highlights_stand_where_the_words_are() -> None:
    assert hits("drum ro", "drums: rock") == [(0, 4), (7, 2)]
    assert hits("", "drums") == []
    assert hits("ock", "rock") == [(1, 3)]


# -- MIDI ----------------------------------------------------------------------------------------------


def cc(number: int, value: int, channel: int = 0) -> list[int]:
    return [0xB0 | channel, number, value]


def test_the_control_that_moves_is_learned_and_then_moves_its_target() -> None:
    midi = MidiMap()
    midi.learn("amount:3/1")
    assert midi.feed(cc(21, 5, 2)) == []
    assert midi.learning.value is None
    assert midi.feed(cc(21, 127, 2)) == [Move("amount:3/1", 1.0)]
    assert midi.feed(cc(21, 127, 3)) == []
    midi.forget("amount:3/1")
    assert midi.feed(cc(21, 127, 2)) == []


def test_fourteen_bits_are_one_position() -> None:
    midi = MidiMap()
    midi.learn("gain")
    midi.feed(cc(7, 1))
    midi.set_kind("gain", "14-bit")
    assert midi.feed(cc(7, 64)) == []
    assert midi.feed(cc(39, 1)) == [Move("gain", (64 << 7 | 1) / 16383)]


def test_a_relative_encoder_turns_both_ways() -> None:
    midi = MidiMap()
    midi.learn("strip:0")
    midi.feed(cc(16, 1))
    midi.set_kind("strip:0", "relative")
    (up,) = midi.feed(cc(16, 2))
    (down,) = midi.feed(cc(16, 127))
    assert (up.change, down.change) == (2 / 64, -1 / 64)


def test_banks_shift_which_strip_a_fader_moves() -> None:
    midi = MidiMap()
    for target, number in (("strip:1", 20), ("bank-next", 50)):
        midi.learn(target)
        midi.feed(cc(number, 1))
    assert midi.feed(cc(50, 127)) == []
    assert midi.bank.value == 1
    assert midi.feed(cc(20, 0)) == [Move("strip:9", 0.0)]


def test_notes_trigger_play_and_note_off_is_told_apart() -> None:
    midi = MidiMap()
    midi.learn("play")
    midi.feed([0x99, 36, 100])
    assert midi.feed([0x99, 36, 100]) == [Move("play", pressed=True)]
    assert midi.feed([0x89, 36, 0]) == [Move("play", pressed=False)]
    assert midi.feed([0x99, 36, 0]) == [Move("play", pressed=False)]
    assert midi.feed([0xF8]) == []


def test_mappings_survive_a_restart_and_malformed_ones_do_no_harm() -> None:
    midi, again = MidiMap(), MidiMap()
    midi.learn("gain")
    midi.feed(cc(7, 1))
    again.restore(
        [*midi.to_values(), {"target": "x"}, {"target": "y", "channel": 0, "number": 1, "kind": "?"}]
    )
    assert again.mapped == midi.mapped


def test_one_control_moves_one_thing() -> None:
    midi = MidiMap()
    for target in ("gain", "morph"):
        midi.learn(target)
        midi.feed(cc(7, 1))
    assert [m.target for m in midi.mapped] == ["morph"]


# -- trouble and tempo ---------------------------------------------------------------------------------


def test_trouble_is_told_after_three_seconds_and_held_for_five() -> None:
    now = [0.0]
    trouble = Trouble(clock=lambda: now[0])

    def poll(at: float, factor: float, underruns: int = 0) -> bool:
        now[0] = at
        return trouble.update(sounding=True, factor=factor, underruns=underruns)

    assert [poll(t, 0.8) for t in (0.0, 1.0, 2.9, 3.0)] == [False, False, False, True]
    assert poll(7.9, 1.5)
    assert not poll(8.1, 1.5)


def test_the_beat_tracker_finds_a_tempo_and_silence_has_none() -> None:
    t = np.arange(8 * RATE)
    clicks = np.zeros(t.size, np.float32)
    noise = np.random.default_rng(0).normal(0, 0.4, 800).astype(np.float32)
    for start in range(0, t.size - 800, RATE // 2):
        clicks[start : start + 800] += noise
    tempo, first = track_tempo(clicks, RATE)
    assert tempo == pytest.approx(120, rel=0.04)
    assert min(first % 0.5, 0.5 - first % 0.5) < 0.06
    assert track_tempo(np.zeros(8 * RATE, np.float32), RATE) == (0.0, 0.0)
