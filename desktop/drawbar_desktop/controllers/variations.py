"""The last take -> four near variations of it: same prompt and sliders, its opening kept; one is chosen by ear."""

import threading
from dataclasses import replace
from functools import partial

import numpy as np

from drawbar.errors import CancelledError
from drawbar.live.takes.take import Take
from drawbar_desktop.controllers.audition import PREFIX_S, Audition
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.services.interfaces import Tokens
from drawbar_desktop.state.takes import TakeItem

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

        def tell(number: int, done: int, of: int) -> None:
            if done % 10 == 0:
                jobs.post(lambda: self._say(number, done / of, cancel))

        def work() -> list[Take]:
            return [
                vary(replace(take.settings, seed=seed, seconds=_seconds(take), twin=False),
                     opening(take, loaded.frame_rate_hz), partial(tell, number), cancel)
                for number, seed in enumerate(seeds(take.settings.seed))
            ]  # fmt: skip

        jobs.run(work, self._made)

    def _say(self, number: int, share: float, cancel: threading.Event) -> None:
        if not cancel.is_set():
            self._links.ask(
                "variations", f"Making variation {number + 1} of {HOW_MANY}: {share:.0%}",
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


def seeds(first: int) -> tuple[int, ...]:
    """Seeds of the variations: the next ones, so that they can be made again."""
    return tuple(first + 1 + i for i in range(HOW_MANY))


def opening(take: Take, frame_rate_hz: float) -> Tokens:
    """The tokens `[K, P]` that every variation shares: the first seconds, at most a quarter of the take."""
    frames = min(round(PREFIX_S * frame_rate_hz), take.tokens.shape[1] // 4)
    return np.ascontiguousarray(take.tokens[:, :frames])


def _seconds(take: Take) -> float:
    return min(LONGEST_S, len(take.audio) / take.sample_rate_hz)
