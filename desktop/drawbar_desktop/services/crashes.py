"""What ends the program from below Python -> the log file, and a mark that the next start finds.

A segmentation fault, a library that writes to the standard error and Qt's own messages leave no trace otherwise.
"""

import faulthandler
import logging
import os
import sys
from pathlib import Path

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from drawbar.files.atomic_write import write_json
from drawbar_desktop.state.json_files import read_json

MARK = "running.json"
TAIL_BYTES = 8_000
LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def catch_crashes(log_file: Path) -> None:
    """Have everything that is not Python's own write into the log; what Python prints still goes to the terminal."""
    try:
        log = log_file.open("ab", buffering=0)
        terminal = os.dup(2)
        os.dup2(log.fileno(), 2)
    except OSError:
        return
    sys.stderr = os.fdopen(terminal, "w", buffering=1, encoding="utf-8", errors="replace")
    faulthandler.enable(log, all_threads=True)
    qInstallMessageHandler(_from_qt)


def _from_qt(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    logging.getLogger("qt").log(LEVELS.get(kind, logging.WARNING), "%s", text)


class RunningMark:
    """A file that says which log belongs to the window that is open; whoever finds it afterwards knows of a crash."""

    def __init__(self, home: Path) -> None:
        self._path = home / "logs" / MARK

    def left_behind(self) -> Path | None:
        """The log of the last window, if that one never ended."""
        if not self._path.exists():
            return None
        log = Path(str(read_json(self._path).get("log", "")))
        return log if log.is_file() else None

    def set(self, log_file: Path) -> None:
        """A window is open. Raises OSError."""
        write_json(self._path, {"log": str(log_file), "pid": os.getpid()})

    def clear(self) -> None:
        """It ends as it should."""
        self._path.unlink(missing_ok=True)


def tail(log_file: Path) -> str:
    """The end of a log, where the crash is."""
    try:
        with log_file.open("rb") as handle:
            handle.seek(max(0, log_file.stat().st_size - TAIL_BYTES))
            return handle.read().decode("utf-8", "replace").strip() or "The log is empty."
    except OSError as error:
        return f"The log cannot be read: {error}"
