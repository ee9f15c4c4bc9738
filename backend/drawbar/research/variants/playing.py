"""A bank, a model and settings -> clips of every way to steer and of every way to stack, judged and kept.

Sliders are screened and chosen on seeds of their own; what each variant did is then measured on fresh ones. Resumable
like every plan of trials. What the figures say is decided in ``variants_results`` and ``variants_stacks``.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.bank import Bank
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.generate_clips import Player, Processes, Stage, time_block
from drawbar.evidence.experiment.judges import find_judges
from drawbar.evidence.experiment.preregistration import ProveSettings, candidates_of
from drawbar.evidence.experiment.sources import save_sources
from drawbar.evidence.experiment.trials import Block, Condition, Pair, Plan, Source, Trials, digest_of
from drawbar.musicgen import load_model
from drawbar.musicgen.interfaces import Steering
from drawbar.research.variants.choosing import Setup, chosen
from drawbar.research.variants.pushes import RECIPES, added_norm, steering_for
from drawbar.research.variants.results import recipes, winners
from drawbar.research.variants.settings import (
    PLAIN_AGAIN,
    TWIN,
    WINNER_AGAIN,
    Choice,
    Played,
    VariantSettings,
)
from drawbar.steering import Mixer, check_site, directions_from_bank
from drawbar.steering.stacking import STACKING, check_stacking

Tell = Callable[[str, float], None]
Floats = NDArray[np.float32]

_ADDED = "added_norm"
_SEEDS = {"screen": 0, "takes": 1000, "variants": 2000, "specific": 2000, "stacks": 3000, "again": 4000}
"""How far behind the settings' seed each stage begins."""


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
    choice = chosen(setup, trials["screen"], trials["takes"], soundfont, tell)
    for name, conditions in _comparing(setup, choice).items():
        trials[name] = _play(setup, _plan(setup, name, conditions), tell)
    judged = tuple(name for name in trials["takes"].measures if ":" in name)
    concepts = {c.id: c.concept for c in setup.labelled}
    played = Played(settings, choice, setup.targets, judged, concepts, trials)
    tell("comparing", 0.0)
    conditions = _again(setup, choice, winners(recipes(played)))
    trials["again"] = _play(setup, _plan(setup, "again", conditions), tell)
    return played


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
    clips["specific"] = (1 + concepts * len(settings.choice_amounts)) * settings.pairs
    amounts = len(PLAIN_AGAIN) + len(WINNER_AGAIN)
    clips["again, for one winner"] = (1 + amounts * sliders) * settings.pairs
    clips["stacks"] = (1 + stacks) * settings.stack_pairs
    return clips, time_block(_stage(setup, _plan(setup, "takes", [TWIN])), players=Processes(1))


class _Player(Player):
    """Plays recipes and stacks instead of the evidence's sources."""

    def __init__(self, stage: Stage, setup: Setup) -> None:
        super().__init__(stage)
        self._setup = setup
        self._steered: list[Steering | None] = []

    @property
    def measures(self) -> tuple[str, ...]:
        return (*super().measures, _ADDED)

    def steering(self, condition: Condition, pair: Pair) -> Steering | None:
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
        self._steered.clear()
        tokens, values = super().play(block)
        frames = tokens.shape[2]
        added = [[added_norm(one, frames)] for one in self._steered]
        return tokens, np.concatenate([values, np.array(added, np.float32)], 1)


# --- plans ----------------------------------------------------------------------------------------------------


def _setup_of(path: Path, folder: Path, settings: VariantSettings) -> Setup:
    folder.mkdir(parents=True, exist_ok=True)
    model = load_model(settings.model, "cpu")
    prove = ProveSettings(model=settings.model, least_candidates=1)
    with Bank.open(path) as bank:
        check_site(bank, model)
        judges = find_judges(model.spec.sample_rate_hz)
        measures = tuple(name for judge in judges for name in judge.measures)
        found = candidates_of(bank, prove, measures)
        ids = [candidate.id for candidate, _ in found]
        directions = {d.id: d for d in directions_from_bank(bank, ids, branch="both")}
        pages = {id: bank.feature(id) for id in ids}
    levels = {id: 0.5 * page.quantiles.p50 for id, page in pages.items()}
    auroc = {
        id: max((float(label.evidence.get("auroc_held_out", 0)) for label in page.labels), default=0.0)
        for id, page in pages.items()
    }
    setup = Setup(settings, path, folder, tuple(c for c, _ in found), directions, levels, auroc)
    if len(setup.targets) < 2:
        raise BadInputError(
            f"{path}: {len(setup.targets)} concepts have a labelled feature and a detector; 2 are needed"
        )
    sources = [Source("feature", s.id, s.layer, s.vector, s.scale) for _, s in found]
    save_sources(folder / "sources.safetensors", sources)
    return setup


def _screening(setup: Setup) -> dict[str, list[Condition]]:
    both = [Condition("plain", c.id, c.layer, amount) for c in setup.labelled for amount in (-1.0, 1.0)]
    return {"takes": [TWIN], "screen": [TWIN, *both]}


def _comparing(setup: Setup, choice: Choice) -> dict[str, list[Condition]]:
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
        "specific": [
            TWIN,
            *(
                Condition("plain", id, layer[id], amount)
                for id in dict.fromkeys(choice.by_specific.values())
                for amount in settings.choice_amounts
            ),
        ],
        "stacks": [TWIN, *dict.fromkeys(stacks)],
    }


def _again(setup: Setup, choice: Choice, names: Sequence[str]) -> list[Condition]:
    layer = {c.id: c.layer for c in setup.candidates}
    ids = dict.fromkeys(choice.sliders.values())
    amounts = {"plain": PLAIN_AGAIN} | dict.fromkeys(names, WINNER_AGAIN)
    played = [Condition(name, id, layer[id], a) for name in amounts for id in ids for a in amounts[name]]
    return [TWIN, *(played if names else ())]


def _plan(setup: Setup, stage: str, conditions: Sequence[Condition]) -> Plan:
    settings = setup.settings
    count = {
        "screen": settings.screen_pairs,
        "takes": settings.takes,
        "variants": settings.pairs,
        "specific": settings.pairs,
        "again": settings.pairs,
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


def _stage(setup: Setup, plan: Plan) -> Stage:
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


def _play(setup: Setup, plan: Plan, tell: Tell) -> Trials:
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
