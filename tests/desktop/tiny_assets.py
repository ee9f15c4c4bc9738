"""A folder -> the embedded model and bank in small and random, for `DRAWBAR_ASSETS`."""

from pathlib import Path

import numpy as np

from drawbar.bank import (
    Bank,
    BankInfo,
    Example,
    FeatureRecord,
    Histogram,
    Label,
    LabelRecord,
    LayerDirections,
    Quantiles,
)
from drawbar.musicgen import load_model
from tests.desktop.fakes import LABELS
from tests.musicgen.tiny import SPEC, write_checkpoint

LAYER, FEATURES = 1, 24


def write_assets(folder: Path) -> Path:
    """Write `model/` and `bank/`; returns the folder."""
    write_checkpoint(folder / "model")
    fingerprint = load_model(folder / "model").fingerprint
    info = BankInfo("tiny", SPEC.name, fingerprint, (LAYER,), SPEC.d_model, n_q=SPEC.n_q)
    bank = Bank.create(folder / "bank", info)
    rng = np.random.default_rng(0)
    p99 = rng.uniform(1, 3, FEATURES)
    bank.write_features(_feature(i, float(p99[i])) for i in range(FEATURES))
    bank.write_labels(
        LabelRecord(f"{LAYER}/{i}", Label(text, author, "auroc", score))
        for i, (text, author, score) in enumerate(LABELS)
    )
    rows = rng.normal(size=(FEATURES, SPEC.d_model))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    zeros = np.zeros(FEATURES)
    directions = LayerDirections(
        np.arange(FEATURES), rows, rows, zeros, np.zeros(SPEC.d_model), p99.copy(), zeros
    )
    bank.write_directions([(LAYER, directions)])
    bank.write_examples((f"{LAYER}/{i}", _example(rng, i)) for i in range(FEATURES))
    bank.close()
    return folder


def _feature(i: int, p99: float) -> FeatureRecord:
    return FeatureRecord(
        LAYER, i, density=0.1, clip_density=0.5, quantiles=Quantiles(p99 / 4, p99 / 2, p99, p99 * 1.2),
        histogram=Histogram(tuple(float(x) for x in np.linspace(0, p99, 9)), (9, 8, 7, 6, 5, 4, 3, 2)),
        correlations={"loudness_db": 0.4}, neighbours=((f"{LAYER}/{(i + 1) % FEATURES}", 0.3),),
        usable_range=(-1.0, 1.5),
    )  # fmt: skip


def _example(rng: np.random.Generator, i: int) -> Example:
    tokens = rng.integers(0, SPEC.card, (SPEC.n_q, 50)).astype(np.uint16)
    return Example(tokens, 0, 50, rng.random(50).astype(np.float32), "top", f"clip-{i}")
