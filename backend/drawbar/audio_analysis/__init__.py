"""Audio -> what audio itself says: mel spectra, descriptors and detectors; knows nothing of residuals."""

from drawbar.audio_analysis.descriptors import DESCRIPTORS, descriptors
from drawbar.audio_analysis.detectors import Detectors
from drawbar.audio_analysis.mel import log_mel_distance
from drawbar.audio_analysis.scoring import balanced_accuracy

__all__ = ["DESCRIPTORS", "Detectors", "balanced_accuracy", "descriptors", "log_mel_distance"]
