"""Sliders made from words -> one bank: their directions, cards and a few takes to listen to, ready to install.

What one evening without a corpus can have. Its features are the words; nothing of an SAE is in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

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
from drawbar.errors import BadInputError
from drawbar.evidence.words.make import METHOD, WordSlider
from drawbar.files.atomic_write import replace_folder
from drawbar.files.scratch import ScratchFolder
from drawbar.musicgen import Model
from drawbar.residuals.harvest import harvest
from drawbar.steering.own import OwnDirection

AUTHOR = "words"
_SHOWN = 4
"""Takes of each side that the bank keeps of a word."""
_NEAR = 5
_BARS = 24


@dataclass(frozen=True, eq=False)
class _Row:
    """One word on its way into the bank."""

    index: int
    made: WordSlider
    own: OwnDirection
    activations: NDArray[np.float32]
    """``[2 P, T]``: projections above those of takes without the word."""


def write_starter(
    folder: Path,
    model: Model,
    sliders: Sequence[WordSlider],
    *,
    name: str = "",
    licence: str = "unknown",
    created: str = "",
) -> Path:
    """Write the bank's folder, whole or not at all, in place of an older one.

    Raises BadInputError where no word gave a slider.
    """
    rows = [
        _Row(number, one, one.own, _activations(model, one, one.own))
        for number, one in enumerate(sliders)
        if one.own is not None
    ]
    if not rows:
        raise BadInputError(
            f"none of {len(sliders)} words gave a slider: {sliders[0].missing if sliders else 'no words'}"
        )
    layers = tuple(sorted({row.own.layer for row in rows}))
    info = BankInfo(
        name=name or f"{model.spec.name} starter",
        model_name=model.spec.name,
        fingerprint=model.fingerprint,
        layers=layers,
        d_model=model.spec.d_model,
        created=created,
        licence=licence,
        sae_settings={"method": METHOD},
        corpus="the model's own takes",
        n_q=model.spec.n_q,
        model_source=model.source,
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ScratchFolder(folder.parent) as work:
        with Bank.create(work / "bank", info, edits=work / "edits") as bank:
            bank.write_features(_record(row, rows) for row in rows)
            bank.write_labels(
                LabelRecord(f"{row.own.layer}/{row.index}", label) for row in rows for label in _labels(row)
            )
            bank.write_directions(((layer, _directions(layer, rows)) for layer in layers), dtype="float32")
            bank.write_examples(pair for row in rows for pair in _examples(row, licence))
        replace_folder(work / "bank", folder)
    return folder


def _activations(model: Model, made: WordSlider, own: OwnDirection) -> NDArray[np.float32]:
    assert made.takes is not None  # a direction was made of them
    vector = torch.from_numpy(np.array(own.vector, np.float32)).to(model.device)
    rows = [
        (part @ vector - own.rest).clamp(min=0).cpu()
        for batch in harvest(model, made.takes, [own.layer], batch=4)
        for part in batch.rows[own.layer].split(list(batch.frames))
    ]
    found: NDArray[np.float32] = torch.stack(rows).numpy().astype(np.float32)
    return found


def _record(row: _Row, rows: Sequence[_Row]) -> FeatureRecord:
    own, fires = row.own, row.activations > row.own.scale / 2
    heard = row.activations[fires] if fires.any() else np.array([own.scale], np.float32)
    p50, p90, p99, p999 = (float(v) for v in np.quantile(heard, (0.5, 0.9, 0.99, 0.999)))
    counts, edges = np.histogram(heard, bins=_BARS)
    near = sorted(
        (
            (f"{other.own.layer}/{other.index}", round(float(own.vector @ other.own.vector), 4))
            for other in rows
            if other is not row and other.own.layer == own.layer
        ),
        key=lambda pair: -pair[1],
    )
    finding = row.made.finding
    return FeatureRecord(
        layer=own.layer,
        index=row.index,
        density=float(fires.mean()),
        clip_density=float(fires.any(1).mean()),
        quantiles=Quantiles(p50, p90, p99, p999),
        histogram=Histogram(tuple(map(float, edges)), tuple(map(int, counts))),
        neighbours=tuple(near[:_NEAR]),
        usable_range=None if finding is None else finding.usable,
        verdict="untested" if finding is None else finding.verdict.name,
        proof=None if finding is None else finding.proof,
        evidence=None if finding is None else finding.card,
        tags=(METHOD,),
    )


def _labels(row: _Row) -> Iterator[Label]:
    about, asked = row.own.about, row.made.asked
    yield Label(
        row.made.word,
        AUTHOR,
        METHOD,
        float(about["auroc_difference"]),
        {
            "against": asked.against,
            "pairs": len(asked.seeds),
            "shuffled": about["auroc_shuffled"],
            "share": about.get("share"),
            "phrase": f"{len(asked.seeds)} pairs of the model's own takes, with and without {row.made.word!r}",
        },
    )


def _directions(layer: int, rows: Sequence[_Row]) -> LayerDirections:
    mine = [row for row in rows if row.own.layer == layer]
    vectors = np.stack([np.asarray(row.own.vector, np.float32) for row in mine])
    scale = np.array([row.own.scale for row in mine], np.float32)
    return LayerDirections(
        index=np.array([row.index for row in mine], np.int64),
        W_dec=vectors,
        W_enc=vectors,
        b_enc=np.array([-row.own.rest for row in mine], np.float32),
        b_dec=np.zeros(vectors.shape[1], np.float32),
        scale=scale,
        threshold=scale / 2,
    )


def _examples(row: _Row, licence: str) -> Iterator[tuple[str, Example]]:
    assert row.made.takes is not None  # a direction was made of them
    pairs, means = len(row.made.asked.seeds), row.activations.mean(1)
    having = np.argsort(-means[:pairs])[:_SHOWN]
    lacking = pairs + np.argsort(means[pairs:])[:_SHOWN]
    prompts = (*row.made.asked.having, *row.made.asked.lacking)
    for bin, places in (("top", having), ("silent", lacking)):
        for at in places.tolist():
            tokens = row.made.takes[at].numpy().astype(np.uint16)
            clip = f"{prompts[at]} ({row.made.asked.seeds[at % pairs]})"
            yield (
                f"{row.own.layer}/{row.index}",
                Example(tokens, 0, tokens.shape[1], row.activations[at], bin, clip, licence),
            )
