"""Arguments of `drawbar` -> the same program as a process of its own, which says how far it is and can be ended.

A build beside the window: it takes no time from the music's threads, and ending it at any moment loses nothing.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

_NICE = 10
"""So much less important than the music."""


class BuildProcess:
    """One process. What it says on stderr is told line by line, on a thread of this class."""

    def __init__(
        self,
        arguments: Sequence[str],
        told: Callable[[str], object],
        ended: Callable[[int, str, str], object],
        command: Sequence[str] = (),
    ) -> None:
        """``ended`` gets the exit code, stdout and the last line of stderr. Raises OSError."""
        start = {"creationflags": 0x4000} if sys.platform == "win32" else {"start_new_session": True}
        self._process = subprocess.Popen(
            [*(command or drawbar_command()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "1000"},
            **start,
        )
        if sys.platform != "win32":
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
        self._told, self._ended = told, ended
        self._out: list[str] = []
        self._reading = threading.Thread(target=self._read_out, name="drawbar-build-out", daemon=True)
        self._reading.start()
        threading.Thread(target=self._follow, name="drawbar-build", daemon=True).start()

    def end(self) -> None:
        """Stop it; whoever goes on begins behind what is finished."""
        self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Until it is gone; one that does not go is killed."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            self._out.append(pipe.read())

    def _follow(self) -> None:
        assert self._process.stderr is not None
        last = ""
        with self._process.stderr as pipe:
            for line in pipe:
                if line.strip():
                    last = line.strip()
                    self._told(last)
        self._reading.join()
        self._ended(self._process.wait(), "".join(self._out), last)


def drawbar_command() -> list[str]:
    """How this very program is started again."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "drawbar_desktop"]
