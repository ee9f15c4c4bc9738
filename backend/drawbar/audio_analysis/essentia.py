"""Audio -> Essentia's figures: DSP extractors, or its classifiers' tags.

Essentia is AGPL-3.0: an offline extra, never part of the frozen app. Imported when first used.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError, MissingDependencyError
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value

ESSENTIA_DSP = (
    "dissonance",  # sensory roughness of the spectral peaks
    "spectral_complexity",  # number of spectral peaks
    "pitch_salience",  # how much one pitch dominates
    "strong_peak",  # how much the strongest peak stands out
    "inharmonicity",  # energy off the harmonics
    "danceability",  # of the surrounding 10 s
    "dynamic_complexity",  # of the surrounding 10 s
)
_FRAME, _PER_S = 4096, 25
_LONG_S = 10.0

Audio = NDArray[np.float32]


def has_essentia() -> bool:
    return find_spec("essentia") is not None


def _standard() -> Any:
    try:
        import essentia

        essentia.log.infoActive = False
        essentia.log.warningActive = False
        import essentia.standard as standard
    except ImportError as error:
        raise MissingDependencyError(
            f"essentia is not installed ({error}): install the extra 'labels' (Linux x86-64 and macOS only)"
        ) from error
    return standard


def dsp_windows(audio: Audio, rate_hz: int, windows: int, window_s: float) -> NDArray[np.float32]:
    """Mono audio [N] -> [windows, 7], each the mean over its stretch of ``window_s``. Raises
    MissingDependencyError.
    """
    standard = _standard()
    frames = _frames(standard, audio, rate_hz)
    out = np.full((windows, len(ESSENTIA_DSP)), np.nan, np.float32)
    for window in range(windows):
        part = frames[round(window * window_s * _PER_S) : max(round((window + 1) * window_s * _PER_S), 1)]
        if len(part):
            out[window, :5] = part.mean(0)
    step = max(1, round(2.0 / window_s))  # the slow ones every 2 s
    for window in range(0, windows, step):
        middle = (window + step / 2) * window_s
        first = max(0, int((middle - _LONG_S / 2) * rate_hz))
        stretch = np.ascontiguousarray(audio[first : first + int(_LONG_S * rate_hz)])
        if len(stretch) >= 2 * rate_hz and np.abs(stretch).max() > 1e-4:
            dance = standard.Danceability(sampleRate=rate_hz)(stretch)[0]
            slow = (dance, standard.DynamicComplexity(sampleRate=rate_hz)(stretch)[0])
            out[window : window + step, 5:] = slow
    return out


def _frames(standard: Any, audio: Audio, rate_hz: int) -> NDArray[np.float32]:
    """[frames at 25 Hz, 5]."""
    window, spectrum = standard.Windowing(type="hann"), standard.Spectrum(size=_FRAME)
    peaks = standard.SpectralPeaks(
        sampleRate=rate_hz,
        maxPeaks=60,
        orderBy="frequency",
        minFrequency=30,
        maxFrequency=rate_hz / 2 - 1,
        magnitudeThreshold=1e-5,
    )
    roughness, complexity = standard.Dissonance(), standard.SpectralComplexity(sampleRate=rate_hz)
    salience, strong = standard.PitchSalience(sampleRate=rate_hz), standard.StrongPeak()
    off = standard.Inharmonicity()
    rows = []
    for frame in standard.FrameGenerator(
        np.ascontiguousarray(audio, np.float32), frameSize=_FRAME, hopSize=rate_hz // _PER_S
    ):
        shape = spectrum(window(frame))
        hz, size = peaks(shape)
        loud = float(shape.max()) > 1e-6
        harmonic = off(hz, size) if loud and len(hz) and hz[0] > 0 else 0.0
        rows.append(
            (
                roughness(hz, size),
                complexity(shape),
                salience(shape),
                strong(shape) if loud else 0.0,
                harmonic,
            )
        )
    found: NDArray[np.float32] = np.nan_to_num(np.array(rows, np.float32).reshape(-1, 5))
    return found


class EssentiaTags:
    """Essentia's classifiers: an embedding model and heads on top of it, as published at essentia.upf.edu.

    The folder holds ``*.pb`` files with their ``.json`` beside them (``classes`` names the tags); the embedding's
    JSON has no classes. Needs essentia-tensorflow.
    """

    def __init__(self, folder: Path) -> None:
        found = {path.with_suffix(".pb"): self._read(path) for path in sorted(folder.glob("*.json"))}
        self._models = {path: about for path, about in found.items() if path.is_file()}
        heads = {path: about for path, about in self._models.items() if about.get("classes")}
        self._heads = {p: a for p, a in heads.items() if "embedding" in json.dumps(a.get("inference", {}))}
        self._heads = self._heads or heads
        embeddings = [path for path in self._models if path not in heads]
        if not self._heads or not embeddings:
            raise BadInputError(
                f"{folder} needs an embedding model and at least one classifier head (.pb with its .json); "
                "get them from https://essentia.upf.edu/models.html"
            )
        self._embedding = embeddings[0]
        self.names: tuple[str, ...] = tuple(
            str(name).replace("---", ": ") for about in self._heads.values() for name in about["classes"]
        )

    @staticmethod
    def _read(path: Path) -> JsonObject:
        try:
            about = json_value(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInputError(f"{path} is not a model's description ({error}); fetch it again") from error
        return about if isinstance(about, dict) else {}

    @property
    def key(self) -> list[list[object]]:
        """The model files by name and size."""
        return [[path.name, path.stat().st_size] for path in sorted(self._models)]

    def windows(self, audio: Audio, rate_hz: int, windows: int, window_s: float) -> NDArray[np.float32]:
        """Mono audio [N] -> activation of every tag in every window [windows, tags]. Raises
        MissingDependencyError.
        """
        import soxr

        standard = _standard()
        if not hasattr(standard, "TensorflowPredict2D"):
            raise MissingDependencyError(
                "this essentia cannot run classifiers: install essentia-tensorflow in its place"
            )
        at_16k = soxr.resample(audio, rate_hz, 16_000).astype(np.float32)
        embedded = self._embed(standard, at_16k)
        tags = [self._head(standard, path, about, embedded) for path, about in self._heads.items()]
        found = np.concatenate(tags, axis=1) if len(embedded) else np.zeros((1, len(self.names)), np.float32)
        # Each window takes the patch over its middle.
        middles = (np.arange(windows) + 0.5) * window_s / max(len(audio) / rate_hz, 1e-9)
        out: NDArray[np.float32] = found[np.clip((middles * len(found)).astype(int), 0, len(found) - 1)]
        return out

    def _embed(self, standard: Any, audio: Audio) -> NDArray[np.float32]:
        about = self._models[self._embedding]
        name = str(about.get("inference", {}).get("algorithm", "TensorflowPredictEffnetDiscogs"))
        output = next(
            (o["name"] for o in _outputs(about) if "embedding" in str(o.get("output_purpose", ""))),
            "PartitionedCall:1",
        )
        predictor = getattr(standard, name)(graphFilename=str(self._embedding), output=output)
        found: NDArray[np.float32] = np.asarray(predictor(audio), np.float32)
        return found

    def _head(
        self, standard: Any, path: Path, about: JsonObject, embedded: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        inputs: Sequence[JsonObject] = about.get("schema", {}).get("inputs", [])
        names = {
            "input": inputs[0]["name"] if inputs else "model/Placeholder",
            "output": next((o["name"] for o in _outputs(about)), "model/Softmax"),
        }
        found: NDArray[np.float32] = np.asarray(
            standard.TensorflowPredict2D(graphFilename=str(path), **names)(embedded), np.float32
        )
        return found


def _outputs(about: JsonObject) -> Sequence[JsonObject]:
    outputs: Sequence[JsonObject] = about.get("schema", {}).get("outputs", [])
    return outputs
