"""A bank, a model and settings -> clips of every way to steer and of every way to stack, judged and kept.

Sliders are screened on seeds of their own and chosen by rule; what each variant did is then measured on fresh seeds.
Resumable like every plan of trials. What the figures say is decided in ``variants_results`` and ``stacks``.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.bank import Bank
from drawbar.corpus import CONCEPTS
from drawbar.errors import BadInputError
from drawbar.evidence.judges import find_judges
from drawbar.evidence.playing import Player, Stage, time_block
from drawbar.evidence.preregistration import PROMPTS, Candidate, ProveSettings, candidates_of
from drawbar.evidence.slopes import take_sd
from drawbar.evidence.sources import save_sources
from drawbar.evidence.trials import Block, Condition, Pair, Plan, Source, Trials, digest_of
from drawbar.evidence.variants_output import best_by, output_effects, typical_tokens
from drawbar.evidence.variants_pushes import RECIPES, added_norm, steering_for
from drawbar.musicgen import load_model
from drawbar.musicgen.ports import Steering
from drawbar.residuals.composed import composed_tokens
from drawbar.steering import Direction, Mixer, check_site, directions_from_bank
from drawbar.steering.stacking import STACKING, check_stacking

__all__ = ["TWIN", "Choice", "Combo", "Played", "VariantSettings", "choose", "cost_of", "play_all"]

Tell = Callable[[str, float], None]
Floats = NDArray[np.float32]

TWIN = Condition("unsteered", "", 0, 0.0)
_ADDED = "added_norm"
_SEEDS = {"screen": 0, "takes": 1000, "variants": 2000, "stacks": 3000}
"""How far behind the settings' seed each stage begins."""


@dataclass(frozen=True)
class VariantSettings:
    """How ways to steer are compared. Raises BadInputError for fewer than 2 of anything."""

    model: str = "embedded"
    prompts: tuple[str, ...] = PROMPTS
    sliders: int = 12
    """Of as many concepts: for each the labelled feature that moved the concept's detector most while screening."""
    screen_pairs: int = 4
    pairs: int = 8
    """Fresh prompts and seeds that every variant is played with."""
    takes: int = 32
    """Unsteered takes that give the unit of all effects."""
    amounts: tuple[float, ...] = (-0.5, 0.25, 0.5)
    """Where sliders are used: beyond, most break the first guard."""
    choice_amounts: tuple[float, ...] = (0.25, 0.5)
    seconds: float = 4.0
    pieces: int = 64
    """Composed pieces that say which tokens are typical of a concept."""
    listened: int = 6
    """Of them, how many are played through the model to see what a feature does to the next token."""
    stack_sizes: tuple[int, ...] = (2, 4, 8)
    stack_amounts: tuple[float, ...] = (0.25, 0.5)
    """Of every slider in a combination."""
    unlike: int = 4
    """Combinations per size without a near-collinear pair."""
    alike: int = 2
    """Combinations per size that are made of near-collinear pairs."""
    alike_cos: float = 0.9
    stack_pairs: int = 8
    guidance: float | None = 3.0
    temperature: float = 1.0
    top_k: int = 250
    batch: int = 32
    seed: int = 40_000

    def __post_init__(self) -> None:
        counts = (self.sliders, self.screen_pairs, self.pairs, self.stack_pairs, self.pieces, self.listened)
        if min(counts) < 2 or self.takes < 2 * len(self.prompts):
            raise BadInputError(
                f"{self}: at least 2 of everything, and two unsteered takes per prompt ({2 * len(self.prompts)})"
            )
        if not any(a > 0 for a in self.amounts) or not all(a and math.isfinite(a) for a in self.amounts):
            raise BadInputError(f"amounts {self.amounts}: finite, not 0, and one above 0 at least")


@dataclass(frozen=True)
class Combo:
    """Sliders that push together."""

    ids: tuple[str, ...]
    alike: bool


@dataclass(frozen=True)
class Choice:
    """What the screening and the teacher-forced passes chose, before anything else is played."""

    sliders: Mapping[str, str]
    """Concept -> slider."""
    screened: Mapping[str, float]
    """Labelled feature -> what +1 did to its own detector while screening, mean over both signs, in SD."""
    by_label: Mapping[str, str]
    """Concept -> the feature whose activation tells the concept best (held-out AUROC)."""
    by_output: Mapping[str, str]
    """Concept -> the feature that makes its typical tokens most likely."""
    output_effect: Mapping[str, Mapping[str, float]]
    """Concept -> feature -> nats per frame."""
    combos: tuple[Combo, ...]


@dataclass(frozen=True)
class Played:
    """Everything that was measured."""

    settings: VariantSettings
    choice: Choice
    targets: Mapping[str, str]
    """Concept -> the detector's measure."""
    judged: tuple[str, ...]
    """Measures of judges, guards left out."""
    concepts: Mapping[str, str]
    """Labelled feature -> its concept."""
    trials: Mapping[str, Trials] = field(default_factory=dict)


@dataclass(frozen=True)
class _Setup:
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
        """Those whose label a detector hears."""
        return tuple(c for c in self.candidates if c.target and c.target.startswith("detector:"))

    @property
    def targets(self) -> dict[str, str]:
        """Concept -> measure."""
        return {c.concept: c.target for c in self.labelled if c.target}


class _Player(Player):
    """Plays recipes and stacks instead of the evidence's sources."""

    def __init__(self, stage: Stage, setup: _Setup) -> None:
        super().__init__(stage)
        self._setup = setup
        self._steered: list[Steering | None] = []

    @property
    def measures(self) -> tuple[str, ...]:
        """And the norm that was added."""
        return (*super().measures, _ADDED)

    def steering(self, condition: Condition, pair: Pair) -> Steering | None:
        """See Player."""
        found = self._made(condition, pair)
        self._steered.append(found)
        return found

    def _made(self, condition: Condition, pair: Pair) -> Steering | None:
        setup = self._setup
        if condition == TWIN:
            return None
        if condition.kind.startswith("stack "):
            rule = check_stacking(condition.kind.removeprefix("stack "))
            members = [setup.directions[id] for id in condition.id.split("+")]
            mixer = Mixer(members, spec=self.model.spec, stacking=rule)
            for member in members:
                mixer.set(member.id, condition.amount)
            return mixer
        recipe = next(one for one in RECIPES if one.name == condition.kind)
        return steering_for(
            recipe,
            setup.directions[condition.id],
            condition.amount,
            spec=self.model.spec,
            seed=pair.seed,
            seconds=setup.settings.seconds,
            level=setup.levels[condition.id],
        )

    def play(self, block: Block) -> tuple[NDArray[np.uint16], Floats]:
        """See Player."""
        self._steered.clear()
        tokens, values = super().play(block)
        frames = tokens.shape[2]
        added = [[added_norm(one, frames)] for one in self._steered]
        return tokens, np.concatenate([values, np.array(added, np.float32)], 1)


def play_all(
    bank: Path,
    folder: Path,
    settings: VariantSettings,
    *,
    soundfont: Path | None = None,
    told: Tell | None = None,
) -> Played:
    """Screen, choose, play the variants, play the stacks; what is done already is read. One process.

    Raises BadInputError where the bank has too few labelled features with a detector, SiteMismatchError.
    """
    tell = told or (lambda _what, _share: None)
    setup = _setup_of(bank, folder, settings)
    plans = {name: _plan(setup, name, conditions) for name, conditions in _screening(setup).items()}
    trials = {name: _play(setup, plan, tell) for name, plan in plans.items()}
    choice = _chosen(setup, trials["screen"], trials["takes"], soundfont, tell)
    for name, conditions in _comparing(setup, choice).items():
        trials[name] = _play(setup, _plan(setup, name, conditions), tell)
    judged = tuple(name for name in trials["takes"].measures if ":" in name)
    concepts = {c.id: c.concept for c in setup.labelled}
    return Played(settings, choice, setup.targets, judged, concepts, trials)


def cost_of(bank: Path, folder: Path, settings: VariantSettings) -> tuple[dict[str, int], float]:
    """Stage -> clips (those that depend on the choice: at most); seconds that one clip takes here, measured."""
    setup = _setup_of(bank, folder, settings)
    clips = {name: _plan(setup, name, cs).clips for name, cs in _screening(setup).items()}
    concepts = len(setup.targets)
    sliders = min(settings.sliders, concepts)
    variants = len(RECIPES) * sliders * len(settings.amounts) + 2 * concepts * len(settings.choice_amounts)
    combos = len(settings.stack_sizes) * (settings.unlike + settings.alike)
    stacks = (combos * len(STACKING) + len(setup.labelled)) * len(settings.stack_amounts)
    clips["variants"] = (1 + variants) * settings.pairs
    clips["stacks"] = (1 + stacks) * settings.stack_pairs
    return clips, time_block(_stage(setup, _plan(setup, "takes", [TWIN])), processes=1)


# --- plans ----------------------------------------------------------------------------------------------------


def _setup_of(path: Path, folder: Path, settings: VariantSettings) -> _Setup:
    folder.mkdir(parents=True, exist_ok=True)
    model = load_model(settings.model, "cpu")
    prove = ProveSettings(model=settings.model, least_candidates=1)
    with Bank.open(path) as bank:
        check_site(bank, model)
        judges = find_judges(model.spec.sample_rate_hz)
        measures = tuple(name for judge in judges for name in judge.measures)
        found = candidates_of(bank, prove, measures)
        ids = [candidate.id for candidate, _ in found]
        directions = {d.id: d for d in directions_from_bank(bank, ids)}
        pages = {id: bank.feature(id) for id in ids}
    levels = {id: 0.5 * page.quantiles.p50 for id, page in pages.items()}
    auroc = {
        id: max((float(label.evidence.get("auroc_held_out", 0)) for label in page.labels), default=0.0)
        for id, page in pages.items()
    }
    setup = _Setup(settings, path, folder, tuple(c for c, _ in found), directions, levels, auroc)
    if len(setup.targets) < 2:
        raise BadInputError(
            f"{path}: {len(setup.targets)} concepts have a labelled feature and a detector; 2 are needed"
        )
    sources = [Source("feature", s.id, s.layer, s.vector, s.scale) for _, s in found]
    save_sources(folder / "sources.safetensors", sources)
    return setup


def _screening(setup: _Setup) -> dict[str, list[Condition]]:
    both = [Condition("plain", c.id, c.layer, amount) for c in setup.labelled for amount in (-1.0, 1.0)]
    return {"takes": [TWIN], "screen": [TWIN, *both]}


def _comparing(setup: _Setup, choice: Choice) -> dict[str, list[Condition]]:
    settings = setup.settings
    layer = {c.id: c.layer for c in setup.candidates}
    variants = [
        Condition(recipe.name, id, layer[id], amount)
        for id in dict.fromkeys(choice.sliders.values())
        for recipe in RECIPES
        for amount in settings.amounts
    ]
    variants += [
        Condition("plain", id, layer[id], amount)
        for id in (*choice.by_label.values(), *choice.by_output.values())
        for amount in settings.choice_amounts
    ]
    members = dict.fromkeys(id for combo in choice.combos for id in combo.ids)
    stacks = [Condition("plain", id, layer[id], a) for id in members for a in settings.stack_amounts]
    stacks += [
        Condition(f"stack {rule}", "+".join(combo.ids), 0, amount)
        for combo in choice.combos
        for rule in STACKING
        for amount in settings.stack_amounts
    ]
    return {
        "variants": [TWIN, *dict.fromkeys(variants)],
        "stacks": [TWIN, *dict.fromkeys(stacks)],
    }


def _plan(setup: _Setup, stage: str, conditions: Sequence[Condition]) -> Plan:
    settings = setup.settings
    count = {
        "screen": settings.screen_pairs,
        "takes": settings.takes,
        "variants": settings.pairs,
        "stacks": settings.stack_pairs,
    }[stage]
    first = settings.seed + _SEEDS[stage]
    pairs = tuple(Pair(settings.prompts[n % len(settings.prompts)], first + n) for n in range(count))
    digest = digest_of(
        {
            "directions": [[c.id, c.vector, c.scale] for c in setup.candidates],
            "recipes": [asdict(recipe) for recipe in RECIPES],
            "levels": setup.levels,
            "generation": [settings.model, settings.guidance, settings.temperature, settings.top_k],
        }
    )
    return Plan(stage, settings.seconds, settings.batch, pairs, tuple(conditions), digest)


def _stage(setup: _Setup, plan: Plan) -> Stage:
    settings = setup.settings
    return Stage(
        plan,
        setup.folder / "blocks",
        setup.folder / "sources.safetensors",
        settings.model,
        setup.bank,
        settings.guidance,
        settings.temperature,
        settings.top_k,
    )


def _play(setup: _Setup, plan: Plan, tell: Tell) -> Trials:
    trials = Trials(setup.folder / "blocks", plan)
    missing = trials.missing()
    if not missing:
        return trials
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        player = _Player(_stage(setup, plan), setup)
        done = plan.clips - sum(len(block.cells) for block in missing)
        for block in missing:
            tell(f"{plan.stage}: clip {done} of {plan.clips}", done / plan.clips)
            tokens, values = player.play(block)
            trials.write(block, tokens, values, player.measures, 1)
            done += len(block.cells)
    finally:
        torch.set_num_threads(threads)
    return trials


# --- choosing -------------------------------------------------------------------------------------------------


def _chosen(setup: _Setup, screen: Trials, takes: Trials, soundfont: Path | None, tell: Tell) -> Choice:
    """Chosen once and kept in the folder, so that a run that is taken up again goes on with the same."""
    path = setup.folder / "choice.json"
    asked = digest_of([asdict(setup.settings), screen.plan.digest, takes.plan.digest])
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.pop("asked") == asked:
            combos = tuple(Combo(tuple(c["ids"]), bool(c["alike"])) for c in found.pop("combos"))
            return Choice(combos=combos, **found)
    effect = _output_scores(setup, soundfont, tell)
    cosines = {
        (a, b): float(setup.directions[a].vector @ setup.directions[b].vector)
        for a, b in combinations([c.id for c in setup.labelled], 2)
    }
    choice = choose(setup.settings, setup.labelled, setup.auroc, screen, takes, effect, cosines)
    text = json.dumps({"asked": asked, **asdict(choice)}, indent=1, sort_keys=True)
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)
    return choice


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
        combos=_combos(settings, [id for id in screened if screened[id] > 0], cosines),
    )


def _combos(
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


def _output_scores(setup: _Setup, soundfont: Path | None, tell: Tell) -> dict[str, dict[str, float]]:
    settings = setup.settings
    model: Any = load_model(settings.model, "cpu")
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
