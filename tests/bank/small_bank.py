"""A bank small enough to know every answer by heart."""

from drawbar.bank import Bank, BankInfo, FeatureRecord, Label, LabelRecord, Quantiles

INFO = BankInfo("test", "embedded", "f" * 64, (1, 3), 4)

LABELS = {
    "3/0": [Label("Drums", "truth", "auroc", 0.95), Label("bright hiss", "descriptors", "correlation", 0.6)],
    "3/1": [Label("drums", "truth", "auroc", 0.99)],
    "3/2": [Label("Café jazz: C♯ minor", "truth", "auroc", 0.8)],
    "3/10": [Label("slow 4/4 beat", "clap", "margin", None)],
    "1/7": [Label("太鼓 taiko 🥁", "descriptors", "correlation", 0.7)],
}
PROVEN = {"3/2": 4.0, "1/7": 5.0}


def record(feature: str) -> FeatureRecord:
    layer, index = map(int, feature.split("/"))
    return FeatureRecord(
        layer,
        index,
        density=0.001 * (index + 1),
        clip_density=0.1,
        quantiles=Quantiles(0.1, 0.5, 1.0 + index, 20.0),
        correlations={"loudness_db": 0.5},
        neighbours=(("3/1", 0.9),),
        temporal={"type": "onset"},
        usable_range=(-1.0, 2.0) if feature in PROVEN else None,
        verdict="proven" if feature in PROVEN else "untested",
        proof=PROVEN.get(feature),
        evidence={"slope": 0.5} if feature in PROVEN else None,
        tags=("percussion",) if feature == "3/10" else (),
    )


def fill(bank: Bank) -> None:
    bank.write_features(record(feature) for feature in [*LABELS, "3/5", "1/0"])
    bank.write_labels(LabelRecord(feature, label) for feature, labels in LABELS.items() for label in labels)
