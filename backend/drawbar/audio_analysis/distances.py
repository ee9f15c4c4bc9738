"""Two sets of clips, or a clip and its copy -> how far apart they are; knows nothing of models or files."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from drawbar.audio_analysis.music_measures import (
    MEASURES,
    checked,
    chroma_of,
    measures,
    paired_cosines,
    spectrum,
)
from drawbar.errors import BadInputError

Rows = NDArray[np.float32] | NDArray[np.float64]
_HEARD = 1e-3  # of the loudest frame's energy: -30 dB


def ks_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sample Kolmogorov-Smirnov statistic: the largest gap between the cumulative shares, 0 to 1.

    Raises:
        BadInputError: a set that is empty.
    """
    left, right = np.sort(np.asarray(a, np.float64)), np.sort(np.asarray(b, np.float64))
    if not left.size or not right.size:
        raise BadInputError(f"sets of {left.size} and {right.size} values: neither may be empty")
    at = np.concatenate([left, right])
    shares = [np.searchsorted(values, at, side="right") / values.size for values in (left, right)]
    return float(np.abs(shares[0] - shares[1]).max())


def frechet_distance(a: Rows, b: Rows) -> float:
    """Distance between the normal distributions fitted to the rows of ``a`` [N, D] and ``b`` [M, D].

    Squared distance of the means + trace(A + B - 2 sqrt(A B)) (Dowson & Landau 1982), as in the Frechet audio
    distance (Kilgour et al. 2019). Few rows make it larger: compare only sets of the same size.
    """
    means = [np.asarray(rows, np.float64).mean(axis=0) for rows in (a, b)]
    first, second = (np.atleast_2d(np.cov(np.asarray(rows, np.float64), rowvar=False)) for rows in (a, b))
    root = _root(first)
    both = np.sqrt(np.maximum(linalg.eigvalsh(root @ second @ root), 0.0)).sum()
    apart = float(np.sum((means[0] - means[1]) ** 2))
    return max(0.0, apart + float(np.trace(first) + np.trace(second) - 2 * both))


def _root(symmetric: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = linalg.eigh(symmetric)
    found: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return found


def chroma_cosine(original: ArrayLike, copy: ArrayLike) -> float:
    """Median cosine of the two clips' chroma (each [N], 32 kHz) over the frames in which the first one is heard.

    Raises:
        BadInputError: clips shorter than 2.5 s or not finite.
    """
    first, second = checked(original), checked(copy)
    size = min(first.size, second.size)
    spectra = [spectrum(samples[:size]) for samples in (first, second)]
    energy = np.square(spectra[0]).sum(axis=0)
    heard = energy > _HEARD * energy.max()
    chroma = [chroma_of(magnitude)[:, heard] for magnitude in spectra]
    return float(np.median(paired_cosines(*chroma))) if heard.any() else 1.0


def measured(clips: Iterable[ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Clips -> every one of MEASURES as an array over the clips."""
    found = [measures(clip) for clip in clips]
    return {name: np.array([one[name] for one in found]) for name in MEASURES}


def compared(
    composed: Mapping[str, NDArray[np.float64]],
    others: Mapping[str, Mapping[str, NDArray[np.float64]]],
    names: Sequence[str] = tuple(MEASURES),
) -> dict[str, dict[str, float]]:
    """What :func:`measured` gave, of composed music and of other sets -> medians and distances by measure.

    Each row has the median of ``composed`` and of every other set under its name, and ``ks_NAME``, that set's
    Kolmogorov-Smirnov distance from the composed one; the row "mean" has the means of the distances.
    """
    rows: dict[str, dict[str, float]] = {}
    for name in names:
        rows[name] = {"composed": float(np.median(composed[name]))}
        for other, values in others.items():
            rows[name][other] = float(np.median(values[name]))
            rows[name][f"ks_{other}"] = ks_distance(composed[name], values[name])
    rows["mean"] = {
        f"ks_{other}": float(np.mean([rows[name][f"ks_{other}"] for name in names])) for other in others
    }
    return rows
