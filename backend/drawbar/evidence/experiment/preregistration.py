"""A bank, a model and settings -> what will be tested, written down with its digest before anything is played.

Candidates, concepts, prompts, seeds, doses, the pool and the rules that choose among them. The denominators of the
evidence are these; a run whose files do not match its preregistration is refused.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.bank import Bank
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.judges import barred, second_measure, target_measure
from drawbar.evidence.experiment.trials import Source, digest_of
from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import json_value

PROMPTS = (
    "piano in a minor with bass",
    "rock drums with guitar in e minor",
    "strings in d minor with flute lead",
    "electric piano in g major with house drums and synth bass",
)


@dataclass(frozen=True)
class ProveSettings:
    """How sliders are tested. Raises BadInputError for what could prove nothing."""

    model: str = "embedded"
    density: tuple[float, float] = (0.025, 0.4)
    """Candidates fire in this share of positions."""
    least_candidates: int = 200
    features: tuple[str, ...] = ()
    """Only these: an exploration, whose verdicts are corrected for these alone and which says so."""
    prompts: tuple[str, ...] = PROMPTS
    screen_seeds: int = 4
    """Screening pairs, the prompts in turn."""
    confirm_seeds: int = 8
    """Confirmation pairs, fresh seeds, the prompts in turn."""
    screen_s: float = 4.0
    confirm_s: float = 4.0
    screen_amounts: tuple[float, ...] = (-1.0, 1.0)
    amounts: tuple[float, ...] = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
    pool: int = 200
    """Random directions per layer."""
    pool_norms: tuple[float, ...] = (0.5, 1.25, 3.0)
    """In units of the median candidate's scale at the layer. The strongest must reach what candidates add (scales go
    up to 3 medians here): a dose beyond it cannot be tested."""
    screen_pool: int = 16
    """Random directions per layer that are screened beside the candidates, at the median scale."""
    inactive: int = 4
    """Features per layer that fire most rarely."""
    held_out: int = 25
    """Random directions per layer that are judged as if they were candidates."""
    rest_share: float = 0.1
    """Of the candidates that do not survive screening, this share is confirmed all the same."""
    confirm_most: int = 0
    """Candidates confirmed at most; 0 is no limit (set by the budget before anything is played)."""
    least_concepts: int = 20
    concept_auroc: float = 0.95
    concepts: bool = True
    """Test the composer's concepts; needs the soundfont, and a model that was trained on composed music."""
    labels: bool = False
    """Test what labels say by CLAP, with the bank's own examples for the baseline: for models nobody composes for."""
    reference_takes: int = 24
    """Unsteered takes per prompt: what quality is compared with, and how much takes differ by themselves."""
    sliders_per_concept: int = 3
    """Candidates per concept, chosen by their screening effect on the concept's judge."""
    q: float = 0.05
    guidance: float | None = 3.0
    temperature: float = 1.0
    top_k: int = 250
    branch: str = "conditional"
    """Guidance branches that directions are added to, ``conditional`` or ``both``: that of the sliders."""
    batch: int = 32
    clap: str = ""
    seed: int = 20_000

    def __post_init__(self) -> None:
        low, high = self.density
        if not 0 <= low < high <= 1:
            raise BadInputError(f"density {self.density}: give a range within 0 to 1")
        if len(set(self.prompts)) < 3 or not all(p.strip() for p in self.prompts):
            raise BadInputError(f"{len(set(self.prompts))} prompts: at least 3 different ones are needed")
        if self.confirm_seeds < 8 or self.screen_seeds < 2:
            raise BadInputError(
                f"screen_seeds {self.screen_seeds}, confirm_seeds {self.confirm_seeds}: at least 2 and 8"
            )
        needed = math.ceil(1 / self.q) - 1
        if not 0 < self.q < 1 or self.pool < needed:
            raise BadInputError(
                f"a pool of {self.pool} cannot show p below {1 / (self.pool + 1):.3g}, and q is {self.q}: "
                f"give --pool {10 * needed} or more"
            )
        both = (*self.amounts, *self.screen_amounts)
        if not all(math.isfinite(a) and a for a in both) or {a for a in both if -a not in both}:
            raise BadInputError(f"amounts {both}: give each with both signs, and not 0 (that is the twin)")
        if list(self.pool_norms) != sorted(set(self.pool_norms)) or self.pool_norms[0] <= 0:
            raise BadInputError(f"pool_norms {self.pool_norms}: give rising numbers above 0")


@dataclass(frozen=True)
class Candidate:
    """A slider that will be tested."""

    id: str
    layer: int
    scale: float
    vector: str
    """Digest of its direction."""
    label: str = ""
    concept: str = ""
    """What the composer's truth calls it, if that labelled it."""
    authors: tuple[str, ...] = ()
    target: str | None = None
    """The measure that its label names; None: any measure of a judge that is not barred."""
    second: str | None = None
    """Another judge's measure that must not move against it."""
    barred: tuple[str, ...] = ()
    """Judges that labelled it."""


@dataclass(frozen=True)
class Concept:
    """Something the composer writes that the model knows and a judge hears."""

    name: str
    measure: str
    layer: int
    probe_auroc: float
    detector_auroc: float | None
    """How well its detector hears it; None for another judge."""
    second: str | None = None


@dataclass(frozen=True)
class Preregistration:
    """All of it."""

    settings: ProveSettings
    site: str
    """The model's fingerprint."""
    bank: str
    """The bank's identity."""
    published: int
    """Features of the bank; untested ones stay so."""
    measures: tuple[str, ...]
    judges: Any
    """The judges' keys."""
    candidates: tuple[Candidate, ...]
    concepts: tuple[Concept, ...]
    scales: Mapping[str, float] = field(default_factory=dict)
    """Layer -> the candidates' median scale, the unit of the pool's norms."""
    statistics: JsonMapping = field(default_factory=dict)
    """The limits and levels of the analysis (see ``StatisticsSettings``)."""
    seconds_per_clip: float = 0.0
    """Measured before the start; what the budget was turned into clips with."""
    rules: tuple[str, ...] = (
        "screen: survivors are the candidates whose largest standardised effect over all measures of judges that are "
        "not barred lies above the median of the screened random directions",
        "a random share of the others is confirmed too; who is not confirmed has p = 1",
        "concepts: the candidates with the largest screening effect on the concept's measure are its sliders",
        "random directions, screened or confirmed, are never looked at before the candidates are fixed",
    )

    recorded: str = ""
    """The digest that the file had, where this was read from one."""

    @property
    def digest(self) -> str:
        return self.recorded or digest_of(_plain(self))

    def write(self, path: Path) -> None:
        """JSON with its digest; whole or not at all."""
        write_json(path, {"digest": self.digest, **_plain(self)})

    @classmethod
    def read(cls, path: Path) -> "Preregistration":
        """Raises BadInputError for a file that was changed after it was written."""
        try:
            found = json_value(path.read_text(encoding="utf-8"))
            digest = found.pop("digest")
            if digest_of(found) != digest:
                raise BadInputError(
                    f"{path} was changed after the run began: start a new run in another folder"
                )
            given: JsonObject = {
                k: tuple(v) if isinstance(v, list) else v for k, v in found.pop("settings").items()
            }
            candidates = [
                Candidate(**(c | {"authors": tuple(c["authors"]), "barred": tuple(c["barred"])}))
                for c in found.pop("candidates")
            ]
            concepts = [Concept(**c) for c in found.pop("concepts")]
            lists: JsonObject = {name: tuple(found.pop(name)) for name in ("measures", "rules")}
            result = cls(
                settings=ProveSettings(**given),
                candidates=tuple(candidates),
                concepts=tuple(concepts),
                recorded=digest,
                **lists,
                **found,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInputError(f"{path} is no preregistration ({error}); start a new run") from error
        return result


def of_bank(bank: Bank) -> Preregistration:
    """What the bank's own evidence was preregistered as. Raises BadInputError for a bank without evidence."""
    about = bank.evidence("preregistration")
    if not about:
        raise BadInputError(f"the bank {bank.info.name} holds no evidence: run `drawbar prove` first")
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "preregistration.json"
        facts = {name: value for name, value in about.items() if name != "recorded"}
        path.write_text(json.dumps(facts), encoding="utf-8")
        return Preregistration.read(path)


def _plain(prereg: Preregistration) -> JsonObject:
    found: JsonObject = json.loads(json.dumps(asdict(prereg)))
    del found["recorded"]
    return found


def candidates_of(
    bank: Bank, settings: ProveSettings, measures: Sequence[str]
) -> list[tuple[Candidate, Source]]:
    """A bank's live features in the density range that are not position-locked, with their directions.

    Raises BadInputError for fewer than ``least_candidates``, or an id that the bank does not have.
    """
    if settings.features:
        rows = [bank.resolve(text) for text in dict.fromkeys(settings.features)]
    else:
        low, high = settings.density
        rows = bank.search(min_density=low, max_density=high, sort="id", limit=bank.count() + 1)
    found = []
    for row in rows:
        page = bank.feature(row.id)
        if not settings.features and str(page.temporal.get("type", "")).startswith("position"):
            continue
        found.append(page)
    if not settings.features and len(found) < settings.least_candidates:
        raise BadInputError(
            f"{len(found)} candidates fire in {low:g} to {high:g} of positions, {settings.least_candidates} are "
            "needed: widen --density"
        )
    vectors = bank.vectors([page.id for page in found])
    result = []
    for place, page in enumerate(found):
        vector = np.asarray(vectors["W_dec"][place], np.float32)
        vector = vector / np.linalg.norm(vector)
        source = Source("feature", page.id, page.row.layer, vector, float(vectors["scale"][place]))
        best = page.labels[0] if page.labels else None
        concept = str(best.evidence.get("concept", "")) if best is not None else ""
        authors = tuple(sorted({label.author for label in page.labels}))
        closed = barred(authors)
        target = None
        if settings.concepts and concept:
            target = target_measure(concept, measures)
        elif settings.labels and best is not None and f"clap:{best.text}" in measures:
            concept, target = best.text, f"clap:{best.text}"
        if target is not None and target.partition(":")[0] in closed:
            target = None
        second = second_measure(concept, target, measures) if target else None
        result.append(
            (
                Candidate(
                    page.id,
                    page.row.layer,
                    source.scale,
                    source.digest,
                    page.row.label,
                    concept,
                    authors,
                    target,
                    second if second and second.partition(":")[0] not in closed else None,
                    tuple(sorted(closed)),
                ),
                source,
            )
        )
    return result


def random_sources(kind: str, layer: int, count: int, width: int, scale: float, seed: int) -> list[Source]:
    """Directions drawn evenly from the sphere: ``random/LAYER/N``, always the same for a seed."""
    generator = np.random.default_rng([seed, layer, len(kind)])
    drawn: NDArray[np.float32] = generator.standard_normal((count, width)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return [Source(kind, f"{kind}/{layer}/{n}", layer, drawn[n], scale) for n in range(count)]
