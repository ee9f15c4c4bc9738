"""Screening clips and teacher-forced passes -> the sliders, features and combinations that are compared.

Chosen by rule on seeds of their own, once per run. Knows nothing of what the comparison will find.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from drawbar.corpus import CONCEPTS
from drawbar.evidence.experiment.preregistration import Candidate
from drawbar.evidence.experiment.trials import Trials, digest_of
from drawbar.evidence.statistics.slopes import take_sd
from drawbar.files.atomic_write import write_text
from drawbar.files.reading import json_value
from drawbar.musicgen import Model, load_model
from drawbar.research.variants.output import best_by, output_effects, typical_tokens
from drawbar.research.variants.settings import TWIN, Choice, Combo, VariantSettings
from drawbar.residuals.composed import composed_tokens
from drawbar.steering import Direction

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Setup:
    """A bank's candidates as they are compared."""

    settings: VariantSettings
    bank: Path
    folder: Path
    candidates: tuple[Candidate, ...]
    directions: Mapping[str, Direction]
    levels: Mapping[str, float]
    """Half the feature's median activation: at this mean it counts as firing."""
    auroc: Mapping[str, float]

    @property
    def labelled(self) -> tuple[Candidate, ...]:
        return tuple(c for c in self.candidates if c.target and c.target.startswith("detector:"))

    @property
    def targets(self) -> dict[str, str]:
        """Concept -> measure."""
        return {c.concept: c.target for c in self.labelled if c.target}


def chosen(setup: Setup, screen: Trials, takes: Trials, soundfont: Path | None, tell: Tell) -> Choice:
    """Chosen once and kept in the folder, so that a run that is taken up again goes on with the same."""
    path = setup.folder / "choice.json"
    asked = digest_of([asdict(setup.settings), screen.plan.digest, takes.plan.digest])
    kept = _kept(path, asked)
    if kept is not None:
        return kept
    effect = _output_scores(setup, soundfont, tell)
    cosines = {
        (a, b): float(setup.directions[a].vector @ setup.directions[b].vector)
        for a, b in combinations([c.id for c in setup.labelled], 2)
    }
    choice = choose(setup.settings, setup.labelled, setup.auroc, screen, takes, effect, cosines)
    text = json.dumps({"asked": asked, **asdict(choice)}, indent=1, sort_keys=True)
    write_text(path, text + "\n")
    kept = _kept(path, asked)
    assert kept is not None  # it was just written
    return kept


def _kept(path: Path, asked: str) -> Choice | None:
    """Read from the file also when it was just chosen: the order of everything that follows is the file's."""
    if not path.is_file():
        return None
    found = json_value(path.read_text(encoding="utf-8"))
    if found.pop("asked") != asked:
        return None
    combos = tuple(Combo(tuple(c["ids"]), bool(c["alike"])) for c in found.pop("combos"))
    return Choice(combos=combos, **found)


def choose(
    settings: VariantSettings,
    labelled: Sequence[Candidate],
    auroc: Mapping[str, float],
    screen: Trials,
    takes: Trials,
    effect: Mapping[str, Mapping[str, float]],
    cosines: Mapping[tuple[str, str], float],
) -> Choice:
    """The rules, applied to what the screening measured."""
    sd = take_sd(takes.of(TWIN).astype(np.float64), [pair.prompt for pair in takes.plan.pairs])
    twins = screen.of(TWIN)
    screened = {}
    for candidate in labelled:
        column = screen.measures.index(str(candidate.target))
        moved = [
            np.sign(amount) * np.nanmean(values[:, column] - twins[:, column])
            for amount, values in screen.amounts("plain", candidate.id).items()
        ]
        screened[candidate.id] = float(np.mean(moved) / sd[column])
    of: dict[str, list[str]] = {}
    for candidate in labelled:
        of.setdefault(candidate.concept, []).append(candidate.id)
    best = {concept: best_by({id: screened[id] for id in ids}) for concept, ids in of.items()}
    strongest = sorted(best, key=lambda concept: -screened[best[concept]])[: settings.sliders]
    return Choice(
        sliders={concept: best[concept] for concept in strongest},
        screened=screened,
        by_label={concept: best_by({id: auroc[id] for id in ids}) for concept, ids in of.items()},
        by_output={concept: best_by(effect[concept]) for concept in of},
        output_effect=effect,
        combos=combinations_of(settings, [id for id in screened if screened[id] > 0], cosines),
    )


def combinations_of(
    settings: VariantSettings, ids: Sequence[str], cosines: Mapping[tuple[str, str], float]
) -> tuple[Combo, ...]:
    """Drawn from sliders that moved their detector the right way; as many as there are, where there are fewer."""
    generator = np.random.default_rng(settings.seed)
    near = [pair for pair, cos in cosines.items() if cos > settings.alike_cos and set(pair) <= set(ids)]
    found: dict[tuple[str, ...], Combo] = {}
    for size in settings.stack_sizes:
        wanted = ((False, settings.unlike), (True, settings.alike))
        for alike, count in wanted:
            have = 0
            for _ in range(1000):
                if have == count:
                    break
                drawn = (
                    _drawn_alike(generator, near, size)
                    if alike
                    else _drawn_unlike(generator, ids, near, size)
                )
                if drawn is not None and drawn not in found:
                    found[drawn] = Combo(drawn, alike)
                    have += 1
    return tuple(found.values())


def _drawn_unlike(
    generator: np.random.Generator, ids: Sequence[str], near: Sequence[tuple[str, str]], size: int
) -> tuple[str, ...] | None:
    if len(ids) < size:
        return None
    drawn = set(generator.choice(list(ids), size, replace=False).tolist())
    return None if any(set(pair) <= drawn for pair in near) else tuple(sorted(drawn))


def _drawn_alike(
    generator: np.random.Generator, near: Sequence[tuple[str, str]], size: int
) -> tuple[str, ...] | None:
    drawn: set[str] = set()
    for place in generator.permutation(len(near)):
        if not drawn & set(near[place]) and len(drawn) < size:
            drawn |= set(near[place])
    return tuple(sorted(drawn)) if len(drawn) == size else None


def _output_scores(setup: Setup, soundfont: Path | None, tell: Tell) -> dict[str, dict[str, float]]:
    settings = setup.settings
    model: Model = load_model(settings.model, "cpu")
    pieces = list(
        composed_tokens(
            model,
            settings.pieces,
            2 * settings.seconds,
            soundfont=soundfont,
            told=lambda n: tell(f"composing piece {n} of {settings.pieces}", n / settings.pieces),
        )
    )
    concepts = list(setup.targets)
    typical = typical_tokens(pieces, concepts, model.spec.card)
    heard = pieces[: settings.listened]
    length = min(piece.codes.shape[1] for piece in heard)
    frames = min(length, model.spec.frames(settings.seconds))
    codes = torch.stack([piece.codes[:, :frames] for piece in heard])
    lacks = torch.stack(
        [~piece.truth[:frames, [CONCEPTS.index(c) for c in concepts]].any(0) for piece in heard]
    )
    ids = [c.id for c in setup.candidates]
    scores = output_effects(
        model,
        [setup.directions[id] for id in ids],
        codes,
        typical,
        lacks,
        told=lambda n: tell(f"next tokens: feature {n} of {len(ids)}", n / len(ids)),
    )
    return {
        concept: {id: float(scores[row, column]) for row, id in enumerate(ids)}
        for column, concept in enumerate(concepts)
    }
