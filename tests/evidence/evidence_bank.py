"""A folder -> a small random model and a bank of six features with examples and evidence cards."""

from pathlib import Path
from typing import Any

import numpy as np

from drawbar.bank import (
    Bank,
    BankInfo,
    Evidence,
    Example,
    FeatureEvidence,
    FeatureRecord,
    Label,
    LabelRecord,
    LayerDirections,
    Quantiles,
    Trial,
)

LAYER = 1
D_MODEL, N_Q, CARD = 32, 4, 32
"""Of the small model of tests/musicgen; whoever needs only the bank need not load torch."""
LABELS = ("jazz drums", "choir chords", "slap bass", "flute lead", "high register", "")
VERDICTS = ("proven", "proven", "weak", "not shown", "harmful", "untested")
BINS = ("top", "top", "q75", "q50", "q25", "silent")
FRAMES = 50
DOSES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)


def write_assets(folder: Path, *, evidence: bool = True) -> Path:
    """Write ``model/`` and ``bank/`` for DRAWBAR_ASSETS -> the folder."""
    from drawbar.musicgen import load_model
    from tests.musicgen.tiny import SPEC, write_checkpoint

    assert (SPEC.d_model, SPEC.n_q, SPEC.card) == (D_MODEL, N_Q, CARD)
    write_checkpoint(folder / "model")
    fingerprint = load_model(folder / "model").fingerprint
    with Bank.create(folder / "bank", info_of(fingerprint), edits=folder / "edits") as bank:
        fill(bank, evidence=evidence)
    return folder


def info_of(fingerprint: str) -> BankInfo:
    """What the bank is."""
    return BankInfo("six", "tiny", fingerprint, (LAYER,), D_MODEL, n_q=N_Q)


def fill(bank: Bank, *, evidence: bool = True) -> None:
    """Six features, the last of them unnamed."""
    rng = np.random.default_rng(0)
    count = len(LABELS)
    bank.write_features(_feature(i) for i in range(count))
    bank.write_labels(
        LabelRecord(f"{LAYER}/{i}", Label(text, "truth", "auroc", 0.95 - 0.05 * i))
        for i, text in enumerate(LABELS)
        if text
    )
    rows = rng.normal(size=(count, D_MODEL))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    zeros = np.zeros(count)
    scale = np.full(count, 2.0)
    directions = LayerDirections(np.arange(count), rows, rows, zeros, np.zeros(D_MODEL), scale, zeros)
    bank.write_directions([(LAYER, directions)], dtype="float32")
    bank.write_examples(
        (f"{LAYER}/{i}", _example(rng, i, n, bin)) for i in range(count) for n, bin in enumerate(BINS)
    )
    if evidence:
        bank.write_evidence(evidence_of())


def _feature(i: int) -> FeatureRecord:
    return FeatureRecord(LAYER, i, density=0.1, clip_density=0.5, quantiles=Quantiles(0.5, 1.0, 2.0, 2.2))


def _example(rng: np.random.Generator, i: int, n: int, bin: str) -> Example:
    tokens = rng.integers(0, CARD, (N_Q, FRAMES)).astype(np.uint16)
    active = np.zeros(FRAMES, np.float32) if bin == "silent" else rng.random(FRAMES).astype(np.float32)
    return Example(tokens, 0, FRAMES, active, bin, f"clip-{i}-{n}", "MIT")


def evidence_of() -> Evidence:
    """Verdicts, cards, a summary and the trials of feature 0, as ``drawbar prove`` writes them."""
    features = tuple(
        FeatureEvidence(
            f"{LAYER}/{i}",
            verdict,
            3.0 - i,
            (-1.5, 0.5) if i == 2 else (-2.0, 2.0),
            card(i) if i < 5 else None,
        )
        for i, verdict in enumerate(VERDICTS)
        if verdict != "untested"
    )
    trials = [
        Trial("confirm", kind, id, LAYER, amount, prompt, seed, 0, 4, np.array([value, 0.0]))
        for seed, gain in ((7, 1.0), (8, 2.0), (9, 5.0))
        for prompt in ("slow piano",)
        for kind, id, amount, value in (
            ("unsteered", "", 0.0, 0.5),
            ("feature", f"{LAYER}/0", 1.0, 0.5 + gain),
            ("feature", f"{LAYER}/0", -1.0, 0.5 - gain),
        )
    ]
    documents = {
        "summary": SUMMARY,
        "preregistration": PREREGISTRATION,
        "measures": ["detector:jazz drums", "ce_0"],
    }
    return Evidence(features, documents, trials)


PREREGISTRATION: dict[str, Any] = {
    "digest": "ab" * 32, "site": "cd" * 32, "published": 6, "rules": ["survivors are those above the median"],
    "candidates": [
        {"id": f"{LAYER}/{i}", "label": LABELS[i], "target": f"detector:{LABELS[i]}"} for i in range(5)
    ],
    "settings": {"seed": 3, "pool": 20, "q": 0.05, "guidance": 3.0, "temperature": 1.0, "top_k": 8},
}  # fmt: skip
SUMMARY: dict[str, Any] = {
    "format": 1, "candidates": 5, "published": 6, "screened": 5, "confirmed": 5, "proven": 2,
    "proven_some_measure": 3, "weak": 1, "not_shown": 1, "harmful": 1, "concepts": 2, "concepts_proven": 1,
    "concept_rows": [
        {"concept": "drums:jazz", "probe_auroc": 0.99, "detector_auroc": 0.98, "slider": f"{LAYER}/0",
         "side": "up", "slope": 1.4, "interval": [1.2, 1.6], "p": 0.005, "q": 0.01, "proven": True},
        {"concept": "lead:flute", "probe_auroc": 0.96, "detector_auroc": None, "slider": None, "slope": None,
         "interval": None, "p": 1.0, "q": 1.0, "proven": False},
    ],
    "medians": {"effect": 0.9, "difference_in_means": 0.7, "specificity": 3.5, "usable_up": 2.0,
                "usable_down": 1.5, "noticeable_up": 0.8, "noticeable_down": None},
    "specific": {"at_least_3": 1, "of": 2},
    "null": {"directions": 25, "proven": 1, "rate": 0.04, "nominal": 0.05},
    "judges_agreement": {"compared": 4, "agree": 3, "contradict": 0},
    "failures": {"no more than random directions": 1, "quality breaks before it has an effect": 1,
                 "passes alone, not among all candidates": 1},
    "digest": "ab" * 32, "clips": 480, "wall_s": 120.0,
}  # fmt: skip


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
        "auc": {"effect_preservation": 0.4 - 0.05 * i, "difference_in_means": 0.3,
                "matched": {"preservation": 0.8, "effect": gain, "difference_in_means": 0.7}},
        "side": "up", "moves": [], "notes": ["no more than random directions"] if i == 3 else [],
    }  # fmt: skip
