"""A word and a model -> pairs of takes with and without it, and the direction that tells them apart at each layer.

The model is asked itself: the same context and seed, once with the word. Its own takes are read again with null text,
so that the sound is read and not the words. Knows no judge, no bank and no file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.contrast.musical_words import CONTEXTS, LEADING
from drawbar.errors import BadInputError
from drawbar.musicgen import Model
from drawbar.musicgen.checkpoint.memory_needed import free_bytes, needed
from drawbar.musicgen.spec import ModelSpec
from drawbar.residuals.areas import auroc_each
from drawbar.residuals.harvest import Clip, harvest

Tell = Callable[[str, float], None]

PLACE = "{context}"
"""Stands in a phrase where the context goes: ``"{context} played very slowly"``."""
_MOST_CLIPS = {"cpu": 32, "cuda": 256}
_SHARE_OF_FREE = 0.5


@dataclass(frozen=True)
class WordSettings:
    """How the model is asked. Raises BadInputError for impossible numbers."""

    pairs: int = 16
    """Contexts that are played with and without the word, each pair with one seed."""
    seconds: float = 4.0
    text: Literal["null", "own"] = "null"
    """What the model is told while its takes are read: nothing, or each take's prompt."""
    weigh: Literal["heard", "alike"] = "heard"
    """How pairs count: by how far the word moved each of them (models do not always do as they are told), or alike."""
    folds: int = 4
    """Pairs of one fold are read by the direction of the others."""
    shuffles: int = 199
    """How often with and without are swapped in a random half of the pairs, to know what chance looks like."""
    seed: int = 700_000
    """Of the first pair."""
    guidance: float | None = 3.0
    temperature: float = 1.0
    top_k: int = 250

    def __post_init__(self) -> None:
        if not 2 <= self.folds <= self.pairs or self.pairs < 4 or not 0.5 <= self.seconds <= 30:
            raise BadInputError(
                f"pairs {self.pairs}, folds {self.folds}, seconds {self.seconds}: at least 4 pairs, "
                "2 folds, no more folds than pairs, and takes of 0.5 to 30 s"
            )
        if self.text not in ("null", "own") or self.weigh not in ("heard", "alike"):
            raise BadInputError(f"text {self.text!r}, weigh {self.weigh!r}: null or own, heard or alike")


@dataclass(frozen=True)
class Asked:
    """The prompts of one word's pairs."""

    word: str
    against: str
    having: tuple[str, ...]
    """With the word."""
    lacking: tuple[str, ...]
    """The same contexts without it, or with what it is held against."""
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """The word, without the place of the context."""
        return " ".join(self.word.replace(PLACE, " ").split())


@dataclass(frozen=True, eq=False)
class WordContrast:
    """What tells the takes with the word from those without it, at one layer."""

    layer: int
    vector: NDArray[np.float32]
    """``[D]``, unit length: mean over pairs of with less without, each as it counts."""
    scale: float
    """The norm of that difference."""
    rest: float
    """Where takes without the word stand along ``vector``, on average."""
    auroc: float
    """Of takes in pairs that were left out; 0.5 is chance."""
    shuffled: float
    """The 95 % quantile of the same with shuffled pairs."""
    p: float
    """Share of shufflings that reach ``auroc`` at any of the layers compared."""
    shuffled_vector: NDArray[np.float32]
    """``[D]``, unit length: the same of pairs of which a random half was swapped, a control."""


def phrase(context: str, word: str) -> str:
    """``piano`` and ``drums`` -> ``piano with drums``; ``slow`` -> ``slow piano``; ``{context}`` says where it goes."""
    if PLACE in word:
        return word.replace(PLACE, context)
    return f"{word} {context}" if word.casefold() in LEADING else f"{context} with {word}"


def ask(
    word: str, against: str = "", contexts: Sequence[str] = (), settings: WordSettings | None = None
) -> Asked:
    """A word -> prompts for its pairs.

    Args:
        word: one or a few words, or a phrase with ``{context}`` in it.
        against: what takes without it are asked for ("no drums"); nothing by default.
        contexts: prompts to add the word to; built-in ones that do not name it by default.
        settings: how many pairs.

    Raises:
        BadInputError: no word, or one that is held against itself.
    """
    how, word, against = settings or WordSettings(), " ".join(word.split()), " ".join(against.split())
    if not word.replace(PLACE, "").strip():
        raise BadInputError("give a word or two: drums, slow, or '{context} played on a toy piano'")
    if word.casefold() == against.casefold():
        raise BadInputError(f"{word!r} is held against itself: leave --against out, or name its opposite")
    given = [line.strip() for line in contexts if line.strip()]
    said = set(word.casefold().split())
    free = given or [c for c in CONTEXTS if not said & set(c.split())] or list(CONTEXTS)
    chosen = [free[n % len(free)] for n in range(how.pairs)]
    return Asked(
        word,
        against,
        tuple(phrase(c, word) for c in chosen),
        tuple(phrase(c, against) if against else c for c in chosen),
        tuple(range(how.seed, how.seed + how.pairs)),
    )


def knows(model: Model, asked: Asked) -> bool:
    """Whether the model reads anything in the word itself, and its prompts differently with it and without."""
    if model.text is None or not bool(model.text.encode([asked.name])[1].any()):
        return False
    having, lacking = (model.text.encode([prompt])[0] for prompt in (asked.having[0], asked.lacking[0]))
    return having.shape != lacking.shape or not torch.equal(having, lacking)


def fitting_batch(model: Model, seconds: float) -> int:
    """How many clips of a loaded model run at once: see :func:`fitting_batch_of`."""
    return fitting_batch_of(model.spec, seconds, model.device)


def fitting_batch_of(spec: ModelSpec, seconds: float, device: torch.device | str) -> int:
    """How many clips with guidance run at once: as many as half of the free memory holds, within reason."""
    place = torch.device(device)
    most, there = _MOST_CLIPS.get(place.type, 32), free_bytes(place)
    while most > 1 and there is not None:
        caches = needed(spec, "float32", seconds=seconds, rows=2 * most).caches
        logits = 2 * most * spec.n_q * spec.card * 4 * 4
        if caches + logits <= _SHARE_OF_FREE * there:
            break
        most //= 2
    return most


def play_pairs(
    model: Model, asked: Asked, settings: WordSettings | None = None, *, progress: Tell | None = None
) -> Tensor:
    """The takes, ``[2 P, K, T]``: all with the word, then all without it, in the order of the pairs."""
    how, tell = settings or WordSettings(), progress or (lambda _what, _share: None)
    return model.generate(
        [*asked.having, *asked.lacking],
        [*asked.seeds, *asked.seeds],
        how.seconds,
        guidance=how.guidance,
        temperature=how.temperature,
        top_k=how.top_k,
        batch=fitting_batch(model, how.seconds),
        progress=lambda done, total: tell(f"{asked.word}: playing takes", done / total),
    )


def word_contrasts(
    model: Model, asked: Asked, tokens: Tensor, layers: Sequence[int], settings: WordSettings | None = None
) -> list[WordContrast]:
    """The takes of :func:`play_pairs` -> every layer's direction, checked on pairs that were left out."""
    how, pairs = settings or WordSettings(), len(asked.seeds)
    prompts = [*asked.having, *asked.lacking] if how.text == "own" else [None] * len(tokens)
    clips = (Clip(row, prompt) for row, prompt in zip(tokens, prompts, strict=True))
    means: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    for batch in harvest(model, clips, layers, batch=4):
        for layer, rows in batch.rows.items():
            means[layer] += [part.mean(0).cpu() for part in rows.split(list(batch.frames))]
    signs = _swaps(pairs, how)
    x = {layer: torch.stack(rows).double() for layer, rows in means.items()}
    areas = torch.stack([_held_out(x[layer], signs, how.folds) for layer in layers])  # [layers, 1 + shuffles]
    highest = areas[:, 1:].max(0).values
    found = []
    for layer, area in zip(layers, areas, strict=True):
        differences = x[layer][:pairs] - x[layer][pairs:]
        step = _mean_step(differences, how)
        scale = float(step.norm())
        vector = step / max(scale, 1e-12)
        mixed = _mean_step(differences * signs[1][:, None], how)
        found.append(
            WordContrast(
                layer,
                vector.float().numpy(),
                scale,
                float((x[layer][pairs:] @ vector).mean()),
                float(area[0]),
                float(area[1:].quantile(0.95)),
                (1 + int((highest >= area[0]).sum())) / (1 + how.shuffles),
                (mixed / mixed.norm().clamp(min=1e-12)).float().numpy(),
            )
        )
    return found


def best_word_layer(
    rows: Sequence[WordContrast], pairs: int, depth: int, preferred: Sequence[int] = ()
) -> WordContrast:
    """The layer to steer at: of those that tell held-out pairs apart as well as the best one does.

    A preferred layer first (where a pool of random directions was played already), then the one nearest the middle.
    """
    best = max(row.auroc for row in rows)
    error = (max(best * (1 - best), 1 / (4 * pairs)) / pairs) ** 0.5
    tied = [row for row in rows if row.auroc >= best - error]
    middle = (depth - 1) / 2
    return min(tied, key=lambda row: (row.layer not in preferred, abs(row.layer - middle), -row.auroc))


def _mean_step(differences: Tensor, how: WordSettings) -> Tensor:
    """``[P, D]`` -> ``[D]``. A pair counts as much as it moved along the direction that the other folds give; one
    that moved against it not at all.
    """
    if how.weigh == "alike":
        return differences.mean(0)
    weights = torch.zeros(len(differences), dtype=differences.dtype)
    fold = torch.arange(len(differences)) % how.folds
    for number in range(how.folds):
        towards = differences[fold != number].mean(0)
        weights[fold == number] = differences[fold == number] @ towards
    weights = weights.clamp(min=0)
    total = float(weights.sum())
    return weights @ differences / total if total > 0 else differences.mean(0)


def _swaps(pairs: int, how: WordSettings) -> Tensor:
    """Signs ``[1 + shuffles, P]``: first all +1, then half of the pairs swapped."""
    generator = torch.Generator().manual_seed(how.seed)
    base = torch.ones(pairs, dtype=torch.float64)
    base[: pairs // 2] = -1
    mixed = [base[torch.randperm(pairs, generator=generator)] for _ in range(how.shuffles)]
    return torch.stack([torch.ones(pairs, dtype=torch.float64), *mixed])


def _held_out(x: Tensor, signs: Tensor, folds: int) -> Tensor:
    """Clips' means ``[2 P, D]`` and signs ``[S, P]`` -> AUROC on pairs left out ``[S]``.

    Swapping a pair changes the sign of its difference only, so all shufflings are one product of small matrices.
    """
    pairs = signs.shape[1]
    differences = x[:pairs] - x[pairs:]
    towards = (x - x.mean(0)) @ differences.T  # [2 P, P]
    inner = differences @ differences.T
    fold = torch.arange(pairs) % folds
    scores = torch.zeros(len(signs), 2 * pairs, dtype=torch.float64)
    for number in range(folds):
        weight = signs * (fold != number)
        norm = ((weight @ inner) * weight).sum(1).clamp(min=1e-12).sqrt()
        out = torch.cat([fold == number, fold == number])
        scores[:, out] = (weight @ towards[out].T) / norm[:, None]
    having = torch.cat([signs > 0, signs < 0], dim=1)
    return torch.stack(
        [auroc_each(s[:, None].float(), t[:, None])[0] for s, t in zip(scores, having, strict=True)]
    )
