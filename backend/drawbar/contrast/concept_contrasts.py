"""Composed pieces and a model -> each concept's difference in means and probe at each layer; the same from a bank.

The composer knows what every frame holds, so the concepts of the embedded model need no labels. Other models take
their bank's own examples. Computed once: a second call with the same question reads the answer from a file.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from torch import Tensor

from drawbar.bank import Bank
from drawbar.contrast.contrast import (
    ContrastSettings,
    area_of,
    contrasts,
    cross_validated,
    differences,
)
from drawbar.corpus import CONCEPTS, DEFAULT_SOUNDFONT, HELD_OUT_SEED
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value
from drawbar.musicgen import Model
from drawbar.residuals.composed import SCOPES, Tokens, common_concepts, composed_tokens, rows_of
from drawbar.residuals.probes import dense_probe

Tell = Callable[[str, float], None]

FIRST_SEED = HELD_OUT_SEED + 300_000
"""Seeds that neither a training, a judge nor a benchmark has used."""


@dataclass(frozen=True)
class ConceptSettings:
    """How much is composed and how it is read. Raises BadInputError for impossible numbers."""

    pieces: int = 240
    seconds: float = 12.0
    first: int = FIRST_SEED
    """Composer seed of the first piece."""
    folds: int = 3
    """The pieces of one fold are read by what was fitted on the others."""
    every: int = 10
    """One frame in so many is kept (50 a second)."""
    clip_frames: int = 200
    """Length of a clip: 4 s."""
    least: int = 8
    """Pieces that must have a concept, and pieces that must lack it somewhere."""

    def __post_init__(self) -> None:
        if self.folds < 2 or self.pieces < 2 * self.folds or not 1 <= self.seconds <= 30:
            raise BadInputError(f"{self}: at least 2 folds, 2 pieces in each, and pieces of 1 to 30 s")


@dataclass(frozen=True, eq=False)
class ConceptContrast:
    """What tells the clips that have a concept from those that lack it, at one layer."""

    name: str
    layer: int
    vector: NDArray[np.float32]
    """``[D]``, unit length: the difference in means."""
    scale: float
    """Its norm: amount 1 moves the average of those that lack it to that of those that have it."""
    auroc_difference: float
    """On pieces that were left out, mean over the folds."""
    auroc_probe: float
    """Of a ridge readout of the whole residual, likewise."""
    positives: int
    """Frames or clips that have it."""
    negatives: int
    scope: str = "clip"
    """Whether whole clips were told apart or single ``frame``s."""
    spread_difference: float = field(default=float("nan"))
    """Standard deviation between the folds."""
    spread_probe: float = field(default=float("nan"))
    normal: NDArray[np.float32] | None = None
    """``[D]``, unit length: the probe's own direction, fitted on all pieces."""


def concept_contrasts(
    model: Model,
    layers: Sequence[int],
    folder: Path,
    *,
    scope: str = "clip",
    settings: ConceptSettings | None = None,
    soundfont: str | Path | None = None,
    progress: Tell | None = None,
) -> list[ConceptContrast]:
    """Every concept that occurs often enough, at every layer; concepts in the composer's order.

    Args:
        model: a loaded model whose residuals and codec read the pieces, with null text.
        layers: counted from 0.
        folder: a run's folder, which keeps the pieces' tokens and the answers.
        scope: ``clip`` (4 s) or ``frame``.
        settings: how much is composed.
        soundfont: a General MIDI soundfont.
        progress: told what is done and the share of it.

    Raises:
        BadInputError: another scope, no such layer, too few pieces, or no soundfont where pieces must be rendered.
    """
    how, font = settings or ConceptSettings(), Path(soundfont or DEFAULT_SOUNDFONT)
    if scope not in SCOPES or not layers:
        raise BadInputError(
            f"scope {scope!r}, layers {list(layers)}: use {' or '.join(SCOPES)}, and a layer or more"
        )
    tell = progress or (lambda _what, _share: None)
    asked = {"site": model.fingerprint, "settings": asdict(how), "concepts": CONCEPTS, "font": _mark(font)}
    answers = folder / f"contrasts-{_digest(asked | {'layers': list(layers), 'format': 2})}.safetensors"
    if not answers.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        tokens = _tokens(model, folder / f"pieces-{_digest(asked)}.safetensors", how, font, tell)
        tell("residuals of composed pieces", 0.5)
        found = _compared(model, tokens, layers, how, tell)
        _save(answers, found)
    return [one for one in _load(answers) if one.scope == scope]


def concept_examples(
    model: Model,
    folder: Path,
    *,
    settings: ConceptSettings | None = None,
    soundfont: str | Path | None = None,
    progress: Tell | None = None,
) -> dict[str, tuple[Tensor, Tensor]]:
    """The pieces behind `concept_contrasts`, cut into clips: concept -> ``[N, K, T]`` that have it in most of their
    frames, and ``[M, K, T]`` that lack it in all."""
    how, font = settings or ConceptSettings(), Path(soundfont or DEFAULT_SOUNDFONT)
    asked = {"site": model.fingerprint, "settings": asdict(how), "concepts": CONCEPTS, "font": _mark(font)}
    folder.mkdir(parents=True, exist_ok=True)
    tell = progress or (lambda _what, _share: None)
    pieces = _tokens(model, folder / f"pieces-{_digest(asked)}.safetensors", how, font, tell)
    clips = [
        (codes, truth.float().mean(0))
        for piece in pieces
        for codes, truth in zip(
            piece.codes.split(how.clip_frames, 1), piece.truth.split(how.clip_frames, 0), strict=True
        )
        if codes.shape[1] == how.clip_frames
    ]
    found = {}
    for column, name in enumerate(CONCEPTS):
        have = [codes for codes, share in clips if share[column] > 0.5]
        lack = [codes for codes, share in clips if share[column] == 0]
        if min(len(have), len(lack)) >= how.least:
            found[name] = torch.stack(have), torch.stack(lack)
    return found


def bank_contrasts(
    model: Model,
    bank: Bank,
    layers: Sequence[int],
    *,
    settings: ContrastSettings | None = None,
    progress: Tell | None = None,
) -> list[ConceptContrast]:
    """The same from a bank's own examples, for models that nobody composes for.

    A label's positives are the top examples of all features that carry it, its negatives their silent ones; labels
    with too few clips are left out. Raises SiteMismatchError for a bank of another model.
    """
    bank.require_site(model.fingerprint)
    how, tell = settings or ContrastSettings(), progress or (lambda _what, _share: None)
    carriers: dict[str, list[str]] = {}
    for row in bank.search(limit=bank.count() + 1):
        if row.label:
            carriers.setdefault(row.label, []).append(row.id)
    found: list[ConceptContrast] = []
    for number, (label, ids) in enumerate(sorted(carriers.items())):
        tell(f"contrast of {label}", number / len(carriers))
        loud, silent = _examples(bank, ids)
        if min(len(loud), len(silent)) < how.least:
            continue
        for one in contrasts(model, loud, silent, layers, how):
            found.append(
                ConceptContrast(
                    label,
                    one.layer,
                    one.vector,
                    one.scale,
                    one.difference.mean,
                    one.probe.mean,
                    one.positives,
                    one.negatives,
                    "clip",
                    one.difference.spread,
                    one.probe.spread,
                )
            )
    return found


def _examples(bank: Bank, ids: Sequence[str]) -> tuple[list[Tensor], list[Tensor]]:
    """Tokens of the top and of the silent examples, one of each stretch of a clip; what is both is neither."""
    sides: dict[str, dict[tuple[str, int], Tensor]] = {"top": {}, "silent": {}}
    for id in ids:
        for name, side in sides.items():
            for example in bank.examples(id, name):
                side[example.clip, example.start_frame] = torch.from_numpy(example.tokens.astype(np.int64))
    both = sides["top"].keys() & sides["silent"].keys()
    loud, silent = ([t for key, t in side.items() if key not in both] for side in sides.values())
    return loud, silent


def _compared(
    model: Model, pieces: Sequence[Tokens], layers: Sequence[int], how: ConceptSettings, tell: Tell
) -> list[ConceptContrast]:
    columns = common_concepts([pieces], how.least)
    rows = rows_of(pieces, model, layers, how.every, how.clip_frames, columns)
    names = [CONCEPTS[column] for column in columns]
    found: list[ConceptContrast] = []
    for number, layer in enumerate(layers):
        tell(f"directions and probes at layer {layer}", 0.7 + 0.3 * number / len(layers))
        for scope in SCOPES:
            side = rows.side(scope)
            x = rows.in_scope(rows.residuals[layer].float(), scope)
            areas = cross_validated(x, side.truth, side.piece, side.piece % how.folds)
            steps = differences(x, side.truth)
            normals = dense_probe(x, side.truth, side.piece).weight
            for c, name in enumerate(names):
                have, scale = int(side.truth[:, c].sum()), float(steps[:, c].norm())
                difference, probe = (area_of(area[:, c]) for area in areas)
                if min(have, len(x) - have) < how.least or not scale > 0:
                    continue
                found.append(
                    ConceptContrast(
                        name,
                        layer,
                        (steps[:, c] / scale).numpy(),
                        scale,
                        difference.mean,
                        probe.mean,
                        have,
                        len(x) - have,
                        scope,
                        difference.spread,
                        probe.spread,
                        (normals[:, c] / normals[:, c].norm().clamp_min(1e-12)).numpy(),
                    )
                )
    order = {name: place for place, name in enumerate(CONCEPTS)}
    return sorted(found, key=lambda one: (order[one.name], one.layer))


def _tokens(model: Model, path: Path, how: ConceptSettings, font: Path, tell: Tell) -> list[Tokens]:
    """Composed and encoded, or read from the file."""
    if not path.is_file():
        pieces = list(
            composed_tokens(
                model,
                how.pieces,
                how.seconds,
                first=how.first,
                soundfont=font,
                told=lambda done: tell(
                    f"composing and encoding piece {done} of {how.pieces}", 0.5 * done / how.pieces
                ),
            )
        )
        arrays = {
            "codes": torch.stack([one.codes for one in pieces]).numpy().astype(np.int32),
            "truth": torch.stack([one.truth for one in pieces]).numpy(),
        }
        with atomic(path) as part:
            save_file(arrays, part)
    kept = load_file(path)
    return [
        Tokens(torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(truth))
        for codes, truth in zip(kept["codes"], kept["truth"], strict=True)
    ]


def _mark(font: Path) -> list[object]:
    """What a soundfont is known by; a missing one is told where it is needed."""
    return [font.name, font.stat().st_size if font.is_file() else 0]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _save(path: Path, found: Sequence[ConceptContrast]) -> None:
    rows = [{k: v for k, v in vars(one).items() if k not in ("vector", "normal")} for one in found]
    vectors = np.stack([one.vector for one in found]).astype(np.float32)
    normals = np.stack([one.normal if one.normal is not None else 0 * one.vector for one in found])
    with atomic(path) as part:
        save_file(
            {"vectors": vectors, "normals": normals.astype(np.float32)},
            part,
            metadata={"rows": json.dumps(rows)},
        )


def _load(path: Path) -> list[ConceptContrast]:
    with safe_open(path, framework="numpy") as file:
        rows, vectors = json_value(file.metadata()["rows"]), file.get_tensor("vectors")
        normals = file.get_tensor("normals")
    return [
        ConceptContrast(vector=vector, normal=normal, **row)
        for vector, normal, row in zip(vectors, normals, rows, strict=True)
    ]
