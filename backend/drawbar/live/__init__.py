"""Settings and slider moves -> sound while it is generated, and takes on disk."""

from drawbar.live.controls import Controls
from drawbar.live.engine import Engine, Snapshot
from drawbar.live.output import NullOutput, Output, list_devices, open_output
from drawbar.live.render import render
from drawbar.live.take import Take, TakeSettings, load_record, load_settings
from drawbar.live.trace import Trace

__all__ = [
    "Controls",
    "Engine",
    "NullOutput",
    "Output",
    "Snapshot",
    "Take",
    "TakeSettings",
    "Trace",
    "list_devices",
    "load_record",
    "load_settings",
    "open_output",
    "render",
]
