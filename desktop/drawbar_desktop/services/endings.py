"""A signal that asks the program to end -> the window closes as if the user had closed it, within the event loop."""

import signal
import socket
from collections.abc import Callable

from PySide6.QtCore import QObject, QSocketNotifier

ASKS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


class Endings(QObject):
    """Python runs its signal handlers only between its own instructions: a byte in a socket wakes Qt up for them."""

    def __init__(self, close: Callable[[], object]) -> None:
        super().__init__()
        self._close = close
        self._ours, theirs = socket.socketpair()
        for end in (self._ours, theirs):
            end.setblocking(False)
        self._theirs = theirs
        self._notifier = QSocketNotifier(self._ours.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, lambda *_: None) for number in ASKS}

    def _woken(self) -> None:
        try:
            numbers = self._ours.recv(64)
        except BlockingIOError:
            return
        if any(number in ASKS for number in numbers):
            self._close()

    def forget(self) -> None:
        """Back to what the signals did before."""
        signal.set_wakeup_fd(-1)
        self._notifier.setEnabled(False)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._ours.close()
        self._theirs.close()
