"""Seed and length -> a Piece: every factor chosen, sections planned, all parts written."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from drawbar.corpus.composer.accompaniment import play_bass, play_chords
from drawbar.corpus.composer.drumming import play_drums
from drawbar.corpus.composer.figures import Scale, scale_of
from drawbar.corpus.composer.harmony import progression
from drawbar.corpus.composer.instruments import (
    BASSES,
    CHORD_INSTRUMENTS,
    DRUM_STYLES,
    LEADS,
    PATTERNS,
    ROLES,
    Sound,
    sound_of,
)
from drawbar.corpus.composer.loops import TEMPI, LoopWriter
from drawbar.corpus.composer.melody import play_lead
from drawbar.corpus.composer.piece import Chord, Motif, Note, Part, Piece, Section
from drawbar.corpus.composer.timing import BEATS_PER_BAR, Bar, Grid
from drawbar.errors import BadInputError

VERSIONS = (1, 2)
HELD_OUT_SEED = 9_000_000
"""Seeds from here on are never trained on."""

LeadWriter = Callable[[Grid, list[Bar], Sound, Scale, str, random.Random], list[Motif]]
"""(grid, bars, sound, scale, density, random stream) -> writes the lead, returns the motif's occurrences."""


@dataclass(frozen=True)
class Casting:
    """What a piece must have, whatever its seed says."""

    lead: LeadWriter
    always: frozenset[str] = frozenset({"lead"})
    """Roles that play from the first bar to the last."""
    never: frozenset[str] = frozenset()
    steady: bool = False
    """Whether one loop and one set of roles stay for the whole piece."""


_PRESENT = {"drums": 0.62, "bass": 0.72, "chords": 0.85, "lead": 0.72}
_TEMPI = ((60, 88), (92, 124), (132, 180))
_CHORD_CENTER = {"low": 50, "middle": 60, "high": 71}
_LEAD_CENTER = {"low": 62, "middle": 72, "high": 83}


def compose(
    seed: int, seconds: float = 30.0, casting: Casting | None = None, version: int | None = None
) -> Piece:
    """Return the piece of `seed`, `seconds` long; the same on every platform and in every process.

    A `casting` says which roles play, and who writes the lead, where the seed should not decide; such a piece is
    always of version 1. `version` 1 is the composer of banks made before December 2026 (any tempo, human timing,
    little that returns); 2, the default, writes phrases that return on the codec's frames (see `loops`).
    """
    if version not in (None, *VERSIONS) or (casting and version == 2):
        raise BadInputError(
            f"there is no composer version {version} for this; choose one of {list(VERSIONS)}"
        )
    version = version or (1 if casting else 2)
    if not 1.0 <= seconds <= 3600.0:
        raise BadInputError(f"a piece of {seconds:g} s cannot be composed; ask for 1 to 3600 s")
    rng = _stream(seed, "plan")
    tempo: float = rng.randint(*rng.choice(_TEMPI))
    if version == 2:
        tempo = rng.choice(TEMPI)
    key, mode = rng.randrange(12), rng.choice(("major", "minor"))
    parts = _choose_parts(rng, casting)
    style = next((p.instrument for p in parts if p.role == "drums"), "")
    swung = rng.random() < (0.8 if style == "jazz" else 0.05 if style == "house" else 0.2)
    swing = rng.choice((0.6, 0.64, 0.67)) if swung else 0.5
    pattern = rng.choice(PATTERNS)
    register, density = rng.choice(("low", "middle", "high")), rng.choice(("sparse", "medium", "busy"))
    dynamics = rng.choice(("soft", "medium", "loud"))
    curve = rng.choice(("steady", "steady", "steady", "growing", "fading", "swell"))
    harmony = rng.choice(("simple", "seventh", "rich"))
    recurring = rng.random() < 0.5
    walking = swung and rng.random() < 0.6
    if version == 2:
        bare = Piece(
            seed, seconds, tempo, 2 / 3 if swung else 0.5, key, mode, pattern, register, density, dynamics, curve,
            harmony, parts, (), (), (), (),
        )  # fmt: skip
        return LoopWriter(
            bare, walking, recurring, _CHORD_CENTER[register], _LEAD_CENTER[register],
            lambda name: _stream(seed, name),
        ).write()  # fmt: skip
    roles = tuple(p.role for p in parts)
    bars, sections = _plan(seed, seconds, tempo, key, mode, harmony, roles, casting, dominant=not recurring)
    grid = Grid(tempo, swing, dynamics, curve, seconds, _stream(seed, "human"))
    motifs: list[Motif] = []
    told = play_chords(
        grid, bars, CHORD_INSTRUMENTS[next((p.instrument for p in parts if p.role == "chords"), "piano")],
        pattern, density, _CHORD_CENTER[register], _stream(seed, "chords"),
    )  # fmt: skip
    for part in parts:
        own = _stream(seed, part.role)
        sound = sound_of(part.role, part.instrument)
        if part.role == "bass":
            play_bass(grid, bars, sound, density, walking, own)
        elif part.role == "drums":
            play_drums(grid, bars, part.instrument, density, own)
        elif part.role == "lead":
            center = _LEAD_CENTER[register]
            if casting:
                motifs = casting.lead(grid, bars, sound, scale_of(sound, key, mode, center), density, own)
            else:
                motifs = play_lead(grid, bars, sound, key, mode, density, center, recurring, own)

    def _at(beat: float) -> float:
        return beat * 60 / tempo

    chords = tuple(
        Chord(round(_at(b), 4), round(min(seconds, _at(b + n)), 4), root, quality, inversion)
        for b, n, root, quality, inversion in told
        if _at(b) < seconds
    )
    return Piece(
        seed, seconds, tempo, swing, key, mode, pattern, register, density, dynamics, curve, harmony,
        parts, _untangle(grid.notes), chords, sections, tuple(motifs),
    )  # fmt: skip


def _stream(seed: int, name: str) -> random.Random:
    """Return an own random stream per decision, so that parts do not depend on one another."""
    return random.Random(f"drawbar:{seed}:{name}")


def _choose_parts(rng: random.Random, casting: Casting | None) -> tuple[Part, ...]:
    while True:
        roles = [role for role in ROLES if rng.random() < _PRESENT[role]]
        if casting:
            roles = [r for r in ROLES if r in casting.always or (r in roles and r not in casting.never)]
        if roles:
            break
    choices = {"drums": DRUM_STYLES, "bass": BASSES, "chords": CHORD_INSTRUMENTS, "lead": LEADS}
    parts = []
    for role in roles:
        sound = rng.choice(list(choices[role].values()))
        parts.append(Part(role, role, sound.name, sound.program))
    return tuple(parts)


def _plan(
    seed: int, seconds: float, tempo: float, key: int, mode: str, harmony: str, roles: tuple[str, ...],
    casting: Casting | None, *, dominant: bool,
) -> tuple[list[Bar], tuple[Section, ...]]:  # fmt: skip
    """Lay out sections of 4 or 8 bars, the roles active in each, and the chords of every bar."""
    rng = _stream(seed, "form")
    bar_s = BEATS_PER_BAR * 60.0 / tempo
    loops = [progression(rng, key, mode, harmony, dominant) for _ in range(2)]
    split = rng.random() < (0.4 if tempo <= 90 else 0.1)
    bars: list[Bar] = []
    sections: list[Section] = []
    absent: dict[str, int] = dict.fromkeys(roles, 0)
    while len(bars) * bar_s < seconds:
        length = rng.choice((4, 8)) if bar_s < 1.7 else 4
        active = {role for role in roles if rng.random() < (0.75 if sections else 0.92)}
        active |= {role for role in roles if absent[role] >= 1}
        if not active - {"drums"} and len(roles) > 1:
            active |= {rng.choice([role for role in roles if role != "drums"])}
        if active == {"lead"} and len(roles) > 1:  # a lead breathes; alone it would leave silences
            active |= {rng.choice([role for role in roles if role != "lead"])}
        active = active or set(roles)
        if casting:
            active = set(roles) if casting.steady else active | (casting.always & set(roles))
        absent = {role: 0 if role in active else absent[role] + 1 for role in roles}
        loop = loops[len(sections) % 2 if rng.random() < 0.5 and not (casting and casting.steady) else 0]
        first = len(bars)
        for i in range(length):
            pair = (loop[i % 4], loop[(i + 1) % 4]) if split and i % 4 == 3 else (loop[i % 4],)
            beats = BEATS_PER_BAR / len(pair)
            chords = tuple((n * beats, beats, root, quality) for n, (root, quality) in enumerate(pair))
            bars.append(Bar(first + i, frozenset(active), i == 0, i == length - 1, chords))
        ordered = tuple(role for role in ROLES if role in active)
        end = min(seconds, len(bars) * bar_s)
        sections.append(Section(round(first * bar_s, 4), round(end, 4), ordered))
    return bars, tuple(sections)


def _untangle(notes: list[Note]) -> tuple[Note, ...]:
    """Sort the notes, drop doubled ones, and end a note where the same part strikes its pitch again."""
    ordered = sorted(notes, key=lambda n: (n.start_s, n.part, n.pitch))
    following: dict[tuple[str, int], float] = {}
    result: list[Note] = []
    for note in reversed(ordered):
        upper = following.get((note.part, note.pitch))
        if upper is not None and upper - note.start_s < 0.03:
            continue
        if upper is not None and note.start_s + note.duration_s > upper - 0.005:
            note = Note(
                note.start_s, round(upper - 0.005 - note.start_s, 4), note.pitch, note.velocity, note.part
            )
        following[note.part, note.pitch] = note.start_s
        result.append(note)
    return tuple(reversed(result))
