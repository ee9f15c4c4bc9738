"""The blind test's state, the engine's second player and a thread for clips -> a session in the window."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drawbar.files.lock import Lock, file_lock
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.services.interfaces import ClipsOfTrials
from drawbar_desktop.state.blind_test import BlindChoice, BlindTest, Floats, unfinished

if TYPE_CHECKING:
    from drawbar.listening_test.session import BlindSession


class BlindTestController:
    """Makes the clips of a trial off the window's thread, the next ones while these are heard."""

    def __init__(self, links: Links, state: BlindTest) -> None:
        self._links, self.state = links, state
        self._maker: ClipsOfTrials | None = None
        self._made: dict[int, Sequence[Floats]] = {}
        self._busy = False
        self._lock: Lock | None = None

    @property
    def folder(self) -> Path:
        from drawbar.paths import user_dir

        return (self._links.desk.home or user_dir()) / "blind"

    def left_over(self) -> Path | None:
        return unfinished(self.folder)

    def begin(self, choice: BlindChoice) -> None:
        """A new session of the bank's best features, or of those in the rack."""
        from drawbar.listening_test.plan import BlindSettings
        from drawbar.listening_test.session import BlindSession

        desk, state = self._links.desk, self.state
        settings = BlindSettings(trials=choice.trials, seconds=choice.seconds, tasks=choice.tasks)  # type: ignore[arg-type]
        rack = [strip.id for strip in desk.rack.strips if strip.feature.label] if choice.from_rack else []
        if choice.from_rack and not rack:
            state.trouble.set("No slider in the rack has a name to ask about.")
            return
        path = self.folder / f"{datetime.now():%Y-%m-%d-%H%M%S}.json"
        bank: Any = desk.library.bank
        self._open(path, lambda: BlindSession.begin(path, bank, settings, rack))

    def resume(self, path: Path) -> None:
        from drawbar.listening_test.session import BlindSession

        bank: Any = self._links.desk.library.bank
        self._open(path, lambda: BlindSession.load(path, bank))

    def play(self, letter: str) -> None:
        clip, engine = self.state.heard(letter), self._links.engine
        if clip is not None and engine is not None:
            loud = np.float32(10 ** (min(0.0, self._links.desk.transport.gain_db.value) / 20))
            self._links.jobs.run(lambda: engine.player.play(clip * loud), self._links.tell_error)

    def stop(self) -> None:
        engine = self._links.engine
        if engine is not None:
            engine.player.stop()
        self.state.playing.set("")

    def poll(self) -> None:
        """5 Hz: whether the clip has ended."""
        engine = self._links.engine
        if self.state.playing.value and engine is not None and not engine.player.playing:
            self.state.playing.set("")

    def answer(self, letter: str) -> None:
        self.stop()
        with self._links.told():
            if self.state.answer(letter, time.monotonic()):
                self._ask()

    def undo(self) -> None:
        self.stop()
        with self._links.told():
            if self.state.undo():
                self._ask()

    def finish(self) -> None:
        with self._links.told():
            self.state.finish()

    def leave(self) -> None:
        self.stop()
        self._maker = None
        self._made.clear()
        self._let_go()
        self.state.leave()

    def close(self) -> None:
        """When the window closes."""
        self._let_go()

    def export(self, path: Path) -> None:
        with self._links.told():
            self._links.tell(f"Saved {self.state.session.export(path)}")

    # -- clips ----------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        """Another window, or `drawbar blind`, may take the session up."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _open(self, path: Path, make: Callable[[], BlindSession]) -> None:
        loaded, state = self._links.loaded, self.state
        if loaded is None or loaded.bank is None or loaded.clip_maker is None:
            state.trouble.set("No bank is open, so there is nothing to ask about.")
            return
        clip_maker = loaded.clip_maker
        state.trouble.set("")
        loaded.engine.stop()
        self._let_go()
        self._lock = file_lock(path, "taking a blind test")
        held = self._lock

        def open_alone() -> BlindSession:
            with contextlib.ExitStack() as undo:
                undo.enter_context(held)
                session = make()
                undo.pop_all()  # held until it is left
            return session

        def opened(session: BlindSession | None, error: Exception | None) -> None:
            if session is None:
                state.trouble.set(str(error))
                return
            self._maker = clip_maker(session)
            self._made.clear()
            state.open(session)
            self._ask()

        self._links.jobs.run(open_alone, opened)

    def _ask(self) -> None:
        """Offer the current trial's clips when they are there; make what is missing, one trial at a time."""
        state = self.state
        trial = state.trial
        if trial is None:
            return
        if state.stage.value == "making" and trial.number in self._made:
            state.offer(self._made[trial.number], time.monotonic())
        coming = [
            t for t in state.session.trials[trial.number : trial.number + 2] if t.number not in self._made
        ]
        maker, session = self._maker, state.session
        if self._busy or not coming or maker is None:
            return
        wanted = coming[0]
        self._busy = True

        def made(clips: Sequence[Floats] | None, error: Exception | None) -> None:
            self._busy = False
            if session is not state.session:
                self._ask()
            elif clips is None:
                state.trouble.set(str(error))
            else:
                self._made[wanted.number] = clips
                for old in [n for n in self._made if n < wanted.number - 3]:
                    del self._made[old]
                self._ask()

        self._links.jobs.run(lambda: maker.clips(wanted), made)
