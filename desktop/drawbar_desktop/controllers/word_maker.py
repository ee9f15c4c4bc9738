"""A word and the loaded model -> a slider made of the model's own takes, on a thread, saved, and in the rack."""

import threading
from collections.abc import Callable

from drawbar.errors import CancelledError
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.state.word_making import WordMade


class WordMaker:
    """What the empty list asks for."""

    def __init__(self, links: Links, add: Callable[[str], object]) -> None:
        self._links, self._add = links, add
        self.state = links.desk.words
        self._cancel = threading.Event()

    def follow(self) -> None:
        """Another model was loaded, or none."""
        loaded = self._links.loaded
        self.state.possible.set(loaded is not None and loaded.make_word is not None)

    def begin(self, word: str) -> None:
        """Make one; a second word waits until the first is done or stopped."""
        state, loaded, jobs = self.state, self._links.loaded, self._links.jobs
        word = " ".join(word.split())
        if state.busy.value or not word or loaded is None or loaded.make_word is None:
            return
        make = loaded.make_word
        cancel = self._cancel = threading.Event()

        def tell(what: str, share: float) -> None:
            if cancel.is_set():
                raise CancelledError("making a slider was cancelled")
            jobs.post(lambda: state.progress.set((what, share)))

        def done(made: WordMade | None, error: Exception | None) -> None:
            state.busy.set("")
            if made is not None:
                self._have(made)
            elif not isinstance(error, CancelledError):
                state.trouble.set((word, str(error)))

        state.trouble.set(("", ""))
        state.progress.set(("Starting", 0.0))
        state.busy.set(word)
        jobs.run(lambda: make(word, tell), done)

    def cancel(self) -> None:
        self._cancel.set()

    def _have(self, made: WordMade) -> None:
        self._links.features.pop(made.id, None)
        self._links.desk.library.refresh()
        self._add(made.id)
        self._links.tell(made.words)
