"""Clips and the pieces whose prompts they were made from -> how much of what was asked is heard.

Shares between 0 and 1, each beside what chance or other prompts give. Of the composed pieces they are the ceiling.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar.audio_analysis import Detectors, balanced_accuracy
from drawbar.audio_analysis.heard import chord_fits, chroma_in, heard_key, heard_tempo, tempo_matches
from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ
from drawbar.audio_analysis.transcriber import Transcriber
from drawbar.corpus import Piece
from drawbar.corpus.composer.harmony import QUALITIES
from drawbar.corpus.composer.piece import Chord
from drawbar.files.json_object import JsonObject

SHUFFLES = 50
_ORDERS = 10

Clips = Sequence[NDArray[np.float32]]


def agreement(scores: NDArray[np.float32], truth: NDArray[np.bool_], judges: Detectors) -> JsonObject:
    """Balanced accuracy of each factor's detector against what was asked, and with shuffled prompts.

    ``leads`` and ``drums`` are the means over their factors; a factor that all or none asked for has no figure.
    """
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(truth)) for _ in range(SHUFFLES)]
    factors: dict[str, dict[str, float]] = {}
    for column, name in enumerate(judges.names):
        asked, heard = truth[:, column], scores[:, column]
        if asked.all() or not asked.any():
            continue
        threshold = judges.reports[name].threshold
        shuffled = [balanced_accuracy(heard, asked[order], threshold) for order in orders]
        factors[name] = {
            "balanced_accuracy": balanced_accuracy(heard, asked, threshold),
            "shuffled": float(np.mean(shuffled)),
            "asked": int(asked.sum()),
            "heard": int((heard > threshold).sum()),
        }
    kept, chance = (
        {name: factor[key] for name, factor in factors.items()} for key in ("balanced_accuracy", "shuffled")
    )
    mean = _mean(kept.values())
    return {
        "balanced_accuracy": mean,
        "shuffled": _mean(chance.values()),
        "above_shuffled": mean - _mean(chance.values()),
        "leads": _mean(value for name, value in kept.items() if name.startswith("lead:")),
        "drums": _mean(value for name, value in kept.items() if name.startswith("drums:")),
        "factors": factors,
    }


def tempo_kept(clips: Clips, pieces: Sequence[Piece]) -> dict[str, float]:
    """Shares of the clips whose tempo is within 4 % of the piece's, and within 4 % of it or its octaves."""
    heard = [(heard_tempo(clip), piece.tempo_bpm) for clip, piece in zip(clips, pieces, strict=True)]
    return {
        "within_4_percent": _mean(tempo_matches(bpm, asked) for bpm, asked in heard),
        "or_an_octave": _mean(tempo_matches(bpm, asked, octave=True) for bpm, asked in heard),
    }


def key_kept(clips: Clips, pieces: Sequence[Piece]) -> dict[str, float]:
    """Shares of the clips in the piece's key and mode, and on its tonic, of pieces with more than drums."""
    heard = [
        (heard_key(clip) or (-1, ""), piece)
        for clip, piece in zip(clips, pieces, strict=True)
        if any(part.role != "drums" for part in piece.parts)
    ]
    return {
        "key_and_mode": _mean(key == (piece.key, piece.mode) for key, piece in heard),
        "tonic": _mean(key[0] == piece.key for key, piece in heard),
        "clips": len(heard),
    }


def chords_kept(clips: Clips, pieces: Sequence[Piece]) -> dict[str, float]:
    """Share of the chords (one a bar, or two) heard where they were asked for, of pieces with a chord part.

    ``shuffled`` is the same with each piece's own chords in another order, ``other_prompts`` with the chords of
    another piece.
    """
    rng = np.random.default_rng(0)
    heard: list[tuple[NDArray[np.float64], list[Chord]]] = []
    for clip, piece in zip(clips, pieces, strict=True):
        asked = [chord for chord in piece.chords if chord.end_s <= clip.size / SAMPLE_RATE_HZ]
        if asked and any(part.role == "chords" for part in piece.parts):
            heard.append((chroma_in(clip, [(chord.start_s, chord.end_s) for chord in asked]), asked))
    kept, shuffled, foreign = [], [], []
    for place, (chroma, asked) in enumerate(heard):
        kept += _fits(chroma, asked)
        for _ in range(_ORDERS):
            shuffled += _fits(chroma, [asked[at] for at in rng.permutation(len(asked))])
        for step in range(1, min(len(heard), _ORDERS)):
            foreign += _fits(chroma, heard[(place + step) % len(heard)][1])
    return {
        "kept": _mean(kept),
        "shuffled": _mean(shuffled),
        "other_prompts": _mean(foreign),
        "chords": len(kept),
    }


def _fits(chroma: NDArray[np.float64], asked: Sequence[Chord]) -> list[bool]:
    """As many as the shorter of both has."""
    return [
        chord_fits(one, chord.root, QUALITIES[chord.quality])
        for one, chord in zip(chroma, asked, strict=False)
    ]


def notes_kept(clips: Clips, pieces: Sequence[Piece], transcriber: Transcriber) -> dict[str, float]:
    """Notes a second that the transcriber hears, and how well their pitch classes agree with the written ones.

    ``pitch_class_agreement`` is the mean cosine of the seconds in which each pitch class sounds and is written, of
    pieces with more than drums; ``other_prompts`` is the same against the next piece.
    """
    heard = [transcriber.notes(clip) for clip in clips]
    written = [_written(piece, clip.size / SAMPLE_RATE_HZ) for clip, piece in zip(clips, pieces, strict=True)]
    pitched = [at for at, classes in enumerate(written) if classes.any()]
    following = [*pitched[1:], *pitched[:1]]
    return {
        "notes_per_s": float(np.median([one.notes_per_s for one in heard])),
        "pitch_class_agreement": _mean(_cosine(heard[at].pitch_classes, written[at]) for at in pitched),
        "other_prompts": _mean(
            _cosine(heard[at].pitch_classes, written[other])
            for at, other in zip(pitched, following, strict=True)
        ),
    }


def _written(piece: Piece, seconds: float) -> NDArray[np.float64]:
    """Seconds in which each pitch class is written, [12]."""
    drums = {part.name for part in piece.parts if part.role == "drums"}
    classes = np.zeros(12)
    for note in piece.notes:
        if note.part not in drums:
            classes[note.pitch % 12] += max(0.0, min(note.duration_s, seconds - note.start_s))
    return classes


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")
