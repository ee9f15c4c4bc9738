"""Names of sounds -> General MIDI programs, gains, ranges; every factor's closed list."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sound:
    """One playable sound: where it lives in a General MIDI bank and how it sits in the mix."""

    name: str
    program: int
    """MIDI program 0-127 (for drums: the kit's program in bank 128)."""
    gain_db: float
    """Mix gain, measured so that the parts of one role are about equally loud."""
    ring_s: float = 60.0
    """How long a held note stays audible; notes are never written longer."""
    low: int = 0
    high: int = 127
    """Playable pitch range (MIDI)."""


CHORD_INSTRUMENTS: dict[str, Sound] = {
    s.name: s
    for s in (
        Sound("piano", 0, 10.0, 5.0),
        Sound("electric piano", 4, 2.0, 4.0),
        Sound("organ", 18, -3.0),
        Sound("harpsichord", 6, -1.0, 3.0),
        Sound("guitar", 25, 0.0, 4.0),
        Sound("strings", 48, 2.0),
        Sound("choir", 52, 2.0),
        Sound("accordion", 21, 3.5),
    )
}
LEADS: dict[str, Sound] = {
    s.name: s
    for s in (
        Sound("flute", 73, 3.0, low=59, high=96),
        Sound("saxophone", 65, -1.5, low=49, high=88),
        Sound("trumpet", 56, 2.0, low=52, high=88),
        Sound("violin", 40, 6.0, low=55, high=96),
        Sound("marimba", 12, 6.5, 0.7, low=45, high=96),
        Sound("bells", 9, 4.0, 1.5, low=60, high=103),
        Sound("synth", 81, 5.0, low=40, high=96),
        Sound("distorted guitar", 30, -6.0, low=40, high=88),
    )
}
BASSES: dict[str, Sound] = {
    s.name: s
    for s in (
        Sound("fingered", 33, 2.0, 4.0),
        Sound("slap", 36, 4.0, 3.0),
        Sound("synth", 38, 10.0),
        Sound("upright", 32, 1.0, 3.0),
    )
}
DRUM_STYLES: dict[str, Sound] = {
    s.name: s
    for s in (
        Sound("rock", 0, 5.5),
        Sound("jazz", 40, 6.5),
        Sound("house", 24, 0.5),
        Sound("hip hop", 25, -5.0),
        Sound("latin", 0, 4.0),
        Sound("march", 48, 8.0),
    )
}
KIT_DB: dict[str, dict[int, float]] = {
    "rock": {36: 5, 38: -3, 41: -2, 42: 9, 45: -3, 48: -3, 49: 1},
    "jazz": {36: -6, 38: 4, 44: 8, 51: 8},
    "house": {39: 2, 42: 12, 46: 10},
    "hip hop": {36: 3, 42: -2},
    "latin": {36: 3, 62: 4, 63: 4, 64: 4, 70: -6, 75: -6},
    "march": {38: 4, 57: -2},
}
"""Per style: how much louder a drum is mixed than the kit records it (MIDI key -> dB)."""
ROLES: tuple[str, ...] = ("drums", "bass", "chords", "lead")
_BY_ROLE = {"drums": DRUM_STYLES, "bass": BASSES, "chords": CHORD_INSTRUMENTS, "lead": LEADS}

KEYS: tuple[str, ...] = (
    "c", "c sharp", "d", "d sharp", "e", "f", "f sharp", "g", "g sharp", "a", "a sharp", "b",
)  # fmt: skip
MODES: tuple[str, ...] = ("major", "minor")
PATTERNS: tuple[str, ...] = ("arpeggio", "strummed", "held")
REGISTERS: tuple[str, ...] = ("low", "middle", "high")
DENSITIES: tuple[str, ...] = ("sparse", "medium", "busy")
DYNAMICS: tuple[str, ...] = ("soft", "medium", "loud")
CURVES: tuple[str, ...] = ("steady", "growing", "fading", "swell")
HARMONIES: tuple[str, ...] = ("simple", "seventh", "rich")


def sound_of(role: str, name: str) -> Sound:
    """Return the sound that plays `name` in `role` (both as they stand in a piece)."""
    return _BY_ROLE[role][name]
