"""A bank -> a JSON document a layer in the field names of Neuronpedia's exports, plus our own under ``drawbar``.

``activations`` are the stored examples: their tokens are codec frames, written as ``k0:k1:k2:k3``, since music has no
words. What a bank does not know (logits of single words) is left out. Knows neither torch nor a window.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from drawbar.bank.records import Example, Feature
from drawbar.bank.store import Bank
from drawbar.files.atomic_write import atomic
from drawbar.files.json_object import JsonObject

EXAMPLES = 10


def export_neuronpedia(
    bank: Bank, folder: Path, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write ``layer-N.json`` for every layer -> the files, each whole or not there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    total, done, written = bank.count(""), 0, []
    for layer in bank.info.layers:
        path = folder / f"layer-{layer}.json"
        with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as out:
            source = f"{layer}-{bank.info.name}"
            out.write(
                json.dumps({"modelId": bank.info.model_name, "source": source})[:-1] + ', "features": ['
            )
            for number, id in enumerate(_ids(bank, layer)):
                out.write((",\n" if number else "\n") + json.dumps(feature_json(bank, id, source)))
                done += 1
                if progress is not None and done % 100 == 0:
                    progress(done, total)
            out.write("\n]}\n")
        written.append(path)
    return written


def feature_json(bank: Bank, id: str, source: str) -> JsonObject:
    """One feature with its labels, histogram and strongest examples."""
    feature = bank.feature(id)
    examples = sorted(bank.examples(id), key=lambda one: -float(one.activations.max(initial=0)))[:EXAMPLES]
    return {
        "modelId": bank.info.model_name,
        "layer": source,
        "index": str(feature.row.index),
        "frac_nonzero": feature.density,
        "maxActApprox": max((float(one.activations.max(initial=0)) for one in examples), default=0.0),
        "freq_hist_data_bar_values": list(feature.histogram.edges),
        "freq_hist_data_bar_heights": list(feature.histogram.counts),
        "correlated_features_indices": [other for other, _ in feature.coactive],
        "correlated_features_pearson": [value for _, value in feature.coactive],
        "explanations": [
            {
                "description": one.text, "explanationModelName": one.author, "typeName": one.method,
                "scores": [] if one.score is None else [{"value": one.score, "explanationScoreTypeName": "held-out"}],
            }
            for one in feature.labels
        ],
        "activations": [_activation(one) for one in examples],
        "drawbar": _ours(feature),
    }  # fmt: skip


def _activation(example: Example) -> JsonObject:
    values = [round(float(value), 4) for value in example.activations]
    peak = max(range(len(values)), key=values.__getitem__, default=0)
    return {
        "tokens": [":".join(map(str, column)) for column in example.tokens.T.tolist()],
        "values": values,
        "maxValue": max(values, default=0.0),
        "maxValueTokenIndex": peak,
        "dataSource": example.clip,
        "binContains": example.bin,
    }


def _ours(feature: Feature) -> JsonObject:
    row = feature.row
    return {"id": row.id, "verdict": row.verdict, "p99": row.p99, "usable_range": feature.usable_range}


def _ids(bank: Bank, layer: int) -> Iterator[str]:
    step, offset = 500, 0
    while rows := bank.search("", layer=layer, limit=step, offset=offset):
        yield from (row.id for row in rows)
        offset += step
