"""Notes become a MIDI file that others read."""

import io

import pytest

from drawbar.audio_analysis.midi_file import Note, midi_bytes


def test_other_programs_read_the_notes_at_their_times() -> None:
    mido = pytest.importorskip("mido", reason="mido is not installed")
    notes = [Note(0.0, 0.5, 60), Note(0.5, 3.0, 64, 70), Note(0.5, 0.75, 67)]
    read = mido.MidiFile(file=io.BytesIO(midi_bytes(notes, 93.0, 3)))
    now, found, sounding = 0.0, [], {}
    for message in read:
        now += message.time
        if message.type == "note_on":
            sounding[message.note] = (now, message.velocity)
        elif message.type == "note_off":
            start, velocity = sounding.pop(message.note)
            found.append((round(start, 2), round(now, 2), message.note, velocity))
    assert sorted(found) == [(0.0, 0.5, 60, 90), (0.5, 0.75, 67, 90), (0.5, 3.0, 64, 70)]
    assert not sounding
