"""A folder -> a small random model and a bank of six features with examples and evidence cards."""

from pathlib import Path
from typing import Any

import numpy as np

from drawbar.bank import (
    Bank,
    BankInfo,
    Example,
    FeatureRecord,
    Label,
    LabelRecord,
    LayerDirections,
    Quantiles,
)
from drawbar.musicgen import load_model
from tests.musicgen.tiny import SPEC, write_checkpoint

LAYER = 1
LABELS = ("jazz drums", "choir chords", "slap bass", "flute lead", "high register", "")
VERDICTS = ("proven", "proven", "weak", "not shown", "harmful", "untested")
BINS = ("top", "top", "q75", "q50", "q25", "silent")
FRAMES = 50
DOSES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)


def write_assets(folder: Path, *, evidence: bool = True) -> Path:
    """Write ``model/`` and ``bank/`` for DRAWBAR_ASSETS -> the folder."""
    write_checkpoint(folder / "model")
    fingerprint = load_model(folder / "model").fingerprint
    info = BankInfo("six", SPEC.name, fingerprint, (LAYER,), SPEC.d_model, n_q=SPEC.n_q)
    with Bank.create(folder / "bank", info, edits=folder / "edits") as bank:
        fill(bank, evidence=evidence)
    return folder


def fill(bank: Bank, *, evidence: bool = True) -> None:
    """Six features, the last of them unnamed."""
    rng = np.random.default_rng(0)
    count = len(LABELS)
    bank.write_features(_feature(i, evidence) for i in range(count))
    bank.write_labels(
        LabelRecord(f"{LAYER}/{i}", Label(text, "truth", "auroc", 0.95 - 0.05 * i))
        for i, text in enumerate(LABELS)
        if text
    )
    rows = rng.normal(size=(count, SPEC.d_model))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    zeros = np.zeros(count)
    scale = np.full(count, 2.0)
    directions = LayerDirections(np.arange(count), rows, rows, zeros, np.zeros(SPEC.d_model), scale, zeros)
    bank.write_directions([(LAYER, directions)], dtype="float32")
    bank.write_examples(
        (f"{LAYER}/{i}", _example(rng, i, n, bin)) for i in range(count) for n, bin in enumerate(BINS)
    )


def _feature(i: int, evidence: bool) -> FeatureRecord:
    told: dict[str, Any] = {}
    if evidence and VERDICTS[i] != "untested":
        told = {
            "verdict": VERDICTS[i],
            "proof": 3.0 - i,
            "usable_range": (-1.5, 0.5) if i == 2 else (-2.0, 2.0),
            "evidence": card(i),
        }
    return FeatureRecord(
        LAYER, i, density=0.1, clip_density=0.5, quantiles=Quantiles(0.5, 1.0, 2.0, 2.2), **told
    )


def _example(rng: np.random.Generator, i: int, n: int, bin: str) -> Example:
    tokens = rng.integers(0, SPEC.card, (SPEC.n_q, FRAMES)).astype(np.uint16)
    active = np.zeros(FRAMES, np.float32) if bin == "silent" else rng.random(FRAMES).astype(np.float32)
    return Example(tokens, 0, FRAMES, active, bin, f"clip-{i}-{n}", "MIT")


def card(i: int) -> dict[str, Any]:
    """An evidence card as the bank stores it; feature 0 moves its judge most."""
    gain = (1.4, 0.9, 0.4, 0.1, -0.2)[i]
    side = {
        "slope": gain,
        "interval": [gain - 0.2, gain + 0.2],
        "p": 0.005 * (1 + i),
        "q": 0.01 * (1 + 2 * i),
    }
    side |= {"usable": 2.0, "noticeable": 0.8, "saturation": None, "seeds_needed": 4}
    curve = [{"amount": a, "effect": gain * a, "low": gain * a - 0.3, "high": gain * a + 0.3} for a in DOSES]
    band = [{"amount": a, "effect": 0.0, "low": -0.4 * abs(a), "high": 0.4 * abs(a)} for a in DOSES]
    means = [{"amount": a, "effect": 0.7 * a, "low": 0.6 * a, "high": 0.8 * a} for a in DOSES]
    return {
        "format": 1, "measure": f"detector:{LABELS[i]}", "judge": "detector", "unit": "sd between takes",
        "label_judged": True, "doses": curve, **{k: side[k] for k in ("slope", "interval", "p", "q")},
        "up": side, "down": side | {"usable": 1.5},
        "controls": {"random directions": {"doses": band}, "difference in means": {"doses": means}},
        "side_effects": {"descriptor:loudness_db": 0.3, "detector:bass": -0.2}, "specificity": 4.0 - i,
        "second_judge": {"judge": "descriptor", "measure": "descriptor:onset_strength", "slope": 0.5,
                         "agrees": i != 1},
        "guards": [{"amount": a, "ce_ratio": [1.01, 1.0, 1.0, 1.0], "loudness_db": 0.4, "silent_share": 0.0,
                    "clipped_share": 0.0, "repetition": 0.01, "holds": abs(a) < 2, "broken": []} for a in DOSES],
        "auc": {"effect_preservation": 0.4 - 0.05 * i, "difference_in_means": 0.3}, "notes": [],
    }  # fmt: skip
