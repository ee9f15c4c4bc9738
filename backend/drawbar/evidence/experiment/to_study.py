"""A run's trials -> the study that the statistics judge, and their findings -> the bank's evidence.

Every control comes from the run: one that was not played is an error where it is looked for, nothing stands in.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from drawbar.bank import Evidence, FeatureEvidence, Trial
from drawbar.errors import ControlError
from drawbar.evidence.experiment.preregistration import Candidate
from drawbar.evidence.experiment.quality_guards import guard_names
from drawbar.evidence.experiment.selection import Selection
from drawbar.evidence.experiment.sources import Sources, load_sources
from drawbar.evidence.experiment.stages import TWIN, Run, Tell
from drawbar.evidence.experiment.trials import Condition, Source, Trials
from drawbar.evidence.statistics.analysis import Analysis, Study, analyse
from drawbar.evidence.statistics.concept_tests import ConceptTest
from drawbar.evidence.statistics.controls import Control, Slider
from drawbar.evidence.statistics.measure_slider import Takes
from drawbar.evidence.statistics.responses import Pool, Responses
from drawbar.evidence.statistics.settings import GuardLimits, StatisticsSettings
from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import json_value


@dataclass(frozen=True)
class Stages:
    """What was played."""

    screening: Trials
    confirmation: Trials
    reference: Trials
    """Unsteered takes."""

    @property
    def spent_s(self) -> float:
        return sum(stage.spent_s for stage in (self.screening, self.confirmation, self.reference))


class _Table:
    """Confirmation trials by what they are for."""

    def __init__(self, run: Run, trials: Trials) -> None:
        self._trials = trials
        pairs = trials.plan.pairs
        self.prompts = tuple(pair.prompt for pair in pairs)
        self.seeds = tuple(pair.seed for pair in pairs)
        self.measures = run.prereg.measures
        self._judged = [trials.measures.index(name) for name in self.measures]
        codebooks = sum(name.startswith("ce_") for name in trials.measures)
        self._guard_names = guard_names(codebooks)
        self._guarded = [trials.measures.index(name, len(self.measures)) for name in self._guard_names]
        self._twins = trials.of(TWIN)

    def responses(self, kind: str, id: str) -> Responses:
        return self._taken(kind, id, self.measures, self._judged)

    def guards(self, kind: str, id: str) -> Responses:
        return self._taken(kind, id, self._guard_names, self._guarded)

    def _taken(self, kind: str, id: str, names: tuple[str, ...], columns: list[int]) -> Responses:
        played = self._trials.amounts(kind, id)
        if not played:
            raise ControlError(f"{kind} {id} was not played: run prove again in a new folder")
        doses = {amount: values[:, columns] for amount, values in played.items()}
        return Responses(names, self.prompts, self.seeds, self._twins[:, columns], doses)

    def pool(self, layer: int, sources: Sequence[Source], norms: Sequence[float]) -> Pool:
        values = np.stack(
            [
                np.stack(
                    [
                        self._trials.of(Condition("random", source.id, layer, norm))[:, self._judged]
                        for norm in norms
                    ]
                )
                for source in sources
            ]
        )
        scale = sources[0].scale
        grid = tuple(norm * scale for norm in norms)
        twins = self._twins[:, self._judged]
        return Pool(self.measures, self.prompts, self.seeds, twins, grid, values)


def assemble(run: Run, played: Stages, selection: Selection, wall_s: float) -> Study:
    """Everything preregistered and played, as the statistics want it. Raises ControlError for a missing control."""
    prereg, settings = run.prereg, run.prereg.settings
    screening, confirmation, reference = played.screening, played.confirmation, played.reference
    sources, table = load_sources(run.sources), _Table(run, confirmation)
    layers = sorted(map(int, prereg.scales))
    pools = {
        layer: table.pool(
            layer,
            [s for s in sources.values() if s.kind == "random" and s.layer == layer],
            settings.pool_norms,
        )
        for layer in layers
    }
    confirmed, dropped = set(selection.confirmed), set(selection.dropped)
    sliders = tuple(
        _slider(candidate, sources, table, confirmed, dropped, run) for candidate in prereg.candidates
    )
    held_out = tuple(
        Slider(
            source.id,
            source.layer,
            source.scale,
            source.digest,
            responses=table.responses(source.kind, source.id),
            guards=table.guards(source.kind, source.id),
        )
        for source in sources.values()
        if source.kind == "held-out random"
    )
    concepts = tuple(
        ConceptTest(
            concept.name,
            concept.measure,
            selection.sliders[concept.name],
            concept.probe_auroc,
            float("nan") if concept.detector_auroc is None else concept.detector_auroc,
            concept.second,
        )
        for concept in prereg.concepts
    )
    judged = [reference.measures.index(name) for name in prereg.measures]
    alone = reference.of(TWIN)
    takes = Takes(tuple(pair.prompt for pair in reference.plan.pairs), alone[:, judged].astype(np.float64))
    about = {
        "published": prereg.published,
        "screened": len(prereg.candidates),
        "clips": sum(stage.plan.clips for stage in (screening, confirmation, reference)),
        "wall_s": round(wall_s, 1),
        "digest": prereg.digest,
        "amendments": amendments(run.folder),
        "site": prereg.site,
        "survivors": len(selection.survivors),
        "sampled_rest": len(selection.sampled),
        "dropped_for_budget": len(selection.dropped),
        "settings": json.loads(json.dumps(asdict(settings))),
    }
    return Study(sliders, pools, concepts, held_out, takes, _levels(reference), about)


def amendments(folder: Path, said: str = "") -> list[str]:
    """What was changed after the preregistration, in the run's folder, oldest first; ``said`` is added to it."""
    path = folder / "amendments.json"
    found: list[str] = json_value(path.read_text(encoding="utf-8")) if path.is_file() else []
    if said.strip() and said.strip() not in found:
        found.append(said.strip())
        write_json(path, found)
    return found


def _levels(reference: Trials) -> dict[str, dict[str, float]]:
    """Prompt -> cross-entropy per codebook, mean over unsteered takes."""
    values = reference.of(TWIN).astype(np.float64)
    prompts = np.array([pair.prompt for pair in reference.plan.pairs])
    names = [name for name in reference.measures if name.startswith("ce_")]
    return {
        prompt: {
            name: float(values[prompts == prompt, reference.measures.index(name)].mean()) for name in names
        }
        for prompt in dict.fromkeys(prompts.tolist())
    }


def _slider(
    candidate: Candidate, sources: Sources, table: _Table, confirmed: set[str], dropped: set[str], run: Run
) -> Slider:
    common: JsonObject = {
        "id": candidate.id,
        "layer": candidate.layer,
        "scale": candidate.scale,
        "digest": candidate.vector,
        "target": candidate.target,
        "second": candidate.second,
        "barred": frozenset(candidate.barred),
    }
    if candidate.id not in confirmed:
        return Slider(**common, dropped=candidate.id in dropped)
    return Slider(
        **common,
        responses=table.responses("feature", candidate.id),
        guards=table.guards("feature", candidate.id),
        controls=_controls(candidate, sources, table, run),
    )


def _controls(candidate: Candidate, sources: Sources, table: _Table, run: Run) -> Mapping[str, Control]:
    rare = sorted(
        (s for s in sources.values() if s.kind == "inactive feature" and s.layer == candidate.layer),
        key=lambda s: s.id,
    )
    if not rare:
        raise ControlError(
            f"layer {candidate.layer} has no inactive feature: run prove again in a new folder"
        )
    wanted = {
        "inactive feature": ("inactive feature", rare[int(candidate.vector[:8], 16) % len(rare)].id),
        "wrong layer": ("wrong layer", candidate.id),
    }
    if candidate.target is not None:
        name = _baseline(candidate, sources)
        wanted["difference in means"] = ("difference in means", name)
    found = {}
    for kind, key in wanted.items():
        if key not in sources:
            raise ControlError(f"{candidate.id} has no {kind} {key[1]}: run prove again in a new folder")
        source = sources[key]
        found[kind] = Control(
            kind, source.layer, source.digest, source.scale, table.responses(*key), table.guards(*key)
        )
    layer = str(candidate.layer)
    found["pass-through"] = Control(
        "pass-through", candidate.layer, "", None, table.responses("pass-through", layer)
    )
    return found


def _baseline(candidate: Candidate, sources: Sources) -> str:
    """The difference in means of what the target measures: the label's own concept, or the measure's."""
    names = [candidate.concept, (candidate.target or "").partition(":")[2]]
    for name in names:
        if ("difference in means", f"{name}@{candidate.layer}") in sources:
            return f"{name}@{candidate.layer}"
    return f"{names[0]}@{candidate.layer}"


def evidence_of(
    run: Run,
    played: Stages,
    selection: Selection,
    analysis: Analysis,
    readbacks: Mapping[str, Mapping[str, float]] | None = None,
) -> Evidence:
    """Findings and trials as the bank keeps them; a read-back stands in its feature's card."""
    heard = readbacks or {}
    features = tuple(
        FeatureEvidence(
            one.id,
            one.verdict.name,
            one.proof,
            one.usable,
            None if one.card is None else one.card | {"readback": dict(heard.get(one.id, {}))},
        )
        for one in analysis.findings
    )
    documents = {
        "summary": analysis.summary,
        "preregistration": json.loads(json.dumps(asdict(run.prereg))) | {"digest": run.prereg.digest},
        "selection": json.loads(json.dumps(asdict(selection))),
        "measures": list(played.confirmation.measures),
    }
    return Evidence(features, documents, _rows(played.screening, played.reference, played.confirmation))


def _rows(*stages: Trials) -> Iterator[Trial]:
    for trials in stages:
        for condition, pair, block, batch, values in trials.rows():
            yield Trial(
                trials.plan.stage,
                condition.kind,
                condition.id,
                condition.layer,
                condition.amount,
                pair.prompt,
                pair.seed,
                block,
                batch,
                values,
            )


def judge(
    run: Run, played: Stages, selection: Selection, wall_s: float, told: Tell | None = None
) -> Analysis:
    """Assemble and analyse, with the preregistered limits and levels."""
    study = assemble(run, played, selection, wall_s)
    return analyse(study, _statistics(run.prereg.statistics), progress=told)


def _statistics(given: JsonMapping) -> StatisticsSettings:
    values: JsonObject = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    values["guards"] = GuardLimits(**given["guards"])
    return StatisticsSettings(**values)
