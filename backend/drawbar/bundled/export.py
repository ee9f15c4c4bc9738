"""Trained networks -> the shipped files: model folder, detectors, bank."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from drawbar.audio_analysis.detector_training import DetectorSettings, Example, train_detectors
from drawbar.bundled.decoder_training import Language
from drawbar.bundled.material import Material
from drawbar.corpus import CONCEPTS
from drawbar.features.profile import ProfileSettings
from drawbar.musicgen.checkpoint.weights import save_hf
from drawbar.musicgen.codec.bands import BandCodec
from drawbar.pipeline import BuildSettings, Progress, SweepSettings, build
from drawbar.sae import SaeSettings

FACTORS: tuple[str, ...] = tuple(
    name for name in CONCEPTS if name.split(":")[0] in ("drums", "bass", "chords", "lead")
)
"""What the detectors listen for: the four roles and the instrument or style of each."""


def export_model(folder: Path, language: Language, codec: BandCodec, training: dict[str, object]) -> None:
    """Writes the Hugging Face layout and ``training.json``; the old folder is replaced only once all is written."""
    fresh = folder.with_name(folder.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    language.tokenizer.save_pretrained(fresh)
    save_hf(fresh, language.decoder.spec, language.decoder, language.text_encoder, fresh, codec)
    (fresh / "training.json").write_text(json.dumps(training, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def round_trips(
    codec: BandCodec, material: Material, tokens: Path, seeds: Sequence[int], seconds: float
) -> Iterator[Example]:
    """Pieces as the codec returns them (audio ``[N]``) with the truth of FACTORS per frame ``[T, C]``."""
    columns = [CONCEPTS.index(name) for name in FACTORS]
    for seed in seeds:
        truth = material.concepts(seed)
        frames = int(seconds * codec.frame_rate_hz)
        start = (seed * 7919) % max(1, len(truth) - frames)
        coded = np.load(tokens / f"{seed}.npy")[:, start : start + frames].astype(np.int64)
        audio = codec.decode(torch.from_numpy(coded)[None])[0, 0].numpy()
        yield audio, truth[start : start + frames, columns]


def export_detectors(
    folder: Path, codec: BandCodec, material: Material, tokens: Path, say: Callable[[str], None]
) -> None:
    """Trains the judges on round trips of composed audio; writes them with their held-out AUROC."""
    last = -1.0

    def progress(what: str, share: float) -> None:
        nonlocal last
        if share - last >= 0.1:
            last = share
            say(f"detectors: {what} {share:.0%}")

    detectors = train_detectors(
        round_trips(codec, material, tokens, material.seeds(), 12.0),
        round_trips(codec, material, tokens, material.seeds(held_out=True), 12.0),
        FACTORS,
        DetectorSettings(epochs=14, limit_s=900),
        progress,
    )
    detectors.save(folder)
    worst = sorted(detectors.reports.items(), key=lambda item: item[1].auroc)
    say("detectors: held-out AUROC " + ", ".join(f"{name} {report.auroc:.3f}" for name, report in worst))


def export_bank(
    folder: Path,
    work: Path,
    pieces: int,
    layers: tuple[int, ...],
    say: Callable[[str], None],
    *,
    sae: SaeSettings | None = None,
    sae_layers: Mapping[str, Mapping[str, object]] | None = None,
    sweep: SweepSettings | None = None,
) -> None:
    """Builds the bank as ``drawbar build`` does, on freshly composed pieces, and copies it to ``folder``.

    ``sae`` holds for all layers, ``sae_layers`` changes it at single ones, ``sweep`` trains a grid of others
    beside them and leaves its table in ``work/sweep-table``.
    """
    shown = ""

    def progress(at: Progress) -> None:
        nonlocal shown
        if at.stage != shown or at.done == at.total:
            shown = at.stage
            say(f"bank: {at.stage} {at.done}/{at.total} {at.unit}")

    settings = BuildSettings(
        f"composed:{pieces}",
        out=work,
        name="Embedded model",
        layers=layers,
        licence="Apache-2.0",
        min_firings=200,
        sae=sae or SaeSettings(),
        sae_layers=sae_layers or {},
        sweep=sweep or SweepSettings(),
        profile=ProfileSettings(window_frames=150, top=2, pool_clips=48),  # model and bank: 40 MB together
    )
    result = build(settings, progress)
    for layer, metrics in result.metrics.items():
        say(f"bank: layer {layer} " + json.dumps({name: round(value, 4) for name, value in metrics.items()}))
    say(f"bank: {result.features} features, {result.labels} labels from {result.frames} frames")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(result.bank, folder)
