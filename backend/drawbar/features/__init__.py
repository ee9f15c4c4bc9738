"""SAE features and audio -> each feature's profile, examples and labels; what a sound activates."""

from drawbar.features.analyse import analyse
from drawbar.features.neighbours import nearest_by_cosine
from drawbar.features.pairs import window_means
from drawbar.features.profile import make_profile
from drawbar.features.scoring import score

__all__ = ["analyse", "make_profile", "nearest_by_cosine", "score", "window_means"]
