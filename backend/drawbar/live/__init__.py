"""Settings and slider moves -> sound while it is generated, and takes on disk."""

import importlib
from typing import TYPE_CHECKING

from drawbar.live.audio_out.output import NullOutput, Output, list_devices, open_output
from drawbar.live.audio_out.player import Player
from drawbar.live.takes.take import TakeSettings

if TYPE_CHECKING:
    from drawbar.live.engine import Engine, Snapshot
    from drawbar.live.rendering import render

__all__ = [
    "Engine",
    "NullOutput",
    "Output",
    "Player",
    "Snapshot",
    "TakeSettings",
    "list_devices",
    "open_output",
    "render",
]

_WITH_TORCH = {"Engine": "engine", "Snapshot": "engine", "render": "rendering"}
"""Imported when first asked for, so that devices and settings can be read without waiting for torch."""


def __getattr__(name: str) -> object:
    module = _WITH_TORCH.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
