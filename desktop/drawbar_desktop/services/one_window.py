"""A second start on the same home -> the first window comes to the front, with the file that was asked for."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from drawbar.files.reading import json_value

WAIT_MS = 2_000
MOST_BYTES = 1 << 16


def _name(home: Path) -> str:
    return "drawbar-" + hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:20]


def hand_over(home: Path, file: Path | None) -> bool:
    """Ask the window that is open on this home to come forward -> whether there is one."""
    socket = QLocalSocket()
    socket.connectToServer(_name(home))
    if not socket.waitForConnected(WAIT_MS):
        return False
    message = {"file": str(file.resolve()) if file is not None else None}
    socket.write(json.dumps(message).encode() + b"\n")
    socket.waitForBytesWritten(WAIT_MS)
    answered = socket.waitForReadyRead(WAIT_MS) and bytes(socket.readAll().data()).startswith(b"ok")
    socket.disconnectFromServer()
    return bool(answered)


class FirstWindow(QObject):
    """Listens for later starts; `asked` gets the file that was asked for, or None."""

    def __init__(self, home: Path, asked: Callable[[Path | None], object]) -> None:
        super().__init__()
        self._asked = asked
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._connected)
        if not self._server.listen(_name(home)):
            QLocalServer.removeServer(_name(home))  # a crash left it
            self._server.listen(_name(home))

    def _connected(self) -> None:
        socket = self._server.nextPendingConnection()
        if socket is not None:
            socket.readyRead.connect(lambda: self._read(socket))
            socket.disconnected.connect(socket.deleteLater)

    def _read(self, socket: QLocalSocket) -> None:
        if not socket.canReadLine():
            if socket.bytesAvailable() > MOST_BYTES:
                socket.abort()
            return
        try:
            file = json_value(bytes(socket.readLine().data())).get("file")
        except (ValueError, AttributeError):
            socket.abort()
            return
        socket.write(b"ok\n")
        socket.flush()
        self._asked(Path(file) if isinstance(file, str) else None)

    def close(self) -> None:
        """No more."""
        self._server.close()
