"""OSC datagrams -> messages for whoever polls, and answers to who asked; loopback only unless told otherwise."""

import logging
import math
import queue
import socket
import threading
from dataclasses import dataclass

from drawbar.errors import BadInputError, DeviceError, MissingDependencyError

log = logging.getLogger(__name__)
LOOPBACK, PORT = "127.0.0.1", 9123
LONGEST = 256
"""Messages that may wait between two polls: a flood is dropped, not stored."""
OscValue = float | int | str | bool
Sender = tuple[str, int]


@dataclass(frozen=True)
class OscIn:
    """One message, and who sent it."""

    address: str
    values: tuple[OscValue, ...]
    sender: Sender


class OscServer:
    """Off until `start`; its thread only parses and queues."""

    def __init__(self) -> None:
        self._queue: queue.Queue[OscIn] = queue.Queue(LONGEST)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 while it is off."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else 0

    def start(self, port: int = PORT, host: str = LOOPBACK) -> None:
        """Listen. Raises MissingDependencyError, BadInputError for a port, DeviceError where it is taken."""
        self.stop()
        if not 0 <= port <= 65_535:
            raise BadInputError(f"OSC port {port}: use a number from 1 to 65535")
        try:
            import pythonosc  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                "OSC needs python-osc, which is not installed: pip install 'drawbar[osc]'"
            ) from error
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listening.bind((host, port))
        except OSError as error:
            listening.close()
            raise DeviceError(
                f"OSC cannot listen on {host}:{port} ({error.strerror}): choose another port"
            ) from error
        self._socket = listening
        self._thread = threading.Thread(
            target=self._listen, args=(listening,), name="drawbar-osc", daemon=True
        )
        self._thread.start()

    def messages(self) -> list[OscIn]:
        """What came since the last time."""
        found = []
        while True:
            try:
                found.append(self._queue.get_nowait())
            except queue.Empty:
                return found

    def answer(self, sender: Sender, address: str, *values: OscValue) -> None:
        """One message back to who asked."""
        from pythonosc.osc_message_builder import OscMessageBuilder

        if self._socket is None:
            return
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value)
        try:
            self._socket.sendto(message.build().dgram, sender)
        except OSError as error:
            log.info("no answer to %s: %s", sender, error)

    def stop(self) -> None:
        if self._socket is None or self._thread is None:
            return
        # A datagram to itself ends the wait; closing a socket that another thread reads does not, on every system.
        host, port = self._socket.getsockname()
        self._thread_ends = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (LOOPBACK if host == "0.0.0.0" else host, port))  # noqa: S104
        self._thread.join()
        self._socket.close()
        self._socket = self._thread = None

    _thread_ends = False

    def _listen(self, listening: socket.socket) -> None:
        self._thread_ends = False
        while True:
            data, sender = listening.recvfrom(65_536)
            if not data:
                if self._thread_ends:
                    return
                continue
            try:
                found = messages_of(data, sender)
            except ValueError as error:
                log.info("%d bytes from %s are not taken: %s", len(data), sender, error)
                continue
            for one in found:
                try:
                    self._queue.put_nowait(one)
                except queue.Full:
                    break


def messages_of(data: bytes, sender: Sender) -> list[OscIn]:
    """A datagram from anyone -> its messages. Raises ValueError for what is no OSC, and numbers that are not finite."""
    from pythonosc.osc_packet import OscPacket

    try:
        timed = OscPacket(data).messages
    except Exception as error:  # whatever its parser stumbles over: the thread has to go on listening
        raise ValueError(f"no OSC ({type(error).__name__})") from error
    found = []
    for one in timed:
        values = tuple(v for v in one.message.params if isinstance(v, float | int | str | bool))
        if any(isinstance(v, float) and not math.isfinite(v) for v in values):
            raise ValueError("a number that is not finite")
        found.append(OscIn(one.message.address, values, sender))
    return found
