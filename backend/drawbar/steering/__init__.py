"""Sliders and automation -> what is added to the residual, at which layer and position."""

from drawbar.steering.automation import Automation
from drawbar.steering.directions import (
    DEFAULT_BRANCH,
    Direction,
    DirectionSource,
    check_site,
    directions_from_bank,
    in_mode,
    prompt_weight,
)
from drawbar.steering.mixer import Mixer
from drawbar.steering.own import OwnDirections, directions_for
from drawbar.steering.palette import Palette

__all__ = [
    "DEFAULT_BRANCH",
    "Automation",
    "Direction",
    "DirectionSource",
    "Mixer",
    "OwnDirections",
    "Palette",
    "check_site",
    "directions_for",
    "directions_from_bank",
    "in_mode",
    "prompt_weight",
]
