"""Composed pieces, the same through the codec, and takes from their prompts -> every yardstick of music, side by side.

The pieces are held out. Every measure is taken of all three sets, so that what a take lacks, what the codec alone loses
and what the measure itself misses (the column of composed pieces, the ceiling) can be told apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.audio_analysis import Detectors, descriptors, log_mel_distance
from drawbar.audio_analysis.distances import chroma_cosine, compared, frechet_distance, measured
from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ
from drawbar.audio_analysis.music_measures import standstill_s
from drawbar.audio_analysis.transcriber import Transcriber
from drawbar.bench.clips import Progress, composed_clips, factors_of, generated_clips
from drawbar.bench.model_prompts import agreement, chords_kept, key_kept, notes_kept, tempo_kept
from drawbar.corpus import HELD_OUT_SEED, Piece
from drawbar.files.json_object import JsonObject
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import mono

PROMPT_SEED = HELD_OUT_SEED + 100_000
"""Prompts come from seeds that neither training nor the detectors' own test has used."""
PIECE_S = 30.0
"""Pieces are written at this length, as in training, and their beginning is used."""
CLIP_SEED = 1_000
SILENT_DB, FULL_SCALE, CLIPPED_SHARE = -60.0, 0.999, 0.001
STUCK_S = 4.0
SETS = ("composed", "codec", "generated")
FAULTS = ("not_finite", "silent", "clipped", "stuck")

Audio = NDArray[np.float32]
Clips = Sequence[Audio]


@dataclass(frozen=True)
class Compared:
    """Held-out pieces and their three kinds of sound, one clip a piece in each."""

    pieces: list[Piece]
    prompts: list[str]
    composed: list[Audio]
    codec: list[Audio]
    generated: list[Audio]

    def sets(self) -> dict[str, list[Audio]]:
        """The clips by the names of :data:`SETS`; what is not finite is silenced, and counted among the faults."""
        return {name: [np.nan_to_num(clip) for clip in getattr(self, name)] for name in SETS}


def gather(
    model: Model,
    count: int,
    seconds: float,
    *,
    guidance: float,
    soundfont: str | Path | None = None,
    first: int = PROMPT_SEED,
    tell: Progress = lambda _what, _share: None,
) -> Compared:
    """Compose ``count`` pieces, code them and generate from their prompts, ``seconds`` of each."""
    size = round(seconds * model.spec.sample_rate_hz)
    pieces, prompts, composed, codec = [], [], [], []
    for done, clip in enumerate(composed_clips(count, max(seconds, PIECE_S), soundfont, first)):
        tell(f"composing and coding piece {done + 1} of {count}", 0.2 * done / count)
        pieces.append(clip.piece)
        prompts.append(clip.prompt)
        composed.append(clip.audio[:size])
        codec.append(through(model, composed[-1]))
    takes = generated_clips(
        model,
        prompts,
        range(CLIP_SEED, CLIP_SEED + count),
        seconds,
        guidance=guidance,
        told=lambda share: tell(f"generating {count} clips of {seconds:g} s", 0.2 + 0.8 * share),
    )
    return Compared(pieces, prompts, composed, codec, [clip[:size] for clip in takes])


@torch.inference_mode()
def through(model: Model, clip: Audio) -> Audio:
    """A clip [N] encoded and decoded again."""
    back: Audio = mono(model.codec.decode(model.codec.encode(torch.from_numpy(clip)[None, None])))[
        0, 0
    ].numpy()
    return back[: clip.size]


def music(
    clips: Compared,
    judges: Detectors,
    others: Iterable[Audio],
    transcriber: Transcriber | None,
    tell: Progress,
) -> JsonObject:
    """Every yardstick as plain JSON values; ``others`` are further composed clips, for the distance's own floor."""
    sets = clips.sets()
    figures = {}
    for number, name in enumerate(SETS):
        tell(f"measuring {name} clips", 0.25 * number)
        figures[name] = measured(sets[name])
    tell("comparing with the prompts", 0.75)
    scores = {name: np.stack([judges.batch_scores(clip[None])[0] for clip in sets[name]]) for name in SETS}
    truth = np.stack([factors_of(piece, judges.names) for piece in clips.pieces])
    return {
        "measures": compared(figures["composed"], {name: figures[name] for name in SETS[1:]}),
        "frechet": _frechet(sets, list(others), judges),
        "codec_alone": codec_alone(sets["composed"], sets["codec"]),
        "factors": {name: agreement(scores[name], truth, judges) for name in SETS},
        "tempo": {name: tempo_kept(sets[name], clips.pieces) for name in SETS},
        "key": {name: key_kept(sets[name], clips.pieces) for name in SETS},
        "chords": {name: chords_kept(sets[name], clips.pieces) for name in SETS},
        "notes": transcriber and {name: notes_kept(sets[name], clips.pieces, transcriber) for name in SETS},
        "faults": {name: faults(getattr(clips, name), SAMPLE_RATE_HZ) for name in SETS},
    }


def _frechet(sets: dict[str, list[Audio]], others: Clips, judges: Detectors) -> dict[str, float]:
    """Of each set from other composed pieces, so that the composed set's own distance is the floor."""

    def rows(clips: Clips) -> NDArray[np.float32]:
        return np.concatenate([judges.embeddings(clip) for clip in clips])

    reference = rows(others)
    return {name: frechet_distance(reference, rows(sets[name])) for name in SETS}


def codec_alone(composed: Clips, coded: Clips) -> dict[str, float]:
    """Means over the clips of the chroma cosine and of the log10 mel distance."""
    pairs = list(zip(composed, coded, strict=True))
    distances = [
        float(log_mel_distance(torch.from_numpy(a), torch.from_numpy(b), SAMPLE_RATE_HZ)) for a, b in pairs
    ]
    return {
        "chroma_cosine": float(np.mean([chroma_cosine(a, b) for a, b in pairs])),
        "log10_mel_distance": float(np.mean(distances)),
    }


def faults(audio: Clips, sample_rate_hz: int) -> JsonObject:
    """How many clips are not finite, silent (half below -60 dB), clipped in over 0.1 % of samples, or stuck (4 s)."""
    finite = [bool(np.isfinite(clip).all()) for clip in audio]
    sound = [np.nan_to_num(clip, posinf=0.0, neginf=0.0) for clip in audio]
    loudness = [descriptors(clip, sample_rate_hz)["loudness_db"] for clip in sound]
    clipped = [float(np.mean(np.abs(clip) >= FULL_SCALE)) for clip in audio]
    silent = [bool(np.median(curve) < SILENT_DB) for curve in loudness]
    stuck = [
        not quiet and clip.size > STUCK_S * sample_rate_hz and standstill_s(clip) > STUCK_S
        for clip, quiet in zip(sound, silent, strict=True)
    ]
    return {
        "clips": len(audio),
        "not_finite": int(len(finite) - sum(finite)),
        "silent": int(sum(silent)),
        "clipped": int(sum(share > CLIPPED_SHARE for share in clipped)),
        "stuck": int(sum(stuck)),
        "worst_clipped_share": max(clipped),
        "median_loudness_db": float(np.median(np.concatenate(loudness))),
    }
