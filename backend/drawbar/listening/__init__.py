"""Audio -> what audio itself says: mel spectra, descriptors and detectors; knows nothing of residuals."""

from drawbar.listening.descriptors import DESCRIPTORS, descriptors
from drawbar.listening.detectors import Detectors, FactorReport, clip_truth
from drawbar.listening.mel import log_mel, log_mel_distance, mel_filters
from drawbar.listening.scoring import auroc, balanced_accuracy, best_threshold
from drawbar.listening.training import DetectorSettings, measure_detectors, train_detectors

__all__ = [
    "DESCRIPTORS",
    "DetectorSettings",
    "Detectors",
    "FactorReport",
    "auroc",
    "balanced_accuracy",
    "best_threshold",
    "clip_truth",
    "descriptors",
    "log_mel",
    "log_mel_distance",
    "measure_detectors",
    "mel_filters",
    "train_detectors",
]
