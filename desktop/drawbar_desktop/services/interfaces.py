"""What the window needs of a loaded model and of the engine -> protocols, so that it runs without either."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from drawbar.live.takes.take import Stored, Take, TakeSettings
from drawbar_desktop.services.feature_listener import EarPort
from drawbar_desktop.state.interfaces import BankPort, Floats, SnapshotLike, TraceLike
from drawbar_desktop.state.slider_making import Made
from drawbar_desktop.state.word_making import WordMade

if TYPE_CHECKING:
    from drawbar.listening_test.plan import Trial
    from drawbar.listening_test.session import BlindSession
    from drawbar.steering.automation import Automation

Tokens = NDArray[np.uint16]
Say = Callable[[str], object]
"""Is told what loading does now."""


class PlayerPort(Protocol):
    """Plays finished sounds (`drawbar.live.Player`)."""

    @property
    def playing(self) -> bool: ...

    @property
    def position_s(self) -> float: ...

    def play(self, audio: Floats, start: int = 0, loop: tuple[int, int] | None = None) -> object: ...

    def stop(self) -> object: ...


class EnginePort(Protocol):
    """What the window asks of the engine (`drawbar.live.Engine`)."""

    @property
    def trace(self) -> TraceLike: ...

    @property
    def player(self) -> PlayerPort: ...

    def play(
        self, settings: TakeSettings, automation: Automation | None = None, prefix: Tokens | None = None
    ) -> object:
        """Begin a take; it goes on from the tokens `[K, P]` of `prefix`."""
        ...

    def preview(self, tokens: Tokens) -> object:
        """Play an example beside whatever is going on."""
        ...

    def set_mode(self, id: str, mode: str) -> object: ...

    def set_output(self, device: str | None) -> object: ...

    def set_buffer(self, buffer_ms: int | None) -> object:
        """How much the output holds; None: as measured."""
        ...

    def nudge(self) -> object:
        """Draw the next second a little hotter."""
        ...

    def measure_buffer(self) -> object:
        """Find the smallest one that works, unless it is known."""
        ...

    @property
    def take(self) -> Take | None:
        """The last take that ended, or None."""
        ...

    def stop(self) -> object: ...

    def pause(self, on: bool) -> object:
        """Hold the take that plays, or let it go on where it was."""
        ...

    def make_first(self, on: bool) -> object:
        """Make takes to their end before they are heard."""
        ...

    def set_amount(self, id: str, amount: float) -> object: ...

    def set_bypass(self, on: bool) -> object:
        """Switch between the take and its unsteered twin."""
        ...

    def set_gain_db(self, gain_db: float) -> object: ...

    def add_feature(self, id: str) -> object: ...

    def remove_feature(self, id: str) -> object: ...

    def watch(self, ids: Sequence[str]) -> object: ...

    def snapshot(self) -> SnapshotLike: ...

    def close(self) -> object: ...


class ClipsOfTrials(Protocol):
    """Makes the clips of a blind session (`drawbar.listening_test.clips.ClipMaker`)."""

    def clips(self, trial: Trial) -> Sequence[Floats]:
        """One per letter."""
        ...


def _automation(stored: Stored) -> Automation:
    from drawbar.steering.automation import Automation

    return Automation.from_json(stored)


@dataclass(frozen=True)
class Loaded:
    """What the window plays with once loading is done."""

    engine: EnginePort
    bank: BankPort | None
    unknown_words: Callable[[str], Sequence[str]] | None = None
    frame_rate_hz: float = 50.0
    sample_rate_hz: int = 32_000
    channels: int = 1
    name: str = ""
    folder: Path | None = None
    licence: str = ""
    site: str = ""
    context_frames: int = 1500
    automation: Callable[[Stored], Automation] = _automation
    """Lanes as they are stored -> what the engine takes."""
    ear: EarPort | None = None
    read_melody: Callable[[Path], tuple[int, ...]] | None = None
    """A sound file -> the tune that takes can follow; None for a model that follows none."""
    clip_maker: Callable[[BlindSession], ClipsOfTrials] | None = None
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind -> words that a prompt can use; empty for models with an open vocabulary."""
    vary: (
        Callable[[TakeSettings, Tokens | None, Callable[[int, int], None], threading.Event], Take] | None
    ) = None
    """Settings, tokens `[K, P]` to begin with, whom to tell and what cancels -> a take, made without being heard."""
    notice: str = ""
    make_direction: (
        Callable[[str, Sequence[Path], Sequence[Path], Callable[[str, float], None]], Made] | None
    ) = None
    """Name, files like it, files unlike it and whom to tell -> a saved direction of the user's own."""
    make_word: Callable[[str, Callable[[str, float], None]], WordMade] | None = None
    """A word and whom to tell -> the same, made of the model's own takes."""


Load = Callable[[Say], Loaded]
