"""What happens inside -> a log file in the user's folder, one a start, the last five kept."""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

KEPT = 5


def start_log(home: Path) -> Path | None:
    """Write warnings and errors to a file from now on -> the file."""
    folder = home / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("drawbar-*.log"))[: -KEPT + 1]:
            old.unlink(missing_ok=True)
        path = folder / time.strftime("drawbar-%Y%m%d-%H%M%S.log")
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError:
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)

    return path


def catch_exceptions(tell: Callable[[str, str], object]) -> None:
    """What nobody caught, in whatever thread, goes to the log; `tell` gets (words, details), in that thread."""

    def caught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        logging.getLogger("drawbar").error("uncaught", exc_info=(kind, error, trace))
        tell(f"{kind.__name__}: {error}", "".join(traceback.format_exception(kind, error, trace)))

    def caught_in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_value is not None and not isinstance(given.exc_value, SystemExit):
            caught(given.exc_type, given.exc_value, given.exc_traceback)

    sys.excepthook = caught
    threading.excepthook = caught_in_thread
