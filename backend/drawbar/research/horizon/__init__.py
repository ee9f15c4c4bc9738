"""Tracks -> do features foresee that a motif returns? Manifest, events, review, probes and report.

It stands on the evidence's statistics and knows nothing of the pipeline, the command line or the window.
"""

from drawbar.research.horizon.events import (
    KINDS,
    SPLITS,
    Event,
    PieceSettings,
    Track,
    Window,
    load_events,
    load_tracks,
    save_events,
    save_tracks,
    split_of,
)

__all__ = [
    "KINDS",
    "SPLITS",
    "Event",
    "PieceSettings",
    "Track",
    "Window",
    "load_events",
    "load_tracks",
    "save_events",
    "save_tracks",
    "split_of",
]
