"""Sound -> one figure per measure, from judges that have never seen a residual.

A measure is named ``judge:what``: ``detector:drums``, ``descriptor:loudness_db``, ``clap:jazz drums``. Who labelled a
feature never judges it. Knows no model and no direction.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drawbar.audio_analysis import DESCRIPTORS, Detectors, descriptors
from drawbar.audio_analysis.clap import Embedder, load_clap, weights_key
from drawbar.errors import BadInputError
from drawbar.paths import assets_dir

Floats = NDArray[np.float32]

_HEARD = 0.9
"""A detector judges if its AUROC on held-out composed clips is at least this."""


class Judge(Protocol):
    """Listens to clips."""

    @property
    def name(self) -> str:
        """The part of its measures' names before the colon."""
        ...

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what it measures, ``name:what``."""
        ...

    def key(self) -> object:
        """JSON: what its answers depend on."""
        ...

    def measure(self, audio: Floats, rate_hz: int) -> Floats:
        """Finite clips ``[B, N]`` -> ``[B, M]``, higher is more."""
        ...


class DetectorJudge:
    """Nets trained on composed audio: the mean logit of each factor over the clip."""

    name = "detector"

    def __init__(self, detectors: Detectors) -> None:
        self._detectors = detectors
        self._columns = [
            n for n, name in enumerate(detectors.names) if detectors.reports[name].auroc >= _HEARD
        ]
        self.measures = tuple(f"detector:{detectors.names[n]}" for n in self._columns)

    def auroc(self, factor: str) -> float:
        """How well a factor is heard on held-out composed clips."""
        return self._detectors.reports[factor].auroc

    def key(self) -> object:
        """Its factors and what each is worth."""
        return [[name, round(report.auroc, 6)] for name, report in self._detectors.reports.items()]

    def measure(self, audio: Floats, rate_hz: int) -> Floats:
        if rate_hz != 32_000:
            raise BadInputError(
                f"{rate_hz} Hz: the detectors listen at 32000 Hz; leave them out for this model"
            )
        found: Floats = self._detectors.logits(audio).mean(1)[:, self._columns]
        return found


class DescriptorJudge:
    """Loudness, brightness, onsets, bands, pitch and pitch classes: means over the clip."""

    name = "descriptor"
    measures = tuple(f"descriptor:{name}" for name in DESCRIPTORS)

    def key(self) -> object:
        return list(self.measures)

    def measure(self, audio: Floats, rate_hz: int) -> Floats:
        """See Judge. ``pitch_hz`` is the mean of log2 where there is a pitch, the frequencies are in octaves."""
        return np.stack([self._one(clip, rate_hz) for clip in audio])

    def _one(self, clip: Floats, rate_hz: int) -> Floats:
        curves = descriptors(clip, rate_hz)
        row = []
        for name in DESCRIPTORS:
            curve = curves[name]
            if name.endswith("_hz") and name != "onset_rate_hz":
                heard = curve[curve > 0]
                row.append(float(np.log2(heard).mean()) if heard.size else 0.0)
            else:
                row.append(float(curve.mean()))
        return np.array(row, np.float32)


class ClapJudge:
    """Cosine of a clip's CLAP embedding with anchors: each label's text, and the mean of its examples."""

    name = "clap"

    def __init__(self, source: str, anchors: Mapping[str, Floats], embedder: Embedder | None = None) -> None:
        """``source`` is a folder or LAION's file, ``anchors`` unit vectors. Raises what loading it raises."""
        self._source = source
        self._clap = embedder or load_clap(source)
        self.measures = tuple(f"clap:{name}" for name in anchors)
        self._anchors = np.stack(list(anchors.values())) if anchors else np.zeros((0, 1), np.float32)

    def key(self) -> object:
        digest = hashlib.sha256(np.ascontiguousarray(self._anchors, "<f4").tobytes()).hexdigest()
        return [weights_key(self._source), list(self.measures), digest]

    def measure(self, audio: Floats, rate_hz: int) -> Floats:
        found: Floats = (self._clap.embed_audio(list(audio), rate_hz).numpy() @ self._anchors.T).astype("f4")
        return found


def clap_anchors(
    clap: Embedder, labels: Sequence[str], examples: Callable[[str], Sequence[Floats]], rate_hz: int
) -> dict[str, Floats]:
    """Labels, and the sound of what carries each -> unit vectors, ``LABEL`` and ``LABEL by example``."""
    if not labels:
        return {}
    found: dict[str, Floats] = dict(zip(labels, clap.embed_text(list(labels)).numpy(), strict=True))
    for label in labels:
        sounds = list(examples(label))
        if sounds:
            mean = clap.embed_audio(sounds, rate_hz).numpy().mean(0)
            found[f"{label} by example"] = (mean / np.linalg.norm(mean)).astype(np.float32)
    return found


def find_judges(
    rate_hz: int,
    *,
    detectors: Path | None = None,
    clap: str = "",
    anchors: Mapping[str, Floats] | None = None,
) -> list[Judge]:
    """The judges that can listen here: detectors (32 kHz), descriptors, CLAP where its weights are given."""
    judges: list[Judge] = []
    if rate_hz == 32_000:
        judges.append(DetectorJudge(Detectors.load(detectors or assets_dir() / "detectors")))
    judges.append(DescriptorJudge())
    if clap:
        judges.append(ClapJudge(clap, anchors or {}))
    return judges


_BY_DESCRIPTOR: Mapping[str, str] = {
    "register:high": "descriptor:pitch_hz",
    "dynamics:loud": "descriptor:loudness_db",
    "density:busy": "descriptor:onset_rate_hz",
}
_SECOND: Mapping[str, str] = {
    "drums": "descriptor:onset_strength",
    "bass": "descriptor:low_band_share",
}


def target_measure(concept: str, measures: Sequence[str]) -> str | None:
    """A composer's concept -> the measure that hears it, or None: ``drums:jazz``, ``key:a``, ``register:high``."""
    kind, _, what = concept.partition(":")
    wanted = [f"detector:{concept}", _BY_DESCRIPTOR.get(concept, "")]
    if kind == "key":
        wanted.append(f"descriptor:chroma_{what.replace(' sharp', '#')}")
    return next((name for name in wanted if name in measures), None)


def second_measure(concept: str, target: str, measures: Sequence[str]) -> str | None:
    """Another judge's measure that must not move against the target, where there is one."""
    name = _SECOND.get(concept.partition(":")[0])
    if name is None or name not in measures or name.partition(":")[0] == target.partition(":")[0]:
        return None
    return name


def barred(authors: Sequence[str]) -> frozenset[str]:
    """Who labelled a feature -> the judges that may not judge it."""
    same = {
        "descriptors": "descriptor",
        "essentia": "descriptor",
        "compound": "descriptor",
        "detectors": "detector",
        "clap": "clap",
    }
    return frozenset(same[author] for author in authors if author in same)
