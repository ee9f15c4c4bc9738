"""A Piece -> what is true at each of its 50 frames per second: concepts and scalars."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from drawbar.corpus.composer.drumming import CYMBALS, KICKS, SNARES
from drawbar.corpus.composer.harmony import QUALITY_GROUP
from drawbar.corpus.composer.instruments import (
    BASSES,
    CHORD_INSTRUMENTS,
    DRUM_STYLES,
    KEYS,
    LEADS,
    MODES,
    PATTERNS,
    ROLES,
)
from drawbar.corpus.composer.piece import Note, Piece, level_at
from drawbar.errors import BadInputError

FRAME_RATE_HZ = 50
CONCEPTS: tuple[str, ...] = (
    *ROLES,
    *(f"drums:{name}" for name in DRUM_STYLES),
    *(f"bass:{name}" for name in BASSES),
    *(f"chords:{name}" for name in CHORD_INSTRUMENTS),
    *(f"lead:{name}" for name in LEADS),
    *(f"mode:{name}" for name in MODES),
    *(f"key:{name}" for name in KEYS),
    *(f"chord:{name}" for name in dict.fromkeys(QUALITY_GROUP.values())),
    "chord:inverted",
    *(f"pattern:{name}" for name in PATTERNS),
    "register:high", "register:low", "density:busy", "density:sparse", "dynamics:loud", "dynamics:soft",
    "tempo:fast", "tempo:slow", "swing", "motif", "motif:return", "hit:kick", "hit:snare", "hit:cymbal",
)  # fmt: skip
SCALARS: tuple[str, ...] = (
    "tempo_bpm", "note_density_hz", "mean_pitch", "velocity", "voices", "beat_phase", "bar_phase",
    "chord_root",
)  # fmt: skip
FAST_BPM, SLOW_BPM = 130, 90
_BRIDGE_S = {"drums": 1.1, "bass": 0.5, "chords": 0.5, "lead": 0.4}
_HIT_S = 0.08


@dataclass(frozen=True)
class Annotations:
    """Ground truth per frame of 20 ms: `concepts` is bool [T, C], each scalar float32 [T]."""

    names: tuple[str, ...]
    concepts: npt.NDArray[np.bool_]
    scalars: dict[str, npt.NDArray[np.float32]]

    def of(self, name: str) -> npt.NDArray[np.bool_]:
        """Return one concept's truth, bool [T]."""
        column: npt.NDArray[np.bool_] = self.concepts[:, self.names.index(name)]
        return column

    def save(self, path: str | Path) -> None:
        """Write the annotations as a compressed .npz (under exactly this name)."""
        arrays = {f"scalar:{name}": values for name, values in self.scalars.items()}
        with Path(path).open("wb") as file:
            np.savez_compressed(file, names=np.array(self.names), concepts=self.concepts, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Annotations":
        """Read what `save` wrote; raises BadInputError when it is something else."""
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as data:
                names = tuple(str(name) for name in data["names"])
                scalars = {key[7:]: data[key] for key in data.files if key.startswith("scalar:")}
                concepts = data["concepts"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise BadInputError(f"{path} holds no annotations ({error}); compose the corpus again") from error
        if concepts.ndim != 2 or concepts.dtype != np.bool_ or concepts.shape[1] != len(names):
            raise BadInputError(f"{path}: {concepts.shape} concepts for {len(names)} names; compose it again")
        return cls(names, concepts, scalars)


def annotate(piece: Piece) -> Annotations:
    """Return the truth at every frame; T = ceil(seconds * 50)."""
    frames = -(-round(piece.seconds * 32000) // 640)
    truth: dict[str, npt.NDArray[np.bool_]] = {name: np.zeros(frames, bool) for name in CONCEPTS}
    sounding = {role: _sounding(piece, role, frames) for role in ROLES}
    for part in piece.parts:
        truth[part.role] = truth[f"{part.role}:{part.instrument}"] = sounding[part.role]
    pitched = sounding["bass"] | sounding["chords"] | sounding["lead"]
    melodic = sounding["chords"] | sounding["lead"]
    everything = pitched | sounding["drums"]
    truth[f"mode:{piece.mode}"] = truth[f"key:{KEYS[piece.key]}"] = pitched
    root = np.full(frames, -1.0, np.float32)
    for chord in piece.chords:
        span = slice(int(chord.start_s * FRAME_RATE_HZ), int(chord.end_s * FRAME_RATE_HZ))
        if chord.end_s == piece.seconds:
            span = slice(span.start, frames)
        truth[f"chord:{QUALITY_GROUP[chord.quality]}"][span] = sounding["chords"][span]
        truth["chord:inverted"][span] = sounding["chords"][span] & (chord.inversion > 0)
        root[span] = chord.root
    truth[f"pattern:{piece.pattern}"] = sounding["chords"]
    if piece.register != "middle":
        truth[f"register:{piece.register}"] = melodic
    if piece.density != "medium":
        truth[f"density:{piece.density}"] = everything
    middles = [(t + 0.5) / FRAME_RATE_HZ for t in range(frames)]
    level = np.array([level_at(piece.dynamics, piece.curve, piece.seconds, at) for at in middles])
    truth["dynamics:loud"] = everything & (level >= 95)
    truth["dynamics:soft"] = everything & (level <= 61)
    truth["tempo:fast"] = everything & (piece.tempo_bpm >= FAST_BPM)
    truth["tempo:slow"] = everything & (piece.tempo_bpm <= SLOW_BPM)
    truth["swing"] = everything & (piece.swing > 0.5)
    for motif in piece.motifs:
        span = _span(motif.start_s, motif.end_s, frames)
        truth["motif"][span] |= sounding["lead"][span]
        if motif.kind != "original":
            truth["motif:return"][span] |= sounding["lead"][span]
    for name, pitches in (("kick", KICKS), ("snare", SNARES), ("cymbal", CYMBALS)):
        for note in _notes(piece, "drums"):
            if note.pitch in pitches:
                truth[f"hit:{name}"][_span(note.start_s, note.start_s + _HIT_S, frames)] = True
    concepts = np.stack([truth[name] for name in CONCEPTS], axis=1)
    return Annotations(CONCEPTS, concepts, {**_scalars(piece, frames), "chord_root": root})


def _span(start_s: float, end_s: float, frames: int) -> slice:
    first = int(start_s * FRAME_RATE_HZ)
    return slice(min(first, frames), min(frames, max(first + 1, round(end_s * FRAME_RATE_HZ))))


def _notes(piece: Piece, role: str) -> Iterable[Note]:
    return (note for note in piece.notes if note.part == role)


def _sounding(piece: Piece, role: str, frames: int) -> npt.NDArray[np.bool_]:
    """Return where a role is heard: its notes, and the gaps between them that a listener does not notice."""
    heard = np.zeros(frames, bool)
    end = -10.0
    for note in _notes(piece, role):
        # A gap is bridged inside one stretch of playing; a section without the role stays silent.
        begin = end if note.start_s - end <= _BRIDGE_S[role] else note.start_s
        end = max(end, note.start_s + max(note.duration_s, 0.12))
        heard[_span(max(0.0, begin), end, frames)] = True
    return heard


def _scalars(piece: Piece, frames: int) -> dict[str, npt.NDArray[np.float32]]:
    pitch, velocity = np.zeros(frames), np.zeros(frames)
    voices, drums = np.zeros(frames), np.zeros(frames)
    onsets = np.zeros(frames)
    for note in piece.notes:
        span = _span(note.start_s, note.start_s + note.duration_s, frames)
        onsets[span.start : span.start + 1] += 1
        if note.part == "drums":
            drums[span] += 1
        else:
            voices[span] += 1
            pitch[span] += note.pitch
        velocity[span] += note.velocity
    window = np.ones(FRAME_RATE_HZ * 2 + 1)
    reach = np.convolve(np.ones(frames), window)[FRAME_RATE_HZ : FRAME_RATE_HZ + frames]
    density = np.convolve(onsets, window)[FRAME_RATE_HZ : FRAME_RATE_HZ + frames] / reach * FRAME_RATE_HZ
    beats = np.arange(frames) / FRAME_RATE_HZ * piece.tempo_bpm / 60
    values = {
        "tempo_bpm": np.full(frames, piece.tempo_bpm),
        "note_density_hz": density,
        "mean_pitch": pitch / np.maximum(voices, 1),
        "velocity": velocity / np.maximum(voices + drums, 1),
        "voices": voices,
        "beat_phase": beats % 1,
        "bar_phase": beats / 4 % 1,
    }
    return {name: value.astype(np.float32) for name, value in values.items()}
