"""The last take -> four near variations: its prompt and sliders, its opening or first bars; one is chosen by ear."""

import threading
from dataclasses import replace
from functools import partial

import numpy as np

from drawbar.errors import CancelledError
from drawbar.live.takes.take import Take
from drawbar_desktop.controllers.audition import PREFIX_S, Audition
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.services.interfaces import Tokens
from drawbar_desktop.state.beat_grid import Grid, track_tempo
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.takes import TakeItem
from drawbar_desktop.state.transport import kept_title

HOW_MANY = 4
LONGEST_S = 15.0
"""A variation is for choosing; a longer take begins like it."""


class Variations:
    """Made one after the other without being heard; each is a take of the history."""

    def __init__(self, links: Links, listening: Audition) -> None:
        self._links, self._listening, self.desk = links, listening, links.desk
        self._cancel: threading.Event | None = None

    def make(self) -> None:
        """Four of the take that ended last; says why where there is none."""
        loaded = self._links.loaded
        take = loaded.engine.take if loaded is not None else None
        if loaded is None or loaded.vary is None or take is None or self.desk.history.store is None:
            self._links.tell("Play a take first: its variations begin like it")
            return
        if self._cancel is not None:
            return
        loaded.engine.stop()
        self._listening.stop()
        cancel = self._cancel = threading.Event()
        self._say(0, 0.0, cancel)
        vary, jobs = loaded.vary, self._links.jobs
        bars, shown = self.desk.transport.kept_bars.value, self.desk.timeline.grid.value

        def tell(number: int, done: int, of: int) -> None:
            if done % 10 == 0:
                jobs.post(lambda: self._say(number, done / of, cancel))

        def work() -> list[Take]:
            kept = opening(take, loaded.frame_rate_hz, _bars_s(take, shown, bars))
            seconds = _seconds(take, kept.shape[1] / loaded.frame_rate_hz)
            return [
                vary(replace(take.settings, seed=seed, seconds=seconds, twin=False), kept,
                     partial(tell, number), cancel)
                for number, seed in enumerate(seeds(take.settings.seed))
            ]  # fmt: skip

        jobs.run(work, self._made)

    def _say(self, number: int, share: float, cancel: threading.Event) -> None:
        if not cancel.is_set():
            self._links.ask(
                "variations", f"Making variation {number + 1} of {HOW_MANY}, {_kept(self.desk)} kept: {share:.0%}",
                ("Cancel", cancel.set), sign="call-split",
            )  # fmt: skip

    def _made(self, takes: list[Take] | None, error: Exception | None) -> None:
        self._cancel = None
        self._links.settle("variations")
        store = self.desk.history.store
        if takes is None or store is None:
            self._links.tell("Cancelled" if isinstance(error, CancelledError) else str(error))
            return
        items = [store.add(take) for take in takes]
        for item in reversed(items):
            self.desk.history.put(item)
        self._choose(items)
        self._listening.open_take(items[0])

    def _choose(self, items: list[TakeItem]) -> None:
        """One button each; the question stays until one is kept."""

        def hear(item: TakeItem) -> None:
            self.desk.history.selected.set(item.id)
            self._listening.open_take(item)
            self._links.jobs.post(lambda: self._choose(items))

        self._links.ask(
            "variations", "Four variations: which one?",
            *((f"Hear {n}", partial(hear, item)) for n, item in enumerate(items, start=1)),
            ("Keep this one", self._keep), sign="call-split",
        )  # fmt: skip

    def _keep(self) -> None:
        history = self.desk.history
        if history.playing.value is not None:
            history.mark(history.playing.value, starred=True)


def _kept(desk: Desk) -> str:
    return kept_title(desk.transport.kept_bars.value)


def seeds(first: int) -> tuple[int, ...]:
    """Seeds of the variations: the next ones, so that they can be made again."""
    return tuple(first + 1 + i for i in range(HOW_MANY))


def opening(take: Take, frame_rate_hz: float, kept_s: float = 0.0) -> Tokens:
    """The tokens `[K, P]` that every variation shares: `kept_s`, but for the last second of the take.

    0 for the first seconds, at most a quarter of the take.
    """
    there = take.tokens.shape[1]
    if kept_s:
        frames = min(round(kept_s * frame_rate_hz), max(there // 4, there - round(frame_rate_hz)))
    else:
        frames = min(round(PREFIX_S * frame_rate_hz), there // 4)
    return np.ascontiguousarray(take.tokens[:, :frames])


def _bars_s(take: Take, shown: Grid, bars: int) -> float:
    """Where the first bars end; 0 for none, and where nothing beats."""
    if not bars:
        return 0.0
    if not shown.bar_s:
        shown = Grid(*track_tempo(take.audio, take.sample_rate_hz), shown.beats_per_bar)
    return shown.start_of(1 + bars) if shown.bar_s else 0.0


def _seconds(take: Take, kept_s: float) -> float:
    """So long that something new is heard."""
    return min(len(take.audio) / take.sample_rate_hz, max(LONGEST_S, kept_s + LONGEST_S / 2))
