"""A name on the Hugging Face Hub -> its files in a folder, fetched by a process of its own that can be stopped.

    python -m drawbar_desktop.services.hub_download NAME FOLDER

The parent counts bytes on disk; what was fetched stays, so that the next try goes on from there.
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from drawbar.errors import CancelledError, DrawbarError

PATTERNS = ["*.json", "*.safetensors", "state_dict.bin", "compression_state_dict.bin", "*.model", "*.txt"]


def bytes_in(folder: Path) -> int:
    """Bytes that have arrived, unfinished files included."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else 0


def fetch(
    name: str,
    folder: Path,
    tell: Callable[[int], object],
    cancel: threading.Event,
    command: list[str] | None = None,
) -> Path:
    """Fetch a model -> its folder. Raises DrawbarError with the reason, CancelledError."""
    if name.count("/") != 1 or not all(c.isalnum() or c in "-_./" for c in name) or ".." in name:
        raise DrawbarError(f"{name!r} is no name on the Hub: write it as facebook/musicgen-small")
    folder.mkdir(parents=True, exist_ok=True)
    argv = command or [sys.executable, "-m", "drawbar_desktop.services.hub_download"]
    child = subprocess.Popen(
        [*argv, name, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        while True:
            try:
                child.wait(0.25)
                break
            except subprocess.TimeoutExpired:
                tell(bytes_in(folder))
                if cancel.is_set():
                    raise CancelledError(f"fetching {name} was cancelled; what has arrived is kept") from None
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        errors = child.stderr.read() if child.stderr is not None else ""
        if child.stderr is not None:
            child.stderr.close()
    if child.returncode:
        lines = [line for line in errors.strip().splitlines() if line.strip()]
        raise DrawbarError(f"{name} could not be fetched: {lines[-1] if lines else child.returncode}")
    return folder


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("give the name and the folder\n")
        return 2
    import os

    os.environ.pop("HF_HUB_OFFLINE", None)
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(arguments[0], local_dir=arguments[1], allow_patterns=PATTERNS)
    except Exception as error:  # the process's edge: one line for the window
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())[:400]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
