"""Notes in seconds and a tempo -> the bytes of a Standard MIDI File (format 0, RP-001)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PER_BEAT = 480


@dataclass(frozen=True)
class Note:
    """One note of a clip."""

    start_s: float
    end_s: float
    pitch: int
    """As MIDI numbers it: 60 is middle C."""
    velocity: int = 90


def midi_bytes(notes: Sequence[Note], tempo_bpm: float = 120.0, beats_per_bar: int = 4) -> bytes:
    """One track at that tempo; times become ticks of a 480th of a beat."""
    ticks_per_s = PER_BEAT * tempo_bpm / 60
    events = []
    for note in notes:
        start = max(0, round(note.start_s * ticks_per_s))
        end = max(start + 1, round(note.end_s * ticks_per_s))
        events += [
            (start, 1, bytes((0x90, note.pitch, note.velocity))),
            (end, 0, bytes((0x80, note.pitch, 0))),
        ]
    tempo = round(60_000_000 / tempo_bpm).to_bytes(3, "big")
    track = b"\0\xff\x51\x03" + tempo + bytes((0, 0xFF, 0x58, 4, beats_per_bar, 2, 24, 8))
    now = 0
    for tick, _, event in sorted(events):
        track += _length(tick - now) + event
        now = tick
    track += b"\0\xff\x2f\0"
    head = b"MThd" + (6).to_bytes(4, "big") + bytes((0, 0, 0, 1)) + PER_BEAT.to_bytes(2, "big")
    return head + b"MTrk" + len(track).to_bytes(4, "big") + track


def _length(ticks: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the highest bit on all but the last."""
    found = [ticks & 0x7F]
    while ticks := ticks >> 7:
        found.append(ticks & 0x7F | 0x80)
    return bytes(reversed(found))
