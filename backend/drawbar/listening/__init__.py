"""Audio -> what audio itself says: mel spectra, descriptors and detectors; knows nothing of residuals."""

from drawbar.listening.descriptors import DESCRIPTORS, descriptors
from drawbar.listening.mel import log_mel, log_mel_distance, mel_filters

__all__ = ["DESCRIPTORS", "descriptors", "log_mel", "log_mel_distance", "mel_filters"]
