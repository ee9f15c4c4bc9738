"""The dialog's files and the loaded model -> a direction of one's own, made on a thread, saved, and in the rack."""

import threading
from collections.abc import Callable

from drawbar.errors import CancelledError
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.state.slider_making import Made, Making


class SliderMaker:
    """What the dialog asks for."""

    def __init__(self, links: Links, state: Making, add: Callable[[str], object]) -> None:
        self._links, self.state, self._add = links, state, add
        self._cancel = threading.Event()

    def begin(self) -> None:
        state, loaded, jobs = self.state, self._links.loaded, self._links.jobs
        if state.busy.value or state.missing:
            return
        if loaded is None or loaded.make_direction is None:
            state.trouble.set("No model is loaded yet: wait for it.")
            return
        make = loaded.make_direction
        cancel = self._cancel = threading.Event()
        name, like, unlike = state.name.value.strip(), state.files("like"), state.files("unlike")

        def tell(what: str, share: float) -> None:
            if cancel.is_set():
                raise CancelledError("making a slider was cancelled")
            jobs.post(lambda: state.progress.set((what, share)))

        def done(made: Made | None, error: Exception | None) -> None:
            state.busy.set(False)
            if made is not None:
                self._have(made)
            elif not isinstance(error, CancelledError):
                state.trouble.set(str(error))

        state.trouble.set("")
        state.made.set(None)
        state.progress.set(("Starting", 0.0))
        state.busy.set(True)
        jobs.run(lambda: make(name, like, unlike, tell), done)

    def cancel(self) -> None:
        self._cancel.set()

    def _have(self, made: Made) -> None:
        self._links.features.pop(made.id, None)
        self._links.desk.library.refresh()
        self.state.made.set(made)
        self._add(made.id)
        self._links.tell(f"{made.id} is in the rack and on the shelf \u201cmine\u201d")
