"""A model -> its quality: codec distance, cross-entropy, and whether it plays what the prompt says.

Everything is measured on composer seeds that no training has seen. The generated clips are judged by
detectors that have never seen a residual; the same judgement with shuffled prompts is the chance level, and
the same detectors on the composed pieces themselves (after the codec) are the ceiling.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drawbar.audio_analysis import Detectors, balanced_accuracy, descriptors, log_mel_distance
from drawbar.bench.clips import (
    Composed,
    Progress,
    composed_clips,
    factors_of,
    generated_clips,
    load_detectors,
)
from drawbar.corpus import HELD_OUT_SEED, compose, prompt_for
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen import Model
from drawbar.paths import embedded_model_dir

PROMPT_SEED = HELD_OUT_SEED + 100_000
"""Prompts come from seeds that neither training nor the detectors' own test has used."""
CLIP_SEED = 1_000
SHUFFLES = 50
SILENT_DB = -60.0
FULL_SCALE = 0.999

GOALS = {"codec": 0.35, "balanced_accuracy": 0.75, "above_shuffled": 0.20, "auroc": 0.95, "clipped": 0.001}


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
) -> JsonObject:
    """Measure everything; plain JSON values.

    Raises:
        BadInputError: there is no soundfont to compose held-out pieces with.
        CheckpointError: there are no detectors to judge with.
    """
    tell = progress or (lambda _what, _share: None)
    started = time.monotonic()
    judges = detectors or load_detectors()
    result: JsonObject = {
        "model": {"name": model.spec.name, "fingerprint": model.fingerprint},
        "training": training_record(),
        "detectors": {name: vars(report) for name, report in judges.reports.items()},
    }
    result |= coded(model, held_out, soundfont, judges, tell)
    tell("generating", 0.3)
    pieces = [compose(seed=PROMPT_SEED + index, seconds=30.0) for index in range(clips)]
    audio = list(
        generated_clips(
            model,
            [prompt_for(piece) for piece in pieces],
            range(CLIP_SEED, CLIP_SEED + clips),
            seconds,
            guidance=guidance,
            told=lambda share: tell(f"generating {clips} clips of {seconds:g} s", 0.3 + 0.6 * share),
        )
    )
    result["faults"] = faults(audio, model.spec.sample_rate_hz)
    scores = np.stack([judges.batch_scores(np.nan_to_num(clip)[None])[0] for clip in audio])
    truth = np.stack([factors_of(piece, judges.names) for piece in pieces])
    result["prompts"] = agreement(scores, truth, judges) | {
        "clips": clips,
        "seconds": seconds,
        "guidance": guidance,
    }
    result["wall_s"] = round(time.monotonic() - started, 1)
    return result


@torch.inference_mode()
def coded(
    model: Model, count: int, soundfont: str | Path | None, judges: Detectors, tell: Progress
) -> JsonObject:
    """Held-out pieces through the codec and, teacher-forced with their prompts, through the decoder."""
    seconds = min(30.0, model.spec.context_frames / model.spec.frame_rate_hz)
    distances: list[float] = []
    tokens: list[NDArray[np.int64]] = []
    nats: list[NDArray[np.float64]] = []
    scores, truth = [], []
    for done, clip in enumerate(composed_clips(count, seconds, soundfont)):
        tell(f"coding held-out piece {done + 1} of {count}", 0.3 * done / count)
        source = torch.from_numpy(clip.audio)[None, None]
        codes: Tensor = model.codec.encode(source)
        back = model.codec.decode(codes)[..., : source.shape[-1]]
        distances.append(float(log_mel_distance(source, back, model.spec.sample_rate_hz)))
        tokens.append(codes[0].cpu().numpy())
        nats.append(_cross_entropy(model, codes, clip))
        scores.append(judges.batch_scores(back[0].numpy())[0])
        truth.append(factors_of(clip.piece, judges.names))
    uniform = unigram_nats(tokens, model.spec.card)
    ceiling = agreement(np.stack(scores), np.stack(truth), judges)
    return {
        "codec": {
            "log10_mel_distance": float(np.mean(distances)),
            "worst": float(np.max(distances)),
            "pieces": count,
            "seconds": seconds,
        },
        "cross_entropy": {
            "nats": np.mean(nats, axis=0).tolist(),
            "unigram_nats": uniform.tolist(),
            "card": model.spec.card,
        },
        "composed_ceiling": {key: ceiling[key] for key in ("balanced_accuracy", "above_shuffled")},
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


def agreement(scores: NDArray[np.float32], truth: NDArray[np.bool_], judges: Detectors) -> JsonObject:
    """Balanced accuracy of each factor's detector against what was asked, and with shuffled prompts."""
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
    mean = float(np.mean([f["balanced_accuracy"] for f in factors.values()])) if factors else float("nan")
    chance = float(np.mean([f["shuffled"] for f in factors.values()])) if factors else float("nan")
    return {
        "balanced_accuracy": mean,
        "shuffled": chance,
        "above_shuffled": mean - chance,
        "factors": factors,
    }


def faults(audio: Sequence[NDArray[np.float32]], sample_rate_hz: int) -> JsonObject:
    """How many clips are not finite, silent (half below -60 dB), or clipped in over 0.1 % of samples."""
    finite = [bool(np.isfinite(clip).all()) for clip in audio]
    loudness = [descriptors(np.nan_to_num(clip), sample_rate_hz)["loudness_db"] for clip in audio]
    clipped = [float(np.mean(np.abs(clip) >= FULL_SCALE)) for clip in audio]
    return {
        "clips": len(audio),
        "not_finite": int(len(finite) - sum(finite)),
        "silent": int(sum(np.median(curve) < SILENT_DB for curve in loudness)),
        "clipped": int(sum(share > GOALS["clipped"] for share in clipped)),
        "worst_clipped_share": max(clipped),
        "median_loudness_db": float(np.median(np.concatenate(loudness))),
    }


def training_record(folder: Path | None = None) -> JsonObject | None:
    """What ``training.json`` beside the model says about how long and on what it was trained."""
    try:
        record = json.loads(((folder or embedded_model_dir()) / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else {"record": record}


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    codec, entropy, said, bad = (result[key] for key in ("codec", "cross_entropy", "prompts", "faults"))
    aurocs = [report["auroc"] for report in result["detectors"].values()]
    lines: list[tuple[str, object, str]] = [
        ("codec log10-mel distance", codec["log10_mel_distance"], f"<= {GOALS['codec']}"),
        *(
            (f"cross-entropy, codebook {k + 1} (unigram)", f"{ours:.2f} ({unigram:.2f})", "")
            for k, (ours, unigram) in enumerate(zip(entropy["nats"], entropy["unigram_nats"], strict=True))
        ),
        (
            "prompt agreement, balanced accuracy",
            said["balanced_accuracy"],
            f">= {GOALS['balanced_accuracy']}",
        ),
        ("... above shuffled prompts", said["above_shuffled"], f">= {GOALS['above_shuffled']}"),
        ("... of composed pieces (ceiling)", result["composed_ceiling"]["balanced_accuracy"], ""),
        *((f"    {name} ({f['asked']})", f["balanced_accuracy"], "") for name, f in said["factors"].items()),
        (
            "clips not finite / silent / clipped",
            f"{bad['not_finite']} / {bad['silent']} / {bad['clipped']}",
            "0",
        ),
        ("detectors' AUROC, mean", float(np.nanmean(aurocs)), f">= {GOALS['auroc']}"),
        ("detectors' AUROC, lowest", float(np.nanmin(aurocs)), ""),
    ]
    training = result["training"] or {}
    plain = {key: value for key, value in training.items() if isinstance(value, (str, int, float))}
    lines += [(f"trained: {key}", value, "") for key, value in plain.items()]
    return [*lines, ("measured in", f"{result['wall_s']:g} s", "")]
