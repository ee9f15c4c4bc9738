"""SAE settings and a made-up world whose features are known -> which of them each SAE finds.

SynthSAEBench (Chanin and Garriga-Alonso, arXiv 2602.14687), rebuilt from its published configuration at any size: a
Zipfian firing law, a forest of features whose siblings exclude one another and whose strength follows their parent's,
low-rank correlations of who fires, and directions that are pushed apart. The metrics are theirs: F1 of each SAE
feature as a detector of the true feature that it is most like, MCC by one-to-one matching, uniqueness. Their figures
are of 16,384 features in 768 dimensions, 4,096 SAE features and 200 million samples; at another size only SAEs of one
run can be compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm
from torch import Tensor
from torch.nn import functional

from drawbar.bench.clips import Progress
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject
from drawbar.sae import SAE, SaeJob, SaeSettings, train_saes

THEIRS: Mapping[str, Mapping[str, float]] = {
    "BatchTopK": {"f1": 0.7316, "mcc": 0.7574, "uniqueness": 0.9837, "explained": 0.7923},
    "Matryoshka": {"f1": 0.8793, "mcc": 0.7927, "uniqueness": 0.9987, "explained": 0.7792},
    "JumpReLU": {"f1": 0.7317, "mcc": 0.7527, "uniqueness": 0.9885, "explained": 0.7951},
    "Standard L1": {"f1": 0.5562, "mcc": 0.6039, "uniqueness": 0.8976, "explained": 0.7654},
}
"""Published, at L0 = 25 on the full size."""


@dataclass(frozen=True)
class World:
    """How samples are made. Raises BadInputError for sizes that make none."""

    features: int = 1024
    width: int = 128
    exponent: float = 0.5
    most: float = 0.4
    least: float = 5e-4
    """Firing probabilities, by Zipf's law between these."""
    roots: int = 24
    branching: int = 4
    depth: int = 3
    rank: int = 25
    correlation: float = 0.1
    apart_steps: int = 100
    apart_rate: float = 3e-4
    magnitude: tuple[float, float] = (5.0, 4.0)
    """Mean strength of the most and of the least frequent feature."""
    spread: tuple[float, float] = (0.5, 0.5)
    """Of the strengths' standard deviations: mean and standard deviation before folding."""
    bias: float = 0.5
    seed: int = 42

    def __post_init__(self) -> None:
        if self.features < 8 or self.width < 2 or not 0 < self.least < self.most < 1 or self.roots < 1:
            raise BadInputError(
                f"{self}: at least 8 features, 2 dimensions, a root, and probabilities within 0 to 1"
            )


@dataclass
class Sampler:
    """A world -> samples with their truth."""

    world: World
    seed: int = 0
    """Of the samples; the world has its own."""
    _generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._generator = torch.Generator().manual_seed(self.seed)

    @cached_property
    def _made(self) -> dict[str, Tensor]:
        world, draw = self.world, torch.Generator().manual_seed(self.world.seed)
        ranks = torch.arange(1, world.features + 1, dtype=torch.float64)
        law = ranks**-world.exponent
        law = (law - law[-1]) / (law[0] - law[-1])
        wanted = world.least + (world.most - world.least) * law
        parent = _forest(world, draw)
        strength = torch.linspace(world.magnitude[0], world.magnitude[1], world.features)
        spread = (world.spread[0] + world.spread[1] * torch.randn(world.features, generator=draw)).abs()
        factors = (
            torch.randn(world.features, world.rank, generator=draw) * world.correlation / world.rank**0.5
        )
        return {
            "directions": _apart(world, draw),
            "parent": parent,
            "threshold": torch.from_numpy(norm.isf(_given_parent(wanted, parent).numpy())).float(),
            "strength": strength,
            "spread": spread,
            "factors": factors,
            "bias": world.bias * functional.normalize(torch.randn(world.width, generator=draw), dim=0),
        }

    @property
    def directions(self) -> Tensor:
        """``[G, D]`` unit rows, the most frequent feature first."""
        return self._made["directions"]

    def truth(self, count: int) -> Tensor:
        """Strengths of the true features ``[N, G]``, 0 where one does not fire."""
        made, draw = self._made, self._generator
        world = self.world
        common = torch.randn(count, world.rank, generator=draw) @ made["factors"].T
        own = torch.randn(count, world.features, generator=draw)
        size = (1 + made["factors"].square().sum(1)).sqrt()
        fires = (common + own) / size > made["threshold"]
        strength = made["strength"] + made["spread"] * torch.randn(count, world.features, generator=draw)
        values = torch.where(fires, strength.clamp_min(0.0), 0.0)
        return self._in_families(values, torch.rand(count, world.features, generator=draw))

    def _in_families(self, values: Tensor, lot: Tensor) -> Tensor:
        """Children only with their parent, as strong as it is, and of siblings one at most (by lot)."""
        parent, strength = self._made["parent"], self._made["strength"]
        for level in self._levels:
            above = parent[level]
            values[:, level] *= values[:, above] / strength[above]
            alive = values[:, level] > 0
            draws = torch.where(alive, lot[:, level], -1.0)
            best = torch.full((len(values), self.world.features), -1.0)
            best = best.scatter_reduce(1, above.expand(len(values), -1), draws, "amax")
            values[:, level] *= (draws >= best[:, above]) & alive
        return values

    @cached_property
    def _levels(self) -> list[Tensor]:
        """Features by depth below their roots."""
        parent = self._made["parent"]
        found: list[Tensor] = []
        current = torch.flatten(torch.nonzero(parent < 0))
        while True:
            current = torch.flatten(torch.nonzero(torch.isin(parent, current) & (parent >= 0)))
            if not len(current):
                return found
            found.append(current)

    def samples(self, truth: Tensor) -> Tensor:
        """``[N, G]`` -> ``[N, D]``."""
        return truth @ self.directions + self._made["bias"]

    def batches(self, size: int) -> Iterator[Tensor]:
        """Without end."""
        while True:
            yield self.samples(self.truth(size))


@dataclass(frozen=True)
class Found:
    """What an SAE found of a world; the names are SynthSAEBench's."""

    f1: float
    precision: float
    recall: float
    mcc: float
    uniqueness: float
    explained: float
    l0: float
    dead: int


@torch.no_grad()
def judge(sae: SAE, sampler: Sampler, count: int = 20_000, batch: int = 2000) -> Found:
    """An SAE beside the truth."""
    cosine = functional.normalize(sae.W_dec, dim=1) @ sampler.directions.T
    match = cosine.argmax(1)
    hits, fired, there = (torch.zeros(sae.d_sae) for _ in range(3))
    error = total = 0.0
    for _ in range(count // batch):
        truth = sampler.truth(batch)
        x = sampler.samples(truth)
        a = sae.encode(x) > 0
        true = truth[:, match] > 0
        hits += (a & true).sum(0)
        fired += a.sum(0)
        there += true.sum(0)
        error += float((x - sae(x)).square().sum())
        total += float((x - x.mean(0)).square().sum())
    alive = fired > 0
    precision = hits[alive] / fired[alive]
    recall = hits[alive] / there[alive].clamp_min(1)
    f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-9)
    rows, columns = linear_sum_assignment(-cosine.abs().numpy())
    return Found(
        float(f1.mean()),
        float(precision.mean()),
        float(recall.mean()),
        float(cosine.abs().numpy()[rows, columns].mean()),
        len(match[alive].unique()) / max(int(alive.sum()), 1),
        1 - error / total,
        float(fired.sum() / (count // batch * batch)),
        int((~alive).sum()),
    )


def ours(width: int = 256, k: int = 25, steps: int = 1500, batch: int = 1024) -> dict[str, SaeSettings]:
    """Our kinds of SAE: TopK, BatchTopK, and BatchTopK with prefixes (Matryoshka, as in the embedded bank)."""
    base = SaeSettings(d_sae=width, k=k, steps=steps, batch=batch, lr=1e-3, k_aux=64)
    prefixes = tuple(sorted({max(2, width // 32), width // 8, width // 3}))
    return {
        "TopK": base,
        "BatchTopK": replace(base, activation="batchtopk"),
        "Matryoshka": replace(base, activation="batchtopk", prefixes=prefixes),
    }


def run(
    world: World | None = None,
    settings: Mapping[str, SaeSettings] | None = None,
    *,
    samples: int = 20_000,
    progress: Progress | None = None,
) -> JsonObject:
    """Train each kind on the same stream and judge it; plain values, the published ones beside them."""
    made, kinds = world or World(), dict(settings or ours())
    tell = progress or (lambda _what, _share: None)
    rows: list[JsonObject] = []
    jobs = [SaeJob(how, 0, "synthetic") for how in kinds.values()]
    first = next(iter(kinds.values()))

    def told(done: int, steps: int, _row: object) -> None:
        tell(f"training {', '.join(kinds)}: step {done} of {steps}", 0.9 * done / steps)

    trained = train_saes(Sampler(made, 1).batches(first.batch), jobs, progress=told)
    for name, one in zip(kinds, trained, strict=True):
        tell(f"judging {name}", 0.95)
        found = judge(one.sae, Sampler(made, 2), samples)
        rows.append({"sae": name, **vars(found), "published": THEIRS.get(name)})
    return {
        "world": vars(made),
        "samples": {name: how.steps * how.batch for name, how in kinds.items()},
        "rows": rows,
    }


def _forest(world: World, draw: torch.Generator) -> Tensor:
    """Parent of each feature ``[G]``, -1 for roots and for features of no tree; parents are more frequent."""
    sizes = [world.roots * world.branching**level for level in range(world.depth + 1)]
    taken = min(sum(sizes), world.features)
    chosen = torch.randperm(world.features, generator=draw)[:taken].sort().values
    parent = torch.full((world.features,), -1, dtype=torch.int64)
    first = 0
    for above, size in pairwise(sizes):
        children = chosen[first + above : first + above + size]
        places = torch.arange(len(children)) // world.branching
        parent[children] = chosen[first : first + above][places]
        first += above
    return parent


def _given_parent(wanted: Tensor, parent: Tensor) -> Tensor:
    """How often each must fire by itself so that it fires as often as wanted beside its parent and siblings."""
    found = wanted.clone()
    for child in range(len(parent)):  # parents come first: they are more frequent
        above = int(parent[child])
        if above >= 0:
            siblings = wanted[parent == above]
            found[child] = wanted[child] / wanted[above].clamp_min(1e-6) * (1 + siblings.sum() / 2)
    return found.clamp(1e-5, 0.95)


@torch.enable_grad()
def _apart(world: World, draw: torch.Generator) -> Tensor:
    """Random unit rows ``[G, D]``, pushed apart by a few steps of gradient on their squared cosines."""
    rows = functional.normalize(
        torch.randn(world.features, world.width, generator=draw), dim=1
    ).requires_grad_()
    optimiser = torch.optim.Adam([rows], lr=world.apart_rate)
    for _ in range(world.apart_steps):
        unit = functional.normalize(rows, dim=1)
        loss = (unit @ unit.T).square().sum() - len(unit)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return functional.normalize(rows.detach(), dim=1)
