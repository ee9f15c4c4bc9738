"""What happens inside -> a log file in the user's folder, one a start, the last five kept."""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

KEPT = 5


def start_log(home: Path, tell: Callable[[str, str], object] | None = None) -> Path | None:
    """Write warnings and errors to a file; `tell` gets (words, details) of what nobody caught."""
    folder = home / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("drawbar-*.log"))[: -KEPT + 1]:
            old.unlink(missing_ok=True)
        path = folder / time.strftime("drawbar-%Y%m%d-%H%M%S.log")
        handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    except OSError:
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)

    def caught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        logging.getLogger("drawbar").error("uncaught", exc_info=(kind, error, trace))
        if tell is not None:
            import traceback

            tell(f"{kind.__name__}: {error}", "".join(traceback.format_exception(kind, error, trace)))

    sys.excepthook = caught
    return path
