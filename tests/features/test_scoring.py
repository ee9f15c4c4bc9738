"""Activations and truth -> AUROC like scikit-learn's, ties, missing windows and rare concepts included."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from drawbar.corpus.naming import concept_label, descriptor_label
from drawbar.errors import BadInputError
from drawbar.features import score
from drawbar.features.labellers.ground_truth import TruthSettings, label_from_truth
from drawbar.features.scoring import auroc


def test_auroc_equals_scikit_learn_with_many_ties() -> None:
    generator = torch.Generator().manual_seed(0)
    activation = torch.randn(300, 7, generator=generator).relu().mul(3).round()
    activation[:, 6] = 0  # never fires
    truth = torch.rand(300, 3, generator=generator) < torch.tensor([0.5, 0.1, 0.9])
    ours = auroc(activation, truth)
    for f in range(7):
        for c in range(3):
            assert float(ours[f, c]) == pytest.approx(roc_auc_score(truth[:, c], activation[:, f]), abs=1e-6)
    assert float(ours[6, 0]) == pytest.approx(0.5)


def test_windows_without_truth_are_left_out() -> None:
    activation = torch.arange(40.0)[:, None]
    truth = activation >= 20
    wrong = truth.clone()
    wrong[:5] = True
    valid = torch.ones_like(truth)
    valid[:5] = False
    assert float(auroc(activation, wrong, valid)) == 1.0
    assert float(auroc(activation, wrong)) < 1.0


def test_a_concept_that_hardly_varies_has_no_score() -> None:
    truth = torch.zeros(50, 1, dtype=torch.bool)
    truth[:3] = True
    assert bool(auroc(torch.rand(50, 2), truth).isnan().all())
    with pytest.raises(BadInputError, match="50 windows"):
        auroc(torch.rand(50, 2), truth[:40])


def test_labels_are_chosen_on_training_windows_and_scored_on_held_out_ones() -> None:
    """Feature 0 follows drums in both, feature 1 only in training, feature 2 nothing."""
    drums = torch.arange(80) % 2 == 0
    noise = torch.rand(80, generator=torch.Generator().manual_seed(0))
    names = ["drums:rock", "mode:minor"]
    minor = torch.arange(80) < 40
    truth = torch.stack([drums, minor], 1)
    train = torch.stack([drums.float(), drums + 0.1 * noise, noise], 1)
    held_out = torch.stack([drums.float() + 0.2 * noise, noise, noise], 1)
    found = score(names, (train, truth), (held_out, truth))
    labels = label_from_truth(3, found, TruthSettings(), [0, 1, 2])
    assert {(x.feature, x.label.text, x.label.author) for x in labels} == {("3/0", "rock drums", "truth")}
    assert all(x.label.score == pytest.approx(1.0) for x in labels)
    assert {best.concept: best.feature for best in found.per_concept()}["drums:rock"] == 0
    assert {best.concept: best.feature for best in found.per_concept([1, 2])}["drums:rock"] == 1
    assert label_from_truth(3, found, TruthSettings(), [1, 2]) == []


@pytest.mark.parametrize(
    ("concept", "label"),
    [
        ("drums", "drums"),
        ("drums:hip hop", "hip hop drums"),
        ("lead:flute", "flute lead"),
        ("bass:slap", "slap bass"),
        ("mode:minor", "minor"),
        ("key:c sharp", "key of C sharp"),
        ("chord:minor seventh", "minor seventh chord"),
        ("register:high", "high register"),
        ("pattern:arpeggio", "arpeggio"),
        ("motif:return", "returning motif"),
        ("hit:kick", "kick drum hits"),
        ("tempo:fast", "fast"),
        ("mood:calm", "calm mood"),
    ],
)
def test_concepts_read_as_a_musician_says_them(concept: str, label: str) -> None:
    assert concept_label(concept) == label


def test_descriptors_read_as_words() -> None:
    assert descriptor_label("centroid_hz", True) == "bright"
    assert descriptor_label("loudness_db", False) == "quiet"
    assert descriptor_label("chroma_c#", True) == "note C#"
