"""Sliders and automation -> what is added to the residual, at which layer and position."""

from drawbar.steering.automation import Automation, Lane
from drawbar.steering.directions import Direction, check_site, directions_from_bank
from drawbar.steering.mixer import Mixer, MixerRun
from drawbar.steering.own import OwnDirection, OwnDirections, directions_for
from drawbar.steering.palette import Palette

__all__ = [
    "Automation",
    "Direction",
    "Lane",
    "Mixer",
    "MixerRun",
    "OwnDirection",
    "OwnDirections",
    "Palette",
    "check_site",
    "directions_for",
    "directions_from_bank",
]
