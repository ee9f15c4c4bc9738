"""An output -> how much it has to hold so that it does not run dry, measured with silence, remembered per device.

What an output holds cannot be recalled, so less of it makes sliders faster. Knows nothing of models or takes.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from drawbar.errors import BadInputError
from drawbar.files.remembered import keep, recall
from drawbar.live.audio_out.output import Output
from drawbar.live.clock import Clock
from drawbar.paths import user_dir

BUFFERS_MS = (20, 30, 40, 60, 80, 120, 200)
"""What can be chosen, and what is tried in this order."""
TRIED_S = 10.0
BLOCK_S = 0.02
"""Music comes in frames of so much."""
FEED_S = 0.004


def checked(buffer_ms: int) -> int:
    """A usable size. Raises BadInputError with the value."""
    if not BUFFERS_MS[0] <= buffer_ms <= BUFFERS_MS[-1]:
        raise BadInputError(f"buffer of {buffer_ms} ms: use {BUFFERS_MS[0]} to {BUFFERS_MS[-1]} ms")
    return buffer_ms


def measure(output: Output, clock: Clock, interrupt: threading.Event, seconds: float = TRIED_S) -> int | None:
    """The least of `BUFFERS_MS` that ``seconds`` of silence go through without a drop-out; the largest if none does.

    None when it was interrupted, or the device is gone. Raises DeviceError if the device does not start.
    """
    for buffer_ms in BUFFERS_MS:
        held = _holds(output, buffer_ms / 1000, clock, interrupt, seconds)
        if held is None:
            return None
        if held:
            return buffer_ms
    return BUFFERS_MS[-1]


def _holds(
    output: Output, fill_s: float, clock: Clock, interrupt: threading.Event, seconds: float
) -> bool | None:
    rate = output.sample_rate_hz
    silence = np.zeros(round(BLOCK_S * rate), np.float32)
    output.start()
    try:
        until = clock.now() + seconds
        while clock.now() < until:
            while (
                output.queued() < (fill_s + output.held_s) * rate and output.available() > len(silence) + 64
            ):
                output.write(silence)
            if output.underruns:
                return False
            if output.failed or clock.wait(interrupt, FEED_S):
                return None
        return output.played() > 0
    finally:
        output.stop()


def remembered(device: str) -> int | None:
    """What was measured for a device before; None if nothing was."""
    found = recall(_file(), dict[str, int]).get(device)
    return found if found is not None and BUFFERS_MS[0] <= found <= BUFFERS_MS[-1] else None


def remember(device: str, buffer_ms: int) -> None:
    """Keeps it for the next start; where nothing can be kept it is measured again."""
    keep(_file(), {**recall(_file(), dict[str, int]), device: buffer_ms})


def _file() -> Path:
    return user_dir() / "buffers.json"
