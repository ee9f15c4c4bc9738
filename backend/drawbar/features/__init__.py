"""SAE features and audio -> each feature's profile, examples and labels; what a sound activates."""

from drawbar.features.analyse import Analysis, AnalysisRow, analyse
from drawbar.features.excerpts import activation_of, cut_examples
from drawbar.features.labellers.descriptors import DescriptorSettings, label_from_descriptors
from drawbar.features.labellers.ground_truth import TruthSettings, label_from_truth
from drawbar.features.labellers.naming import concept_label, descriptor_label
from drawbar.features.neighbours import nearest_by_cosine
from drawbar.features.pairs import (
    MemoryPairs,
    PairSource,
    ShardPairs,
    encode_pairs,
    window_means,
    write_pairs,
)
from drawbar.features.profile import Profile, ProfileSettings, make_profile
from drawbar.features.scoring import Scores, auroc, score

__all__ = [
    "Analysis",
    "AnalysisRow",
    "DescriptorSettings",
    "MemoryPairs",
    "PairSource",
    "Profile",
    "ProfileSettings",
    "Scores",
    "ShardPairs",
    "TruthSettings",
    "activation_of",
    "analyse",
    "auroc",
    "concept_label",
    "cut_examples",
    "descriptor_label",
    "encode_pairs",
    "label_from_descriptors",
    "label_from_truth",
    "make_profile",
    "nearest_by_cosine",
    "score",
    "window_means",
    "write_pairs",
]
