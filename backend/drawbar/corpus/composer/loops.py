"""A seed -> a piece of phrases that return as the very same samples: tempo, notes and swing on the codec's frames.

What a small model can learn first is what comes back. Every note starts and ends on a frame (20 ms), tempi have a
whole number of frames to the sixteenth, velocities come in steps, and a phrase is written once and laid down again
while parts come and go. Forms go from plain loops to pieces in which nothing returns (`FORMS`).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from drawbar.corpus.composer.accompaniment import play_bass, play_chords
from drawbar.corpus.composer.chord_names import chord_name
from drawbar.corpus.composer.drumming import crash, play_drums
from drawbar.corpus.composer.figures import Figure, Scale, fitting_figure, scale_of, sing, transform
from drawbar.corpus.composer.harmony import chord_pitch_classes, progression
from drawbar.corpus.composer.instruments import CHORD_INSTRUMENTS, ROLES, sound_of
from drawbar.corpus.composer.melody import free_line
from drawbar.corpus.composer.piece import Chord, Motif, Note, Piece, Section, level_at
from drawbar.corpus.composer.timing import BEATS_PER_BAR, Bar, Grid

FRAME_S = 0.02
PHRASE_BARS: dict[float, int] = {62.5: 2, 93.75: 3, 125.0: 4, 187.5: 6}
"""Tempi (bpm) whose sixteenth is a whole number of frames, and their phrase in bars.

It lasts 384 frames (7.68 s) at every tempo: a small model has one distance to look back over. With a distance per
tempo it did not learn to copy at all, because it would have to know which of its heads to trust (docs/LOG.md).
"""
PHRASE_FRAMES = 384
TEMPI = (62.5, 93.75, 93.75, 125.0, 187.5, 187.5)
"""What is drawn from: slow, medium and fast alike."""
FORMS: tuple[tuple[str, float], ...] = (("loop", 0.55), ("song", 0.2), ("varied", 0.15), ("free", 0.1))
"""Share of each form: one phrase; two phrases in turn; a phrase whose lead varies; nothing returns."""
_VELOCITY_STEP = 12

Stream = Callable[[str], random.Random]
"""An own random stream per decision, by name."""


@dataclass
class FrameGrid(Grid):
    """A grid without human timing: notes start and end on frames, velocities come in steps."""

    def seconds_at(self, beat: float) -> float:
        """The time of an absolute beat, swung, on the nearest frame."""
        return round(super().seconds_at(beat) / FRAME_S) * FRAME_S

    def add(
        self, part: str, beat: float, beats: float, pitch: int, accent: float = 0.0, *,
        ring_s: float = 60.0, late_s: float = 0.0, loose: float = 1.0,
    ) -> None:  # fmt: skip
        """Write a note of `beats` at absolute `beat`; what makes timing human (`late_s`, `loose`) is left out."""
        start = self.seconds_at(beat)
        stop = min(self.seconds_at(beat + beats), start + round(ring_s / FRAME_S) * FRAME_S)
        velocity = level_at(self.dynamics, "steady", 1.0, 0.0) + accent
        stepped = min(120, max(24, round(velocity / _VELOCITY_STEP) * _VELOCITY_STEP))
        self.notes.append(Note(round(start, 4), round(max(FRAME_S, stop - start), 4), pitch, stepped, part))


@dataclass
class _Phrase:
    """What each role plays in one phrase, from its start at 0 s."""

    bars: list[Bar]
    notes: dict[str, list[Note]] = field(default_factory=dict)
    fill: list[Note] = field(default_factory=list)
    """The drums where the phrase leads into something else."""
    chords: list[tuple[float, float, int, str, int]] = field(default_factory=list)
    """(start beat, beats, root, quality, inversion)."""


@dataclass
class LoopWriter:
    """Writes the notes of a piece whose factors are chosen already (its notes, chords, sections, motifs are empty)."""

    piece: Piece
    walking: bool
    recurring: bool
    chord_center: int
    lead_center: int
    stream: Stream

    def __post_init__(self) -> None:
        self.bars = PHRASE_BARS[self.piece.tempo_bpm]
        self.phrase_s = self.bars * BEATS_PER_BAR * 60.0 / self.piece.tempo_bpm
        self.scale = Scale(0, self.piece.mode, 0, 127)
        lead = self.piece.part("lead")
        if lead:
            self.lead_sound = sound_of("lead", lead.instrument)
            self.scale = scale_of(self.lead_sound, self.piece.key, self.piece.mode, self.lead_center)

    def write(self) -> Piece:
        """The piece with its notes and the truth about its form."""
        piece, rng = self.piece, self.stream("form")
        form = rng.choices([name for name, _ in FORMS], [share for _, share in FORMS])[0]
        count = -(-round(piece.seconds / FRAME_S) // round(self.phrase_s / FRAME_S))
        different = count if form == "free" else 2 if form == "song" else 1
        phrases = [self._phrase(rng, n) for n in range(different)]
        order = {"free": list(range(count)), "song": [(0, 0, 1, 0)[n % 4] for n in range(count)]}.get(
            form, [0] * count
        )
        active = _casts([part.role for part in piece.parts], count, rng)
        notes: list[Note] = []
        chords: list[Chord] = []
        motifs: list[Motif] = []
        for n, index in enumerate(order):
            phrase, at_s = phrases[index], n * self.phrase_s
            entering = n > 0 and active[n] != active[n - 1]
            leaving = n + 1 < count and (active[n + 1] != active[n] or order[n + 1] != index)
            changed = form == "varied" and n % 2 == 1
            for role in active[n]:
                played = phrase.notes[role]
                if role == "drums" and leaving and rng.random() < 0.6:
                    played = phrase.fill
                if role == "drums" and entering and rng.random() < 0.5:
                    played = [*played, crash(self._style, 60.0 / piece.tempo_bpm)]
                if role == "lead" and changed:
                    played = self._lead(phrase.bars, self.stream(f"lead {n}"))
                notes += self._moved(played, at_s)
            chords += self._told(phrase, at_s)
            if self.recurring and form != "free" and "lead" in active[n] and not changed:
                kind = (
                    "exact"
                    if any(order[m] == index and "lead" in active[m] for m in range(n))
                    else "original"
                )
                motifs.append(
                    Motif(round(at_s, 4), round(min(piece.seconds, at_s + self.phrase_s), 4), kind, 0)
                )
        sections = tuple(
            Section(round(n * self.phrase_s, 4), round(min(piece.seconds, (n + 1) * self.phrase_s), 4), roles)
            for n, roles in enumerate(active)
        )
        loop = (
            ()
            if form == "free"
            else tuple(chord_name(root, quality) for _, _, root, quality, _ in phrases[0].chords)
        )
        return replace(piece, notes=_untangled(notes), chords=tuple(chords), sections=sections,
                       motifs=tuple(motifs), loop=loop)  # fmt: skip

    @property
    def _style(self) -> str:
        part = self.piece.part("drums")
        return part.instrument if part else "rock"

    def _grid(self) -> FrameGrid:
        piece = self.piece
        return FrameGrid(
            piece.tempo_bpm, piece.swing, piece.dynamics, piece.curve, self.phrase_s, self.stream("grid")
        )

    def _phrase(self, rng: random.Random, number: int) -> _Phrase:
        """One phrase of every role: two chords a bar in two bars, one a bar in three or four, one in two of six."""
        piece = self.piece
        loop = progression(rng, piece.key, piece.mode, piece.harmony, dominant=not self.recurring)
        loop = loop[: 3 if self.bars % 3 == 0 else 4]
        per_bar, lasting = max(1, len(loop) // self.bars), max(1, self.bars // len(loop))
        beats = BEATS_PER_BAR / per_bar
        roles = frozenset(part.role for part in piece.parts)
        bars = [
            Bar(n, roles, False, False, tuple(
                (i * beats, beats, root, quality)
                for i, (root, quality) in enumerate(loop[n // lasting * per_bar :][:per_bar])
            ))
            for n in range(self.bars)
        ]  # fmt: skip
        phrase = _Phrase(bars)
        grid = self._grid()
        chords = piece.part("chords")
        told = play_chords(
            grid, bars, CHORD_INSTRUMENTS[chords.instrument if chords else "piano"],
            piece.pattern, piece.density, self.chord_center, self.stream("chords"),
        )  # fmt: skip
        phrase.chords = [
            (at, lasting * n, root, quality, inversion) for at, n, root, quality, inversion in told[::lasting]
        ]
        if piece.part("bass"):
            sound = sound_of("bass", piece.part("bass").instrument)  # type: ignore[union-attr]
            play_bass(grid, bars, sound, piece.density, self.walking, self.stream("bass"))
        if piece.part("drums"):
            play_drums(grid, bars, self._style, piece.density, self.stream("drums"))
            ending = self._grid()
            last = [*bars[:-1], replace(bars[-1], last=True)]
            play_drums(ending, last, self._style, piece.density, self.stream("drums"))
            phrase.fill = ending.notes
        phrase.notes = {role: [note for note in grid.notes if note.part == role] for role in roles}
        if piece.part("lead"):
            phrase.notes["lead"] = self._lead(bars, self.stream(f"lead phrase {number}"))
        return phrase

    def _lead(self, bars: list[Bar], rng: random.Random) -> list[Note]:
        """A line over the phrase: free over the chords, or a motif and its answers bent to them."""
        grid = self._grid()
        if not self.recurring:
            free_line(grid, bars, self.lead_sound, self.scale, self.piece.density, rng)
            return grid.notes
        length = 1 if self.piece.tempo_bpm < 100 else 2
        figure = fitting_figure(self.piece.density, length * BEATS_PER_BAR, self.scale, rng)
        for first in range(0, len(bars), length):
            kind = rng.choice(("exact", "exact", "varied")) if first else "exact"
            for at, beats, degree in self._bent(
                transform(figure, kind, 0, rng), bars[first : first + length]
            ):
                accent = 6 if at % 2 == 0 else 2
                sing(
                    grid, self.lead_sound, first * BEATS_PER_BAR + at, beats, self.scale.pitch(degree), accent
                )
        return grid.notes

    def _bent(self, figure: Figure, bars: list[Bar]) -> Figure:
        """The figure with its notes on strong beats moved to the nearest tone of the chord that sounds there."""
        bent: Figure = []
        for at, beats, degree in figure:
            if at % 2 == 0:
                bar = bars[min(len(bars) - 1, int(at // BEATS_PER_BAR))]
                inside = at % BEATS_PER_BAR
                root, quality = next((r, q) for b, n, r, q in bar.chords if b <= inside < b + n)
                tones = chord_pitch_classes(root, quality)
                near = [d for d in range(degree - 3, degree + 4)
                        if self.scale.pitch(d) % 12 in tones and self.scale.fits(d)]  # fmt: skip
                degree = min(near, key=lambda d: (abs(d - degree), d)) if near else degree
            bent.append((at, beats, degree))
        return bent

    def _moved(self, notes: list[Note], at_s: float) -> list[Note]:
        """Notes of a phrase at their place in the piece, cut at the phrase's and the piece's end."""
        piece, moved = self.piece, []
        step = 0
        if piece.curve != "steady":
            level = level_at("medium", piece.curve, piece.seconds, at_s + self.phrase_s / 2) - 78
            step = round(level / _VELOCITY_STEP) * _VELOCITY_STEP
        for note in notes:
            start = note.start_s + at_s
            stop = min(start + note.duration_s, at_s + self.phrase_s, piece.seconds)
            if stop - start > FRAME_S / 2:
                velocity = min(120, max(24, note.velocity + step))
                moved.append(Note(round(start, 4), round(stop - start, 4), note.pitch, velocity, note.part))
        return moved

    def _told(self, phrase: _Phrase, at_s: float) -> list[Chord]:
        beat_s = 60.0 / self.piece.tempo_bpm
        return [
            Chord(round(at_s + beat * beat_s, 4), round(min(self.piece.seconds, at_s + (beat + beats) * beat_s), 4),
                  root, quality, inversion)
            for beat, beats, root, quality, inversion in phrase.chords
            if at_s + beat * beat_s < self.piece.seconds
        ]  # fmt: skip


def _casts(roles: list[str], phrases: int, rng: random.Random) -> list[tuple[str, ...]]:
    """The roles that play in each phrase: most of the time all; now and then one rests for a phrase or enters late."""
    casts: list[tuple[str, ...]] = []
    for n in range(phrases):
        resting: set[str] = set()
        if len(roles) > 1 and rng.random() < (0.4 if n == 0 else 0.2):
            resting = set(rng.sample(roles, rng.randint(1, len(roles) - 1) if n == 0 else 1))
        if {"lead"} == set(roles) - resting and len(
            roles
        ) > 1:  # a lead breathes; alone it would leave silences
            resting.discard(rng.choice(sorted(resting)))
        if n > 1 and rng.random() < 0.5:
            resting = set(roles) - set(casts[-1])
        casts.append(tuple(role for role in ROLES if role in roles and role not in resting))
    return casts


def _untangled(notes: list[Note]) -> tuple[Note, ...]:
    """The notes in order, doubled ones dropped, each ending where the same part strikes its pitch again."""
    following: dict[tuple[str, int], float] = {}
    kept: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.start_s, n.part, n.pitch, n.velocity), reverse=True):
        upper = following.get((note.part, note.pitch))
        if upper is not None and upper - note.start_s < FRAME_S / 2:
            continue
        if upper is not None and note.start_s + note.duration_s > upper:
            note = replace(note, duration_s=round(upper - note.start_s, 4))
        following[note.part, note.pitch] = note.start_s
        kept.append(note)
    return tuple(sorted(kept, key=lambda n: (n.start_s, n.part, n.pitch)))
