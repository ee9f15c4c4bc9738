"""A bank as JSON in the field's names."""

import json
from pathlib import Path

from drawbar.bank.library import open_bank
from drawbar.bank.neuronpedia import export_neuronpedia, feature_json
from drawbar.bank.store import Bank


def test_a_feature_is_told_with_labels_histogram_and_examples() -> None:
    bank = open_bank("embedded")
    feature = bank.feature(bank.search("", limit=1)[0].id)
    one = json.loads(json.dumps(feature_json(bank, feature.id, "6-embedded")))
    assert one["index"] == str(feature.row.index)
    assert one["frac_nonzero"] == feature.density
    assert [e["description"] for e in one["explanations"]] == [label.text for label in feature.labels]
    assert one["activations"]
    assert all(len(a["tokens"]) == len(a["values"]) for a in one["activations"])
    assert one["maxActApprox"] == max(float(e.activations.max()) for e in bank.examples(feature.id))


def test_every_feature_of_every_layer_is_in_the_export(small: Bank, tmp_path: Path) -> None:
    written = export_neuronpedia(small, tmp_path / "out")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in written]
    assert [int(path.stem.removeprefix("layer-")) for path in written] == list(small.info.layers)
    assert sum(len(layer["features"]) for layer in found) == small.count("")
