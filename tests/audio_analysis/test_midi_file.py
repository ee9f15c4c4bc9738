"""Notes become a Standard MIDI File: read back by the standard's own rules."""

from drawbar.audio_analysis.midi_file import PER_BEAT, Note, midi_bytes


def read(data: bytes) -> list[tuple[int, bytes]]:
    """The events of a file of one track: (ticks since the beginning, bytes)."""
    assert data[:14] == b"MThd\0\0\0\x06\0\0\0\x01" + PER_BEAT.to_bytes(2, "big")
    assert data[14:18] == b"MTrk"
    assert int.from_bytes(data[18:22], "big") == len(data) - 22
    at, now, found = 22, 0, []
    while at < len(data):
        gap = 0
        while True:
            gap = gap << 7 | data[at] & 0x7F
            at += 1
            if data[at - 1] < 0x80:
                break
        now += gap
        length = 3 + data[at + 2] if data[at] == 0xFF else 3
        found.append((now, data[at : at + length]))
        at += length
    return found


def test_the_notes_stand_at_their_ticks_and_every_one_ends() -> None:
    notes = [Note(0.0, 0.5, 60), Note(0.5, 30.0, 64, 70), Note(0.5, 0.75, 67)]
    assert read(midi_bytes(notes, 120.0, 3)) == [
        (0, b"\xff\x51\x03" + (500_000).to_bytes(3, "big")),
        (0, b"\xff\x58\x04\x03\x02\x18\x08"),
        (0, b"\x90\x3c\x5a"),
        (480, b"\x80\x3c\0"),
        (480, b"\x90\x40\x46"),
        (480, b"\x90\x43\x5a"),
        (720, b"\x80\x43\0"),
        (28_800, b"\x80\x40\0"),
        (28_800, b"\xff\x2f\0"),
    ]
