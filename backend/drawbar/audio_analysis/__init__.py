"""Audio -> what audio itself says: mel spectra, descriptors and detectors; knows nothing of residuals."""

from drawbar.audio_analysis.descriptors import DESCRIPTORS, descriptors
from drawbar.audio_analysis.detector_training import DetectorSettings, measure_detectors, train_detectors
from drawbar.audio_analysis.detectors import Detectors, FactorReport, clip_truth
from drawbar.audio_analysis.mel import log_mel, log_mel_distance, mel_filters
from drawbar.audio_analysis.scoring import auroc, balanced_accuracy, best_threshold

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
