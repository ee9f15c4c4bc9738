"""A model -> its quality: codec, cross-entropy, whether its takes are music and play what the prompt says.

Everything is measured on composer seeds that no training has seen. Takes, and composed pieces through the codec, are
held against the composed pieces by measures and detectors that have never seen a residual; what those find in the
composed pieces themselves is the ceiling, shuffled prompts and progressions are the chance level.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drawbar.audio_analysis import Detectors
from drawbar.audio_analysis.distances import compared, measured
from drawbar.audio_analysis.music_measures import SHORTEST_S
from drawbar.audio_analysis.transcriber import Transcriber, has_transcriber
from drawbar.bench.clips import Composed, Progress, composed_clips, load_detectors
from drawbar.bench.model_music import FAULTS, PIECE_S, PROMPT_SEED, SETS, Compared, gather, music
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import json_value
from drawbar.musicgen import Model
from drawbar.paths import embedded_model_dir

GOALS = {
    "codec": 0.25,
    "chroma": 0.95,
    "ks_mean": 0.25,
    "ks_pulse": 0.35,
    "ks_worst": 0.5,
    "ks_codec": 0.15,
    "balanced_accuracy": 0.85,
    "part": 0.7,
    "tempo": 0.8,
    "key": 0.7,
    "chords": 0.6,
    "above_shuffled_chords": 0.3,
    "auroc": 0.95,
}
QUICK = ("pulse", "chord_change", "noise_share", "tonal_share")
COLUMNS = ("measure", "composed", "codec alone", "generated", "goal")


def run(
    model: Model,
    *,
    clips: int = 100,
    seconds: float = 8.0,
    held_out: int = 20,
    guidance: float = 3.0,
    soundfont: str | Path | None = None,
    detectors: Detectors | None = None,
    progress: Progress | None = None,
) -> tuple[JsonObject, Compared]:
    """Measure everything; plain JSON values, and the clips that were measured.

    ``clips`` takes are generated and held against as many composed pieces, ``held_out`` whole pieces are coded for the
    cross-entropy (0 leaves that out). Notes are heard where the extra ``transcriber`` is installed.

    Raises:
        BadInputError: there is no soundfont to compose held-out pieces with, or clips are shorter than 2.5 s.
        CheckpointError: there are no detectors to judge with.
    """
    if seconds < SHORTEST_S:
        raise BadInputError(
            f"clips of {seconds:g} s are too short to measure: ask for {SHORTEST_S:g} s or more"
        )
    tell = progress or (lambda _what, _share: None)
    started = time.monotonic()
    judges = detectors or load_detectors()
    result: JsonObject = {
        "model": {"name": model.spec.name, "fingerprint": model.fingerprint},
        "settings": {"clips": clips, "seconds": seconds, "held_out": held_out, "guidance": guidance},
        "training": training_record(),
        "detectors": {name: vars(report) for name, report in judges.reports.items()},
    }
    if held_out:
        result["cross_entropy"] = teacher_forced(model, held_out, soundfont, tell)
    heard = gather(
        model,
        clips,
        seconds,
        guidance=guidance,
        soundfont=soundfont,
        tell=lambda what, share: tell(what, 0.3 + 0.4 * share),
    )
    size = round(seconds * model.spec.sample_rate_hz)
    others = (
        clip.audio[:size]
        for clip in composed_clips(clips, max(seconds, PIECE_S), soundfont, PROMPT_SEED + clips)
    )
    transcriber = Transcriber() if has_transcriber() else None
    result["music"] = music(
        heard, judges, others, transcriber, lambda what, share: tell(what, 0.7 + 0.3 * share)
    )
    result["wall_s"] = round(time.monotonic() - started, 1)
    return result, heard


def quick(
    model: Model,
    pieces: int = 8,
    seconds: float = 8.0,
    *,
    guidance: float = 3.0,
    soundfont: str | Path | None = None,
    first: int = PROMPT_SEED,
) -> dict[str, dict[str, float]]:
    """Only pulse, chord change, noise and tonal share, of a handful of takes and their pieces: for training logs."""
    clips = gather(model, pieces, seconds, guidance=guidance, soundfont=soundfont, first=first).sets()
    figures = {name: measured(clips[name]) for name in SETS}
    return compared(figures["composed"], {name: figures[name] for name in SETS[1:]}, QUICK)


@torch.inference_mode()
def teacher_forced(model: Model, count: int, soundfont: str | Path | None, tell: Progress) -> JsonObject:
    """Cross-entropy of held-out pieces, coded and read by the decoder with their prompts."""
    seconds = min(PIECE_S, model.spec.context_frames / model.spec.frame_rate_hz)
    tokens: list[NDArray[np.int64]] = []
    nats: list[NDArray[np.float64]] = []
    for done, clip in enumerate(composed_clips(count, seconds, soundfont)):
        tell(f"coding held-out piece {done + 1} of {count}", 0.3 * done / count)
        codes: Tensor = model.codec.encode(torch.from_numpy(clip.audio)[None, None])
        tokens.append(codes[0].cpu().numpy())
        nats.append(_cross_entropy(model, codes, clip))
    return {
        "nats": np.mean(nats, axis=0).tolist(),
        "unigram_nats": unigram_nats(tokens, model.spec.card).tolist(),
        "card": model.spec.card,
        "pieces": count,
        "seconds": seconds,
    }


def _cross_entropy(model: Model, codes: Tensor, clip: Composed) -> NDArray[np.float64]:
    """Mean negative log-likelihood per codebook, nats [K]; positions without a valid step are left out."""
    logits: Tensor = model.logits(codes, [clip.prompt])[0].float().cpu()
    loss = functional.cross_entropy(logits.permute(0, 2, 1), codes[0].cpu().long(), reduction="none")
    mean: NDArray[np.float64] = loss.nanmean(dim=-1).double().numpy()
    return mean


def unigram_nats(tokens: Sequence[NDArray[np.int64]], card: int) -> NDArray[np.float64]:
    """Cross-entropy per codebook of token frequencies counted on the *other* pieces (add-one), nats [K]."""
    n_q = tokens[0].shape[0]
    counts = np.stack([[np.bincount(piece[k], minlength=card) for k in range(n_q)] for piece in tokens])
    others = counts.sum(axis=0) - counts + 1.0
    log_p = np.log(others / others.sum(axis=-1, keepdims=True))
    total: NDArray[np.float64] = -(counts * log_p).sum(axis=(0, 2)) / counts.sum(axis=(0, 2))
    return total


def training_record(folder: Path | None = None) -> JsonObject | None:
    """What ``training.json`` beside the model says about how long and on what it was trained."""
    try:
        record = json_value(((folder or embedded_model_dir()) / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else {"record": record}


def rows(result: JsonMapping) -> list[tuple[str, object, object, object, str]]:
    found = result["music"]
    lines: list[tuple[str, object, object, object, str]] = []
    for name, row in found["measures"].items():
        if name != "mean":
            lines.append((name, *(row[kind] for kind in SETS), ""))
    lines += [
        (f"KS {name}", "", row["ks_codec"], row["ks_generated"], _ks_goal(name))
        for name, row in found["measures"].items()
    ]
    lines.append(("Frechet distance, detectors' last layer", *_sets(found["frechet"]), ""))
    alone = found["codec_alone"]
    lines += [
        ("chroma cosine", "", alone["chroma_cosine"], "", f">= {GOALS['chroma']}"),
        ("log10-mel distance", "", alone["log10_mel_distance"], "", f"<= {GOALS['codec']}"),
        ("tempo within 4 %", *_sets(found["tempo"], "within_4_percent"), ""),
        ("... or an octave", *_sets(found["tempo"], "or_an_octave"), f">= {GOALS['tempo']}"),
        ("key and mode", *_sets(found["key"], "key_and_mode"), f">= {GOALS['key']}"),
        ("chords kept", *_sets(found["chords"], "kept"), f">= {GOALS['chords']}"),
        (
            "... in another order",
            *_sets(found["chords"], "shuffled"),
            f"{GOALS['above_shuffled_chords']} lower",
        ),
        ("... of another prompt", *_sets(found["chords"], "other_prompts"), ""),
        ("leads kept, balanced accuracy", *_sets(found["factors"], "leads"), f">= {GOALS['part']} each"),
        ("drums kept, balanced accuracy", *_sets(found["factors"], "drums"), f">= {GOALS['part']} each"),
        (
            "all factors kept",
            *_sets(found["factors"], "balanced_accuracy"),
            f">= {GOALS['balanced_accuracy']}",
        ),
        ("... with shuffled prompts", *_sets(found["factors"], "shuffled"), ""),
        *_factor_lines(found["factors"]),
    ]
    if found["notes"]:
        lines += [
            ("notes a second (transcriber)", *_sets(found["notes"], "notes_per_s"), ""),
            ("pitch classes agree", *_sets(found["notes"], "pitch_class_agreement"), ""),
            ("... of another prompt", *_sets(found["notes"], "other_prompts"), ""),
        ]
    lines += [(f"clips {fault.replace('_', ' ')}", *_sets(found["faults"], fault), "0") for fault in FAULTS]
    if "cross_entropy" in result:
        entropy = result["cross_entropy"]
        lines += [
            (f"cross-entropy, codebook {k + 1} (unigram)", "", "", f"{ours:.2f} ({unigram:.2f})", "")
            for k, (ours, unigram) in enumerate(zip(entropy["nats"], entropy["unigram_nats"], strict=True))
        ]
    aurocs = [report["auroc"] for report in result["detectors"].values()]
    lines += [
        ("detectors' AUROC, mean", float(np.nanmean(aurocs)), "", "", f">= {GOALS['auroc']}"),
        ("detectors' AUROC, lowest", float(np.nanmin(aurocs)), "", "", ""),
    ]
    training = result["training"] or {}
    plain = {key: value for key, value in training.items() if isinstance(value, (str, int, float))}
    lines += [(f"trained: {key}", "", "", value, "") for key, value in plain.items()]
    return [*lines, ("measured in", "", "", f"{result['wall_s']:g} s", "")]


def _sets(found: JsonMapping, key: str | None = None) -> tuple[object, object, object]:
    """One figure of each of SETS."""
    composed, codec, generated = (found[name] if key is None else found[name][key] for name in SETS)
    return composed, codec, generated


def _ks_goal(name: str) -> str:
    if name == "mean":
        return f"<= {GOALS['ks_mean']}, codec {GOALS['ks_codec']}"
    return f"<= {GOALS['ks_pulse' if name == 'pulse' else 'ks_worst']}"


def _factor_lines(factors: JsonMapping) -> list[tuple[str, object, object, object, str]]:
    """One line a factor, with how many prompts asked for it."""
    asked = factors["generated"]["factors"]
    return [
        (
            f"    {name} ({row['asked']})",
            *(factors[kind]["factors"][name]["balanced_accuracy"] for kind in SETS),
            "",
        )
        for name, row in asked.items()
    ]


def quick_rows(found: Mapping[str, Mapping[str, float]]) -> list[tuple[object, ...]]:
    """What :func:`quick` gave, under measure, composed, codec alone, generated, KS codec, KS generated."""
    return [
        (name, *(row.get(kind, "") for kind in SETS), row["ks_codec"], row["ks_generated"])
        for name, row in found.items()
    ]
