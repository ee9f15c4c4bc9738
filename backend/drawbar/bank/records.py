"""What a bank holds -> frozen dataclasses, from the site it belongs to down to one example."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject

Floats = NDArray[np.floating[Any]]

Sort = Literal["score", "label", "density", "strength", "id"]
"""``score``: proven first, then strength of the evidence, then the best label's score."""

_ID = re.compile(r"(\d{1,6})/(\d{1,9})", re.ASCII)

LIKE = "like "
"""Begins the tag that says where an unnamed feature fires most: "like TRACK at 1:24"."""

BINS = ("top", "q75", "q50", "q25", "silent")
"""Where an example stands in its feature's activations; ``silent`` ones are controls."""


def parse_id(feature_id: str) -> tuple[int, int]:
    """``"3/1407"`` -> (layer, index). Raises BadInputError."""
    match = _ID.fullmatch(feature_id)
    if match is None:
        raise BadInputError(f"{feature_id[:80]!r} is not a feature id; write LAYER/INDEX, for example 3/1407")
    return int(match[1]), int(match[2])


def _finite(name: str, owner: str, value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise BadInputError(f"{name} of {owner} is {value}; it must be finite")


@dataclass(frozen=True)
class BankInfo:
    """What a bank is and the site it belongs to."""

    name: str
    model_name: str
    fingerprint: str
    """SHA-256 over the model's weights: with a layer, the site."""
    layers: tuple[int, ...]
    """Counted from 0 = output of ``decoder.layers[0]``."""
    d_model: int
    created: str = ""
    """ISO date, given by who builds it (a rebuild must give the same rows)."""
    licence: str = ""
    """Of the bank, including what the model's licence passes on."""
    sae_settings: JsonMapping = field(default_factory=dict)
    """JSON values."""
    corpus: str = ""
    """What it was made from, in words."""
    n_q: int = 4
    """Codebooks of the examples' tokens."""
    quality: JsonMapping = field(default_factory=dict)
    """JSON values that the build measured: how labels separate from shuffled ones, the survivors' table."""
    model_source: str = ""
    """``owner/name@COMMIT`` where the model came from a Hub, as ``load_model`` takes it."""

    def __post_init__(self) -> None:
        """Raises BadInputError for a bank that could belong to no site."""
        if not self.name.strip() or not self.fingerprint.strip():
            raise BadInputError("a bank needs a name and the fingerprint of its model; give both")
        if not self.layers or min(self.layers) < 0 or len(set(self.layers)) != len(self.layers):
            raise BadInputError(f"layers {self.layers} must be one or more different numbers from 0 up")
        if self.d_model < 1 or self.n_q < 1:
            raise BadInputError(f"d_model {self.d_model} and n_q {self.n_q} must be at least 1")


@dataclass(frozen=True)
class Quantiles:
    """Of the activation over the positions where the feature fires."""

    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    p999: float = 0.0


@dataclass(frozen=True)
class Histogram:
    """Of the activation over the positions where the feature fires."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Label:
    """What one labeller says about a feature."""

    text: str
    author: str
    """Who: ``truth``, ``descriptors``, ``clap``, a person's name."""
    method: str
    """How; ``people`` for a person."""
    score: float | None = None
    """How well the label predicts the activation on held-out clips, higher is better."""
    evidence: JsonMapping = field(default_factory=dict)
    """JSON values, for example the runner-up."""


@dataclass(frozen=True)
class LabelRecord:
    """A label on its way into a bank."""

    feature: str
    label: Label


@dataclass(frozen=True)
class FeatureRecord:
    """A feature on its way into a bank: everything but labels, directions and examples."""

    layer: int
    index: int
    density: float
    """Share of positions where it fires."""
    clip_density: float = 0.0
    """Share of clips (of 10 s) in which it fires."""
    quantiles: Quantiles = field(default_factory=Quantiles)
    histogram: Histogram = field(default_factory=Histogram)
    correlations: Mapping[str, float] = field(default_factory=dict)
    """Descriptor name -> correlation with the activation."""
    neighbours: tuple[tuple[str, float], ...] = ()
    """(feature id, cosine of the directions), nearest first."""
    coactive: tuple[tuple[str, float], ...] = ()
    """(feature id, correlation in time), features of the same layer that fire together."""
    duplicates: tuple[tuple[str, float], ...] = ()
    """(feature id, correlation in time), features of other layers that fire at the same moments."""
    consistency: float | None = None
    """How well the sound alone predicts where it fires: AUROC on held-out clips, 0.5 is chance."""
    temporal: JsonMapping = field(default_factory=dict)
    """JSON values: ``type`` (sustained, onset, periodic, ...) and its figures."""
    usable_range: tuple[float, float] | None = None
    """Amounts between which quality holds."""
    verdict: str = "untested"
    """``proven`` puts it on the shelf of that name."""
    proof: float | None = None
    """Strength of the evidence; sorts within a verdict, higher first."""
    evidence: JsonMapping | None = None
    """The evidence card, JSON values."""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises BadInputError for figures that are not finite or impossible."""
        if self.layer < 0 or self.index < 0:
            raise BadInputError(f"feature {self.id}: layer and index count from 0")
        figures = {"density": self.density, "clip_density": self.clip_density, "proof": self.proof}
        figures |= {"consistency": self.consistency}
        figures |= {"p50": self.quantiles.p50, "p90": self.quantiles.p90}
        figures |= {"p99": self.quantiles.p99, "p999": self.quantiles.p999}
        for name, value in figures.items():
            _finite(name, f"feature {self.id}", value)

    @property
    def id(self) -> str:
        return f"{self.layer}/{self.index}"


@dataclass(frozen=True)
class FeatureRow:
    """One line of the browser."""

    id: str
    layer: int
    index: int
    label: str
    """The best label, a person's before any other; empty for an unnamed feature."""
    label_author: str
    label_score: float | None
    density: float
    p99: float
    shelf: str
    """``proven``, ``named`` or ``unnamed``."""
    starred: bool
    verdict: str
    tags: tuple[str, ...]
    consistency: float | None = None
    """How well the sound alone predicts where it fires (AUROC): what an unnamed feature has for a score."""
    twins: int = 0
    """How many other features are the same slider."""


@dataclass(frozen=True)
class Page:
    """Some rows of a search and how many there are in all."""

    rows: list[FeatureRow]
    total: int


@dataclass(frozen=True)
class Facets:
    """What the browser can filter by, each with its number of features."""

    layers: dict[int, int]
    authors: dict[str, int]
    verdicts: dict[str, int]
    shelves: dict[str, int]
    """``all``, ``proven``, ``named``, ``unnamed``, ``starred``, ``hidden``, then the user's own."""


@dataclass(frozen=True)
class Feature:
    """A feature's page."""

    row: FeatureRow
    labels: list[Label]
    """People's first, then by score."""
    quantiles: Quantiles
    density: float
    clip_density: float
    histogram: Histogram
    correlations: dict[str, float]
    neighbours: list[tuple[str, float]]
    temporal: JsonObject
    usable_range: tuple[float, float] | None
    evidence: JsonObject | None
    hidden: bool = False
    shelves: tuple[str, ...] = ()
    """The user's own shelves that it stands on."""
    coactive: tuple[tuple[str, float], ...] = ()
    """(feature id, correlation in time) in the same layer."""
    duplicates: tuple[tuple[str, float], ...] = ()
    """(feature id, correlation in time) in other layers."""

    @property
    def id(self) -> str:
        return self.row.id


@dataclass(frozen=True)
class Example:
    """A stretch of audio as codec tokens, with the feature's activation in it."""

    tokens: NDArray[np.uint16]
    """``[K, T]``."""
    start_frame: int
    end_frame: int
    """Where the stretch lies in its clip: ``end_frame - start_frame == T``."""
    activations: NDArray[np.float32]
    """``[T]``, kept in 255 steps of its peak."""
    bin: str
    """One of BINS."""
    clip: str
    """Name of the clip it was cut from."""
    licence: str = ""

    def __post_init__(self) -> None:
        """Raises BadInputError where tokens, frames and activations do not fit together."""
        frames = self.end_frame - self.start_frame
        if self.tokens.ndim != 2 or self.tokens.shape[1] != frames or self.activations.shape != (frames,):
            raise BadInputError(
                f"example of {self.clip!r}: tokens {self.tokens.shape}, activations {self.activations.shape} "
                f"must be [K, T] and [T] with T = end_frame - start_frame = {frames}"
            )
        if self.bin not in BINS:
            raise BadInputError(f"example of {self.clip!r}: bin {self.bin!r} is none of {', '.join(BINS)}")


@dataclass(frozen=True)
class LayerDirections:
    """The SAE rows of one layer's published features; the encoder acts on the raw residual.

    ``activation = relu(W_enc @ (x - b_dec) + b_enc)``, then top-k; amount 1 adds ``scale * W_dec``.
    """

    index: NDArray[np.int64]
    """``[n]`` which feature each row is, rising."""
    W_dec: Floats
    """``[n, D]`` unit rows."""
    W_enc: Floats
    """``[n, D]``."""
    b_enc: Floats
    """``[n]``."""
    b_dec: Floats
    """``[D]``."""
    scale: Floats
    """``[n]`` p99 of the activation where it fires."""
    threshold: Floats
    """``[n]`` activation below which the feature would not be among the top k."""
