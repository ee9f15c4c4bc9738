"""A model -> how many threads its takes are computed with; a take is repeated exactly only with as many.

A core is left to the output and the window: two threads that wait for each other in every layer stall as soon as
either loses its core. A quantised model is one that is short of time, and takes all.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def spare_one_core() -> int:
    """What work beside the window and the output computes with: the cores but one, or fewer where torch says so."""
    return min(torch.get_num_threads(), max(1, (os.cpu_count() or 2) - 1))


def playing_threads(model: object) -> int:
    """The cores but one, or fewer where torch has been told so; all of them for a quantised model."""
    if str(getattr(model, "precision", "")).startswith("int"):
        return torch.get_num_threads()
    return spare_one_core()


def leave_one_core() -> None:
    """The calling thread computes with the cores but one, so that a window stays awake while a model loads.

    On Linux only, where the count is the calling thread's: elsewhere it may be the whole process's, and a quantised
    model wants all.
    """
    if sys.platform.startswith("linux"):
        torch.set_num_threads(spare_one_core())


@contextmanager
def as_when_playing(model: object) -> Iterator[None]:
    """Inside, the calling thread computes as the engine's worker does; other counts round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(playing_threads(model))
    try:
        yield
    finally:
        torch.set_num_threads(before)
