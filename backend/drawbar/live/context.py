"""A loaded model -> what the engine and the take that plays share: its sliders, its sound, the locks of the threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from drawbar.live.audio_out.chosen import ChosenOutput
from drawbar.live.audio_out.limiter import Monitor
from drawbar.live.clock import Clock
from drawbar.live.controls import Controls
from drawbar.live.interfaces import PlayableModel
from drawbar.live.lead import LeadPolicy
from drawbar.live.sliders import Sliders
from drawbar.live.takes.trace import Trace


@dataclass
class Status:
    """What is going on, as the window's poll shows it."""

    state: str = "idle"
    """idle, loading, warming, playing, finishing, done or error."""
    message: str = ""
    paused: bool = False
    """The take holds its breath: nothing is handed to the output until this is False again."""
    made_first: bool = False
    """The take is made to its end before any of it is heard."""


@dataclass(frozen=True, eq=False)
class PlayContext:
    """One per model; the engine makes it when the model is there."""

    model: PlayableModel
    bank_name: str
    """Empty without a bank."""
    sliders: Sliders
    controls: Controls
    trace: Trace
    monitor: Monitor
    sound: ChosenOutput
    lead: LeadPolicy
    clock: Clock
    status: Status
    interrupt: threading.Event
    """Set: the take ends now."""
    rollback: bool = True
    """Whether a slider's move has frames decided again that were not played yet."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while audio moves from the lead to the output."""

    @property
    def sample_rate_hz(self) -> int:
        return self.model.spec.sample_rate_hz

    def lose_output(self, message: str) -> None:
        """The device is gone: the take goes on without sound, and the status says so."""
        self.status.message = f"{message} The take goes on without sound; choose a device in the audio menu."
        self.sound.lose(message)
