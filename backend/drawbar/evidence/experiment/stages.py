"""A bank and its model -> trials of every slider, in two stages that a kill only interrupts.

Preregister, screen broadly, select by the written rules, confirm narrowly on fresh seeds beside the controls. What
the trials mean is decided in ``analysis``; this only plays what the preregistration asks for.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from drawbar.audio_analysis.clap import load_clap
from drawbar.bank import Bank
from drawbar.contrast.concept_contrasts import ConceptContrast, bank_contrasts, concept_contrasts
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.generate_clips import HERE, Players, Stage, Told, play, time_block
from drawbar.evidence.experiment.judges import DetectorJudge, clap_anchors, find_judges, second_measure
from drawbar.evidence.experiment.preregistration import (
    Concept,
    Preregistration,
    ProveSettings,
    candidates_of,
    random_sources,
)
from drawbar.evidence.experiment.selection import Selection, select
from drawbar.evidence.experiment.sources import load_sources, save_sources
from drawbar.evidence.experiment.trials import Condition, Pair, Plan, Source, Trials, digest_of
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonObject
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.codec.interface import mono
from drawbar.steering import check_site

Tell = Callable[[str, float], None]
"""What is being done and the share of it; may raise CancelledError."""

CONTRASTS = "contrasts"
ANCHORS = "clap.safetensors"
_EXAMPLES = 12
_FRESH = 1000
"""Seeds of the confirmation lie this far behind those of the screening."""


@dataclass(frozen=True)
class Run:
    """A run's folder and what was preregistered there."""

    folder: Path
    bank: Path
    prereg: Preregistration

    @property
    def sources(self) -> Path:
        return self.folder / "sources.safetensors"


@dataclass(frozen=True)
class Cost:
    """What a run takes."""

    clips: Mapping[str, int]
    """By what they are for."""
    seconds_per_clip: float
    """Wall clock with all players at work."""
    confirmed: int
    """Candidates that can be confirmed."""

    @property
    def total(self) -> int:
        return sum(self.clips.values())

    @property
    def hours(self) -> float:
        return self.total * self.seconds_per_clip / 3600


def preregister(
    bank: Path,
    folder: Path,
    settings: ProveSettings,
    *,
    budget_s: float | None = None,
    players: Players = HERE,
    soundfont: Path | None = None,
    keep: bool = True,
    told: Tell | None = None,
) -> Run:
    """Fix candidates, concepts, controls and rules, and write them down; a run that has them is taken up again.

    ``keep`` False writes no preregistration (to look at the cost first). ``budget_s`` becomes the number of
    candidates that are confirmed at most, by the time that clips take here. Raises BadInputError for settings that
    differ from those of the run in the folder, SiteMismatchError.
    """
    path = folder / "preregistration.json"
    if path.is_file():
        found = Preregistration.read(path)
        same = replace(settings, confirm_most=found.settings.confirm_most)
        if found.settings != same:
            raise BadInputError(
                f"{folder} was preregistered with other settings: use those, or another folder with --out"
            )
        with Bank.open(bank) as opened:
            if opened.identity != found.bank:
                raise BadInputError(f"{folder} is a run on another bank: use another folder with --out")
        return Run(folder, bank, found)
    tell = told or (lambda _what, _share: None)
    folder.mkdir(parents=True, exist_ok=True)
    model = load_model(settings.model, "cpu")
    with Bank.open(bank) as opened:
        check_site(opened, model)
        anchors = anchors_of(opened, model, settings.clap) if settings.clap else {}
        if anchors:
            save_file(anchors, folder / ANCHORS)
        judges = find_judges(model.spec.sample_rate_hz, clap=settings.clap, anchors=anchors)
        measures = tuple(name for judge in judges for name in judge.measures)
        chosen = candidates_of(opened, settings, measures)
        identity, published, layers = opened.identity, opened.count(), opened.info.layers
        scales = {
            layer: float(np.median([s.scale for _, s in chosen if s.layer == layer]))
            for layer in layers
            if any(s.layer == layer for _, s in chosen)
        }
        sources = [source for _, source in chosen]
        sources += _controls(opened, settings, sources, scales, model.spec.n_layers, model.spec.d_model)
        contrasts: list[ConceptContrast] = []
        if settings.concepts:
            contrasts = concept_contrasts(
                model, sorted(scales), folder / CONTRASTS, soundfont=soundfont, progress=tell
            )
        elif settings.labels:
            contrasts = bank_contrasts(model, opened, sorted(scales), progress=tell)
    concepts = _concepts(contrasts, settings, measures, judges)
    known = {one.name for one in contrasts}
    # A label without a baseline to beat keeps no target: nothing stands in for a control.
    chosen = [
        (c if c.target is None or c.concept in known else replace(c, target=None, second=None), s)
        for c, s in chosen
    ]
    names = {c.name for c in concepts} | {c.concept for c, _ in chosen if c.target}
    sources += _baselines(contrasts, names, scales)
    save_sources(folder / "sources.safetensors", sources)
    prereg = Preregistration(
        settings=settings,
        site=model.fingerprint,
        bank=identity,
        published=published,
        measures=measures,
        judges=json.loads(json.dumps([judge.key() for judge in judges])),
        candidates=tuple(candidate for candidate, _ in chosen),
        concepts=tuple(concepts),
        scales={str(layer): scale for layer, scale in scales.items()},
        statistics=json.loads(json.dumps(asdict(StatisticsSettings(q=settings.q)))),
    )
    run = Run(folder, bank, prereg)
    tell("timing a block", 1.0)
    cost = cost_of(run, budget_s, players=players)
    settings = settings if budget_s is None else replace(settings, confirm_most=cost.confirmed)
    prereg = replace(prereg, settings=settings, seconds_per_clip=round(cost.seconds_per_clip, 4))
    if keep:
        prereg.write(path)
    return Run(folder, bank, prereg)


def anchors_of(bank: Bank, model: Model, clap: str) -> JsonObject:
    """CLAP's anchors of every label: its text, and the top examples of the features that carry it."""
    carriers: dict[str, list[str]] = {}
    for row in bank.search(shelf="named", limit=bank.count() + 1):
        carriers.setdefault(row.label, []).append(row.id)

    def sounds(label: str) -> list[NDArray[np.float32]]:
        found = [example for id in carriers[label] for example in bank.examples(id, "top")][:_EXAMPLES]
        tokens = [torch.from_numpy(example.tokens.astype(np.int64))[None] for example in found]
        with torch.inference_mode():
            return [mono(model.codec.decode(one))[0, 0].float().numpy() for one in tokens]

    return clap_anchors(load_clap(clap), sorted(carriers), sounds, model.spec.sample_rate_hz)


def _controls(
    bank: Bank,
    settings: ProveSettings,
    features: Sequence[Source],
    scales: Mapping[int, float],
    n_layers: int,
    width: int,
) -> list[Source]:
    """The pool, directions judged as if they were candidates, features that hardly fire, and other layers."""
    found: list[Source] = []
    for layer, scale in scales.items():
        found += random_sources("random", layer, settings.pool, width, scale, settings.seed)
        found += random_sources("held-out random", layer, settings.held_out, width, scale, settings.seed)
        taken = {source.id for source in features}
        rows = bank.search(layer=layer, sort="density", limit=bank.count() + 1)
        rare = [row for row in sorted(rows, key=lambda row: row.density) if row.id not in taken]
        if len(rare) < settings.inactive:
            raise BadInputError(f"layer {layer} has no {settings.inactive} features that are no candidates")
        ids = [row.id for row in rare[: settings.inactive]]
        for id, vector in zip(ids, bank.vectors(ids)["W_dec"], strict=True):
            unit = np.asarray(vector, np.float32) / np.linalg.norm(vector)
            found.append(Source("inactive feature", id, layer, unit, scale))
    for source in features:
        other = (source.layer + n_layers // 2) % n_layers
        if other == source.layer:
            raise BadInputError(f"a model of {n_layers} layers has no other layer for the control")
        found.append(replace(source, kind="wrong layer", layer=other))
    return found


def _concepts(
    contrasts: Sequence[ConceptContrast],
    settings: ProveSettings,
    measures: Sequence[str],
    judges: Sequence[Any],
) -> list[Concept]:
    """What a probe decodes and a judge hears: all at ``concept_auroc`` or more, and the next best up to the least."""
    detectors = next((judge for judge in judges if isinstance(judge, DetectorJudge)), None)
    best: dict[str, ConceptContrast] = {}
    for one in contrasts:
        if one.name not in best or one.auroc_probe > best[one.name].auroc_probe:
            best[one.name] = one
    found = []
    for one in sorted(best.values(), key=lambda one: -one.auroc_probe):
        measure = f"detector:{one.name}" if settings.concepts else f"clap:{one.name}"
        if measure not in measures:
            continue
        heard = detectors.auroc(one.name) if detectors is not None and settings.concepts else None
        second = second_measure(one.name, measure, measures)
        found.append(Concept(one.name, measure, one.layer, one.auroc_probe, heard, second))
    clear = sum(concept.probe_auroc >= settings.concept_auroc for concept in found)
    return found[: max(clear, settings.least_concepts)]


def _baselines(
    contrasts: Sequence[ConceptContrast], names: set[str], scales: Mapping[int, float]
) -> list[Source]:
    """Difference-in-means directions, ``concept@layer``, at the norm of the layer's candidates."""
    return [
        Source("difference in means", f"{one.name}@{one.layer}", one.layer, one.vector, scales[one.layer])
        for one in contrasts
        if one.name in names and one.layer in scales
    ]


def _pairs(settings: ProveSettings, count: int, first: int) -> tuple[Pair, ...]:
    return tuple(Pair(settings.prompts[n % len(settings.prompts)], first + n) for n in range(count))


TWIN = Condition("unsteered", "", 0, 0.0)


def _stage(run: Run, plan: Plan) -> Stage:
    settings = run.prereg.settings
    return Stage(
        plan,
        run.folder / "blocks",
        run.sources,
        settings.model,
        run.bank,
        settings.guidance,
        settings.temperature,
        settings.top_k,
        settings.branch,
        settings.clap,
        run.folder / ANCHORS if settings.clap else None,
    )


def _plan(
    run: Run, stage: str, seconds: float, pairs: Sequence[Pair], conditions: Sequence[Condition]
) -> Plan:
    sources = load_sources(run.sources)
    used = {(c.kind, c.id) for c in conditions} & sources.keys()
    basis = {
        "site": run.prereg.site,
        "judges": run.prereg.judges,
        "directions": {f"{k}\t{i}": [sources[k, i].digest, sources[k, i].scale] for k, i in sorted(used)},
        "generation": [
            getattr(run.prereg.settings, name) for name in ("guidance", "temperature", "top_k", "branch")
        ],
    }
    return Plan(stage, seconds, run.prereg.settings.batch, tuple(pairs), tuple(conditions), digest_of(basis))


def _all(sources: Sequence[Source], kind: str, amounts: Sequence[float]) -> list[Condition]:
    return [Condition(kind, s.id, s.layer, amount) for s in sources if s.kind == kind for amount in amounts]


def screening_plan(run: Run) -> Plan:
    """Every candidate and a few random directions, both signs."""
    settings, sources = run.prereg.settings, list(load_sources(run.sources).values())
    pool = {f"random/{layer}/{n}" for layer in run.prereg.scales for n in range(settings.screen_pool)}
    conditions = [
        TWIN,
        *_all(sources, "feature", settings.screen_amounts),
        *(c for c in _all(sources, "random", settings.screen_amounts) if c.id in pool),
    ]
    pairs = _pairs(settings, settings.screen_seeds, settings.seed)
    return _plan(run, "screen", settings.screen_s, pairs, conditions)


def confirmation_plan(run: Run, selection: Selection) -> Plan:
    """The pool, the confirmed candidates and every control, on fresh seeds."""
    settings, sources = run.prereg.settings, list(load_sources(run.sources).values())
    norms = settings.pool_norms
    confirmed = set(selection.confirmed)
    layers = sorted(map(int, run.prereg.scales))
    conditions = [
        TWIN,
        *(Condition("pass-through", str(layer), layer, 1.0) for layer in layers),
        *_all(sources, "random", norms),
        *_all(sources, "held-out random", settings.amounts),
        *_all(sources, "inactive feature", [sign * n for n in norms for sign in (-1.0, 1.0)]),
        *_all(sources, "difference in means", settings.amounts),
        *(c for c in _all(sources, "feature", settings.amounts) if c.id in confirmed),
        *(c for c in _all(sources, "wrong layer", settings.screen_amounts) if c.id in confirmed),
    ]
    pairs = _pairs(settings, settings.confirm_seeds, settings.seed + _FRESH)
    return _plan(run, "confirm", settings.confirm_s, pairs, conditions)


def cost_of(run: Run, budget_s: float | None = None, *, players: Players = HERE) -> Cost:
    """Clips and hours, by a block that is played on this machine. Raises BadInputError for too small a budget."""
    settings, candidates = run.prereg.settings, run.prereg.candidates
    screening = screening_plan(run)
    nobody = Selection((), (), (), {}, {}, 0.0)
    fixed = confirmation_plan(run, nobody)
    each = (len(settings.amounts) + len(settings.screen_amounts)) * settings.confirm_seeds
    per_clip = time_block(_stage(run, screening), players=players)
    longer = per_clip * settings.confirm_s / settings.screen_s
    room = len(candidates)
    if budget_s is not None:
        left = budget_s - screening.clips * per_clip - fixed.clips * longer
        room = min(room, int(left / (each * longer)))
        if room < 1:
            needed = screening.clips * per_clip + fixed.clips * longer
            raise BadInputError(
                f"the screening and the controls alone take {needed / 60:.0f} minutes here: give a larger --budget, "
                "fewer seeds or shorter clips"
            )
    clips = {"screening": screening.clips, "pool and controls": fixed.clips, "candidates": room * each}
    return Cost(clips, per_clip, room)


def screen(run: Run, *, players: Players = HERE, told: Tell | None = None) -> tuple[Trials, Selection]:
    """Play the screening and choose; the choice is kept in the folder."""
    trials = play(_stage(run, screening_plan(run)), players=players, told=_counted(told, "screening"))
    selection = select(run.prereg, trials)
    write_json(run.folder / "selection.json", asdict(selection))
    return trials, selection


def play_unsteered(run: Run, *, players: Players = HERE, told: Tell | None = None) -> Trials:
    """Play the unsteered takes that quality is compared with."""
    settings = run.prereg.settings
    pairs = _pairs(settings, settings.reference_takes * len(settings.prompts), settings.seed + 2 * _FRESH)
    plan = _plan(run, "reference", settings.confirm_s, pairs, [TWIN])
    return play(_stage(run, plan), players=players, told=_counted(told, "unsteered takes"))


def confirm(run: Run, selection: Selection, *, players: Players = HERE, told: Tell | None = None) -> Trials:
    """Play the confirmation."""
    plan = confirmation_plan(run, selection)
    return play(_stage(run, plan), players=players, told=_counted(told, "confirming"))


def _counted(told: Tell | None, what: str) -> Told | None:
    if told is None:
        return None
    tell = told
    return lambda done, total, note: tell(f"{what}: clip {done} of {total} {note}".rstrip(), done / total)
