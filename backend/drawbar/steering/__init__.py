"""Sliders and automation -> what is added to the residual, at which layer and position."""

from drawbar.steering.automation import Automation, Lane
from drawbar.steering.directions import Direction, check_site, directions_from_bank
from drawbar.steering.mixer import Mixer, MixerRun

__all__ = ["Automation", "Direction", "Lane", "Mixer", "MixerRun", "check_site", "directions_from_bank"]
