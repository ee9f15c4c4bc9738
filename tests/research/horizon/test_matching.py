"""A motif and its return -> a control window with the same sound and level, and without the motif."""

import numpy as np

from drawbar.research.horizon.events import Event, Window
from drawbar.research.horizon.matching import MatchSettings, matched_windows, sound_of_track, with_controls
from drawbar.research.horizon.recurrence import find_recurrences
from tests.research.horizon.bands import MOTIF, RATE, STEP_S, line, loop, piece

SECONDS = 44.0
MOTIF_AT, RETURN_AT = Window(6.0, 12.0), Window(25.5, 31.5)


def test_a_control_is_as_long_sounds_alike_and_lacks_the_motif() -> None:
    sound = loop(SECONDS) + line(piece(list(MOTIF)), SECONDS)
    heard = find_recurrences(sound)
    found = matched_windows(MOTIF_AT, RETURN_AT, sound_of_track(sound), heard, [MOTIF_AT, RETURN_AT])
    assert found
    for match in found:
        assert abs(match.window.length_s - RETURN_AT.length_s) < 1e-6
        assert not match.window.overlap(MOTIF_AT)
        assert not match.window.overlap(RETURN_AT)
        assert match.loudness_db <= 3.0
        assert not match.likeness > MatchSettings().likeness


def test_a_part_with_another_sound_or_level_is_no_control() -> None:
    """The melody is silent and the loop 20 dB softer outside the two windows: nothing matches."""
    notes = piece(list(MOTIF))
    melody = [p if 24 <= n < 48 or 102 <= n < 126 else 0 for n, p in enumerate(notes)]
    level = np.full(round(SECONDS * RATE), 0.1, np.float32)
    for window in (MOTIF_AT, RETURN_AT):
        level[round(window.start_s * RATE) : round(window.end_s * RATE)] = 1
    sound = level * loop(SECONDS) + line(melody, SECONDS)
    found = matched_windows(
        MOTIF_AT, RETURN_AT, sound_of_track(sound), find_recurrences(sound), [MOTIF_AT, RETURN_AT]
    )
    assert found == ()


def test_every_return_gets_a_control_of_its_own() -> None:
    notes = piece(list(MOTIF), second=72)
    notes[126 : 126 + len(MOTIF)] = MOTIF
    sound = loop(SECONDS) + line(notes, SECONDS)
    events = [Event("t", MOTIF_AT, Window(at * STEP_S, at * STEP_S + 6), "exact", True) for at in (72, 126)]
    out = with_controls(events, sound_of_track(sound), find_recurrences(sound))
    controls = [e.recurrence for e in out if e.kind == "none"]
    assert [e for e in out if e.kind != "none"] == events
    assert len(controls) == len(set(controls)) > 0
    assert all(
        not control.overlap(w) for control in controls for e in events for w in (e.motif, e.recurrence)
    )
