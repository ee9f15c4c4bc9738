"""Feature, label, direction and example records -> the bank's tables and safetensors files."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.database import Database
from drawbar.bank.records import BankInfo, Example, FeatureRecord, LabelRecord, LayerDirections, parse_id
from drawbar.bank.tensors import Array, FileMark, TensorWriter
from drawbar.bank.words import clean_text, key_of
from drawbar.errors import BadInputError

_COLUMNS = (
    *(
        "layer",
        "idx",
        "density",
        "clip_density",
        "p50",
        "p90",
        "p99",
        "p999",
        "verdict",
        "proof",
        "usable_low",
    ),
    *("usable_high", "tags", "histogram", "correlations", "neighbours", "coactive", "duplicates"),
    *("temporal", "evidence", "consistency"),
)
_FEATURE = f"""
INSERT INTO feature ({", ".join(_COLUMNS)}) VALUES ({", ".join("?" * len(_COLUMNS))})
ON CONFLICT (layer, idx) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])}
"""
_LABEL = """
INSERT INTO label (feature, text, text_key, author, method, score, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (feature, author, method, text) DO UPDATE SET score = excluded.score, evidence = excluded.evidence
"""

_STEPS = 255

_CLIP = """
INSERT INTO clip (n, digest, name, licence, first_row, frames, start_frame) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def to_json(what: str, value: object) -> str:
    """JSON text that is the same for equal values. Raises BadInputError for what JSON cannot say."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"{what} is not JSON ({error}); use finite numbers, strings and lists") from error


def _feature_values(record: FeatureRecord, layers: tuple[int, ...]) -> tuple[object, ...]:
    if record.layer not in layers:
        raise BadInputError(f"feature {record.id}: this bank is of layers {layers}; leave it out")
    low, high = record.usable_range or (None, None)
    edges, counts = (list(map(float, record.histogram.edges)), list(map(int, record.histogram.counts)))
    texts = {
        "tags": [clean_text(tag) for tag in record.tags],
        "histogram": {"edges": edges, "counts": counts} if edges else {},
        "correlations": {name: float(value) for name, value in record.correlations.items()},
        "neighbours": [[other, float(cosine)] for other, cosine in record.neighbours],
        "coactive": [[other, float(r)] for other, r in record.coactive],
        "duplicates": [[other, float(r)] for other, r in record.duplicates],
        "temporal": dict(record.temporal),
    }
    return (
        int(record.layer),
        int(record.index),
        float(record.density),
        float(record.clip_density),
        *(float(getattr(record.quantiles, name)) for name in ("p50", "p90", "p99", "p999")),
        clean_text(record.verdict) or "untested",
        None if record.proof is None else float(record.proof),
        None if low is None else float(low),
        None if high is None else float(high),
        *(to_json(f"{name} of {record.id}", value) for name, value in texts.items()),
        None if record.evidence is None else to_json(f"evidence of {record.id}", dict(record.evidence)),
        None if record.consistency is None else float(record.consistency),
    )


def write_features(database: Database, info: BankInfo, records: Iterable[FeatureRecord]) -> None:
    """Add features, or bring those that are there up to date; labels and examples stay."""
    database.run_many(_FEATURE, (_feature_values(record, info.layers) for record in records))


def write_labels(database: Database, records: Iterable[LabelRecord]) -> None:
    """Add label rows; the same text by the same author and method only gets its new score and evidence."""
    database.run_many(_LABEL, _label_rows(database, records))


def _label_rows(database: Database, records: Iterable[LabelRecord]) -> Iterator[tuple[object, ...]]:
    for record in records:
        label = record.label
        text, author, method = clean_text(label.text), clean_text(label.author), clean_text(label.method)
        if not text or not author or not method:
            raise BadInputError(
                f"label of {record.feature}: text {text!r}, author {author!r} and method {method!r} "
                "must not be empty; leave a feature unnamed by writing no label"
            )
        score = None if label.score is None else float(label.score)
        if score is not None and not np.isfinite(score):
            raise BadInputError(f"label {text!r} of {record.feature} has score {score}; None means no score")
        evidence = to_json(f"evidence of label {text!r}", dict(label.evidence))
        yield number_of(database, record.feature), text, key_of(text), author, method, score, evidence


def number_of(database: Database, feature: str) -> int:
    """The row of a feature. Raises BadInputError where the bank has no such feature."""
    number = database.value("SELECT n FROM feature WHERE layer = ? AND idx = ?", parse_id(feature))
    if number is None:
        raise BadInputError(f"the bank has no feature {feature}; write it with write_features first")
    return int(number)


def write_directions(
    path: Path, info: BankInfo, layers: Iterable[tuple[int, LayerDirections]], dtype: str
) -> FileMark:
    """Write every layer's rows, one layer in memory at a time -> the file's size and digest."""
    with TensorWriter(path) as writer:
        for layer, rows in layers:
            if layer not in info.layers:
                raise BadInputError(f"directions of layer {layer}: the bank is of layers {info.layers}")
            for name, values in _checked(layer, rows, info.d_model).items():
                writer.append(f"{layer}.{name}", values if name == "index" else _as(values, dtype, name))
    return writer.mark


def _as(values: Array, dtype: str, name: str) -> Array:
    """Matrices in ``dtype``; biases, scales and thresholds keep float32."""
    return values.astype(dtype if name in ("W_dec", "W_enc") else "float32", copy=False)


def _checked(layer: int, rows: LayerDirections, d_model: int) -> dict[str, Array]:
    index = np.asarray(rows.index).astype(np.int64)
    n = len(index)
    shapes = {"W_dec": (n, d_model), "W_enc": (n, d_model), "b_enc": (n,), "b_dec": (d_model,)}
    shapes |= {"scale": (n,), "threshold": (n,)}
    arrays: dict[str, Array] = {"index": index}
    for name, shape in shapes.items():
        values = np.asarray(getattr(rows, name))
        if values.shape != shape or not np.isfinite(values).all():
            raise BadInputError(f"{name} of layer {layer} is {values.shape}, not {shape}, or is not finite")
        arrays[name] = values
    if np.any(np.diff(index) <= 0) or (n and index[0] < 0):
        raise BadInputError(f"index of layer {layer} must rise from 0 up; sort the rows by feature index")
    lengths = np.linalg.norm(arrays["W_dec"].astype(np.float32), axis=1)
    if n and np.abs(lengths - 1).max() > 0.01:
        at = int(np.abs(lengths - 1).argmax())
        raise BadInputError(
            f"W_dec of feature {layer}/{index[at]} has length {lengths[at]:.3f}; normalise decoder rows to 1"
        )
    return arrays


def write_examples(
    path: Path, database: Database, info: BankInfo, pairs: Iterable[tuple[str, Example]]
) -> FileMark:
    """Write (feature id, example) pairs in place of all earlier ones -> the file's size and digest.

    Equal tokens are stored once, however many features share the clip; activations are shares of their peak
    in 255 steps, and what is above 0 stays above 0.
    """
    database.run("DELETE FROM example")
    database.run("DELETE FROM clip")
    seen: dict[str, int] = {}
    curves: dict[int, int] = {}
    with TensorWriter(path) as writer:
        for feature, example in pairs:
            if example.tokens.shape[0] != info.n_q:
                n_q = example.tokens.shape[0]
                raise BadInputError(
                    f"example of {feature} has {n_q} codebooks, the bank {info.n_q}; match them"
                )
            clip = _clip(writer, database, example, seen)
            peak = float(np.abs(example.activations).max(initial=0.0))
            if not np.isfinite(peak):
                raise BadInputError(f"activations of an example of {feature} are not finite; leave it out")
            shares = example.activations / peak if peak > 0 else example.activations
            steps = np.maximum(np.rint(np.clip(shares, 0, 1) * _STEPS), shares > 0)
            first = _curve(writer, steps.astype(np.uint8), curves)
            database.run(
                "INSERT INTO example (feature, clip, bin, first_row, peak) VALUES (?, ?, ?, ?, ?)",
                (number_of(database, feature), clip, example.bin, first, peak),
            )
    return writer.mark


def _curve(writer: TensorWriter, steps: NDArray[np.uint8], curves: dict[int, int]) -> int:
    """The first row of a curve; silence is the same for every feature and is stored once a length."""
    if steps.any():
        return writer.append("activations", steps)
    if len(steps) not in curves:
        curves[len(steps)] = writer.append("activations", steps)
    return curves[len(steps)]


def _clip(writer: TensorWriter, database: Database, example: Example, seen: dict[str, int]) -> int:
    """The row of the example's tokens, written if they are new."""
    tokens = np.ascontiguousarray(example.tokens.T, np.uint16)
    name, licence = clean_text(example.clip), clean_text(example.licence)
    key: Mapping[str, object] = {"name": name, "start": int(example.start_frame), "licence": licence}
    digest = hashlib.sha256(to_json("clip", key).encode() + tokens.tobytes()).hexdigest()
    if digest not in seen:
        seen[digest] = len(seen) + 1
        place = (writer.append("tokens", tokens), len(tokens), int(example.start_frame))
        database.run(_CLIP, (seen[digest], digest, name, licence, *place))
    return seen[digest]
