"""Prompt, seed, length and switches -> what the next take will use, and how the engine is doing."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drawbar_desktop.state.observable import Value
from drawbar_desktop.state.ports import SnapshotLike

__all__ = ["BUSY", "LENGTHS_S", "Readout", "Transport", "format_time"]

LENGTHS_S: tuple[float | None, ...] = (8.0, 15.0, 30.0, 60.0, 120.0, None)
SEED_MAX = 2**31 - 1
BUSY = frozenset({"loading", "warming", "playing", "finishing"})
UnknownWords = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Readout:
    """What the engine measured of itself, rounded as it is shown."""

    state: str = "idle"
    real_time_factor: float | None = None
    latency_ms: int | None = None
    underruns: int = 0
    message: str = ""
    output_name: str = ""


def format_time(seconds: float) -> str:
    """Seconds -> "1:07.3"."""
    tenths = max(0, int(seconds * 10 + 1e-6))
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


class Transport:
    """The settings of the next take; the seed is resolved here before anything uses it."""

    def __init__(self, unknown_words: UnknownWords | None = None, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._unknown_words = unknown_words
        self._seed_is_fresh = True
        self.prompt = Value("")
        self.unknown: Value[tuple[str, ...]] = Value(())
        self.seed = Value(self._rng.randrange(10_000))
        self.seed_locked = Value(False)
        self.seconds: Value[float | None] = Value(30.0)
        self.bypass = Value(False)
        self.gain_db = Value(0.0)
        self.playing = Value(False)
        self.ready = Value(False)
        self.readout = Value(Readout())
        self.position_s = Value(0.0)
        self.prompt.changed.connect(lambda _: self._check_words())

    def set_vocabulary(self, unknown_words: UnknownWords | None) -> None:
        """How to tell words that the model does not know; None for models with an open vocabulary."""
        self._unknown_words = unknown_words
        self._check_words()

    def set_seed(self, seed: int) -> None:
        """A seed that the user chose: the next take uses exactly this one."""
        self.seed.set(max(0, min(SEED_MAX, seed)))
        self._seed_is_fresh = True

    def roll(self) -> int:
        """A new random seed, short enough to say aloud."""
        self.set_seed(self._rng.randrange(10_000))
        return self.seed.value

    def take_seed(self) -> int:
        """The seed of the take that starts now: the shown one, or a new one if that was used and is open."""
        if not self.seed_locked.value and not self._seed_is_fresh:
            self.roll()
        self._seed_is_fresh = False
        return self.seed.value

    def update(self, snapshot: SnapshotLike) -> None:
        """Take in a poll of the engine (text rate)."""
        self.playing.set(snapshot.state in BUSY)
        known = snapshot.real_time_factor > 0
        self.readout.set(
            Readout(
                snapshot.state,
                round(snapshot.real_time_factor, 1) if known else None,
                round(snapshot.latency_ms) if snapshot.latency_ms > 0 else None,
                snapshot.underruns,
                snapshot.message,
                snapshot.output_name,
            )
        )

    def _check_words(self) -> None:
        check = self._unknown_words
        self.unknown.set(tuple(check(self.prompt.value)) if check else ())
