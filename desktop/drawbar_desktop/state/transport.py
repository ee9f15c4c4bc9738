"""Prompt, seed, length and switches -> what the next take will use, and how the engine is doing."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drawbar_desktop.state.interfaces import SnapshotLike
from drawbar_desktop.state.observable import Event, Value

LENGTHS_S: tuple[float | None, ...] = (8.0, 15.0, 30.0, 60.0, 120.0, 300.0, None)
KEPT_BARS = (0, 1, 2, 4, 8)
SEED_MAX = 2**31 - 1
PROMPTS_KEPT = 30
PREPARE_BYPASS = "Prepare Bypass"
"""What the switch is called that makes `Transport.twin`; Bypass is the one that is heard."""
BUSY = frozenset({"loading", "warming", "playing", "finishing"})
UnknownWords = Callable[[str], Sequence[str]]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Readout:
    """What the engine measured of itself, rounded as it is shown."""

    state: str = "idle"
    real_time_factor: float | None = None
    latency_ms: int | None = None
    underruns: int = 0
    message: str = ""
    output_name: str = ""
    buffer_ms: int = 0


def kept_title(bars: int) -> str:
    """What variations keep, as the menu says it."""
    return "the opening" if not bars else "the first bar" if bars == 1 else f"the first {bars} bars"


def format_time(seconds: float) -> str:
    """Seconds -> "1:07.3"."""
    tenths = max(0, int(seconds * 10 + 1e-6))
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


class Trouble:
    """Too slow for three seconds, or an under-run in them -> a warning, held for five seconds after the last."""

    WAIT_S, HOLD_S = 3.0, 5.0

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._until = float("-inf")
        self._underruns = 0

    def update(self, *, sounding: bool, factor: float, underruns: int) -> bool:
        """Take in a poll -> whether to warn now."""
        now = self._clock()
        dropped = underruns > self._underruns
        self._underruns = underruns
        slow = sounding and 0 < factor < 1.0
        if not (slow or dropped):
            self._since = None if not sounding or factor >= 1.0 else self._since
        elif self._since is None:
            self._since = now
        if self._since is not None and (slow or dropped) and now - self._since >= self.WAIT_S:
            self._until = now + self.HOLD_S
        return now < self._until


class Transport:
    """The settings of the next take; the seed is resolved here before anything uses it."""

    def __init__(
        self,
        unknown_words: UnknownWords | None = None,
        rng: random.Random | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._rng = rng or random.Random()
        self._unknown_words = unknown_words
        self._seed_is_fresh = True
        self._trouble = Trouble(clock)
        self.prompt = Value("")
        self.prompts: Value[tuple[str, ...]] = Value(())
        """Earlier prompts, the last one first."""
        self.unknown: Value[tuple[str, ...]] = Value(())
        self.seed = Value(self._rng.randrange(10_000))
        self.seed_locked = Value(False)
        self.seconds: Value[float | None] = Value(30.0)
        self.guidance = Value(3.0)
        self.temperature = Value(1.0)
        self.top_k = Value(250)
        self.melody: Value[tuple[int, ...]] = Value(())
        """Pitch classes that the next takes of a melody model follow; none without one."""
        self.twin = Value(True)
        """Make the unsteered twin too, so that Bypass can be switched while playing; a first move costs speed."""
        self.kept_bars = Value(0)
        """How near variations are: the first bars that they keep, one of `KEPT_BARS`; 0 for the opening."""
        self.match_loudness = Value(True)
        """Bypass and A/B are compared equally loud."""
        self.bypass = Value(False)
        self.gain_db = Value(0.0)
        self.playing = Value(False)
        self.player = Value(False)
        """An old take or an opened file is being played."""
        self.slow = Value(False)
        """This machine makes less than a second of music a second: takes are made before they are heard."""
        self.paused = Value(False)
        """The take that is being made is held."""
        self.vocabulary: Value[Mapping[str, tuple[str, ...]]] = Value({})
        """Kind -> words that the loaded model knows; empty for one that takes any."""
        self.ready = Value(False)
        self.loading = Value(False)
        """A model is being loaded: Play is taken as a wish."""
        self.wanted = Value(False)
        """Play was pressed while loading: the take begins as soon as it can."""
        self.readout = Value(Readout())
        self.trouble = Value(False)
        self.position_s = Value(0.0)
        self.devices: Value[tuple[str, ...]] = Value(())
        self.device = Value("")
        self.buffer_ms = Value(0)
        """What the output is to hold; 0: the smallest that works, as measured."""
        """The chosen output by name; empty = the system's."""
        self.used: Event[[]] = Event()
        """A take was begun with these settings."""
        self.prompt.changed.connect(lambda _: self._check_words())

    def set_vocabulary(
        self, unknown_words: UnknownWords | None, vocabulary: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """How to tell words that the model does not know (None for an open vocabulary), and those it does, by kind."""
        self._unknown_words = unknown_words
        self.vocabulary.set(dict(vocabulary or {}))
        self._check_words()

    def set_seed(self, seed: int) -> None:
        """A seed that the user chose: the next take uses exactly this one."""
        self.seed.set(max(0, min(SEED_MAX, seed)))
        self._seed_is_fresh = True

    def roll(self) -> int:
        """A new random seed, short enough to say aloud."""
        self.set_seed(self._rng.randrange(10_000))
        return self.seed.value

    def keep_seed(self) -> None:
        """The next take uses the seed that is shown, once more."""
        self._seed_is_fresh = True

    def take_seed(self) -> int:
        """The seed of the take that starts now: the shown one, or a new one if that was used and is open."""
        if not self.seed_locked.value and not self._seed_is_fresh:
            self.roll()
        self._seed_is_fresh = False
        return self.seed.value

    def remember_prompt(self) -> None:
        """The prompt was used: it heads the history."""
        prompt = self.prompt.value.strip()
        if prompt:
            others = [p for p in self.prompts.value if p != prompt]
            self.prompts.set((prompt, *others)[:PROMPTS_KEPT])
        self.used.emit()

    def update(self, snapshot: SnapshotLike) -> None:
        """Take in a poll of the engine (text rate)."""
        self.playing.set(snapshot.state in BUSY)
        self.paused.set(snapshot.paused and snapshot.state in BUSY)
        known = snapshot.real_time_factor > 0
        self.trouble.set(
            self._trouble.update(
                sounding=snapshot.state == "playing",
                factor=snapshot.real_time_factor,
                underruns=snapshot.underruns,
            )
        )
        self.readout.set(
            Readout(
                snapshot.state,
                round(snapshot.real_time_factor, 1 if snapshot.real_time_factor >= 1 else 2)
                if known
                else None,
                round(snapshot.latency_ms) if snapshot.latency_ms > 0 else None,
                snapshot.underruns,
                snapshot.message,
                snapshot.output_name,
                snapshot.buffer_ms,
            )
        )

    def _check_words(self) -> None:
        check = self._unknown_words
        self.unknown.set(tuple(check(self.prompt.value)) if check else ())
