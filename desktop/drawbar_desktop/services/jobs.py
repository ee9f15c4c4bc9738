"""Work -> a thread of its own; its answer -> a call on the thread that drains, as Qt's widgets need it."""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Jobs:
    """Work off the window's thread; answers are called on the thread that drains."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def run(self, work: Callable[[], T], done: Callable[[T | None, Exception | None], object]) -> None:
        """Start `work` on a thread of its own; `done(result, error)` is called by a later `drain`."""

        def body() -> None:
            try:
                result = work()
            except Exception as caught:  # the app's edge: shown in the window, never lost
                error = caught
                self.post(lambda: done(None, error))
            else:
                self.post(lambda: done(result, None))

        threading.Thread(target=body, name="drawbar-job", daemon=True).start()

    def post(self, call: Callable[[], object]) -> None:
        """Have `call` run by the next `drain`; from any thread."""
        self._answers.put(call)

    def drain(self) -> None:
        """Run what has been posted."""
        while True:
            try:
                call = self._answers.get_nowait()
            except queue.Empty:
                return
            call()
