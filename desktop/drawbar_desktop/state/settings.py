"""What the user chose -> a file that survives restarts and crashes; each value observable, each checked."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drawbar.live.takes.finishing import DEPTHS, RATES_HZ
from drawbar_desktop.state.json_files import read_json, update_json
from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.quantise import STEPS
from drawbar_desktop.state.transport import KEPT_BARS

THEMES = ("dark", "light")
SCALES = (100, 125, 150, 175, 200)
DEFAULTS: dict[str, Any] = {
    "theme": "dark",
    "scale_percent": 100,
    "device": "",
    "buffer_ms": 0,
    "gain_db": 0.0,
    "seconds": 30.0,
    "endless": False,
    "prompt": "",
    "prompts": [],
    "share": 1.0,
    "blend": [],
    "guidance": 3.0,
    "temperature": 1.0,
    "top_k": 250,
    "twin": True,
    "kept_bars": 0,
    "movement": [],
    "pad": {},
    "match_loudness": True,
    "level_match_ab": True,
    "rack": [],
    "macros": [],
    "bank": "",
    "model": "",
    "models": [],
    "banks": [],
    "accepted_licences": [],
    "last_folder": "",
    "export_format": "wav",
    "export_rate_hz": 0,
    "export_depth": "24",
    "window": "",
    "splitters": [],
    "folded": [],
    "evidence_open": False,
    "midi": [],
    "midi_inputs": [],
    "midi_clock_in": False,
    "midi_clock_out": "",
    "quantise": "",
    "osc": False,
    "osc_port": 9123,
    "welcomed": False,
    "tempo": 0.0,
    "beats_per_bar": 4,
    "author": "me",
}
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "theme": lambda v: v in THEMES,
    "scale_percent": lambda v: v in SCALES,
    "buffer_ms": lambda v: v == 0 or 20 <= v <= 200,
    "gain_db": lambda v: -60 <= v <= 12,
    "share": lambda v: 0 <= v <= 1,
    "seconds": lambda v: 1 <= v <= 3600,
    "guidance": lambda v: 0 <= v <= 20,
    "temperature": lambda v: 0 <= v <= 5,
    "top_k": lambda v: 0 <= v <= 4096,
    "export_rate_hz": lambda v: v in RATES_HZ,
    "export_depth": lambda v: v in DEPTHS,
    "osc_port": lambda v: 1 <= v <= 65_535,
    "kept_bars": lambda v: v in KEPT_BARS,
    "quantise": lambda v: v in STEPS,
    "beats_per_bar": lambda v: 1 <= v <= 16,
}


class Settings:
    """Read once, written after each change by `save` (the window calls it once a second and on closing)."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` None keeps everything in memory."""
        self._path = path
        self._values = {name: _usable(name, value) for name, value in self._read().items()}
        self._saved: dict[str, Any] = dict(self._values)
        self._writing: dict[str, Any] | None = None
        self._turn = self._written = 0
        self._lock = threading.Lock()
        self.changed: Event[[str]] = Event()

    def __getitem__(self, name: str) -> Any:
        """A setting, its default when it was never set. KeyError for a name that is none."""
        return self._values.get(name, DEFAULTS[name])

    def set(self, name: str, value: Any) -> None:
        """Change one. Raises KeyError for an unknown name; an unusable value is dropped."""
        value = _usable(name, value)
        if self[name] != value:
            self._values[name] = value
            self.changed.emit(name)

    def remember(self, name: str, item: Any, limit: int) -> None:
        """Put an item at the head of a list without repeating it."""
        self.set(name, [item, *(other for other in self[name] if other != item)][:limit])

    def save(self) -> bool:
        """Write the file if anything changed -> whether it did. Raises OSError, InUseError."""
        write = self._write_of(self._saved)
        if write is not None:
            write()
        return write is not None

    def pending(self) -> Callable[[], None] | None:
        """What `save` would do, for another thread: values as they are now; None when that is being done.

        A write that fails is offered again.
        """
        return self._write_of(self._saved if self._writing is None else self._writing)

    def _write_of(self, known: Mapping[str, Any]) -> Callable[[], None] | None:
        path = self._path
        if path is None or self._values == known:
            return None
        values = self._writing = dict(self._values)
        self._turn += 1
        turn = self._turn

        def write() -> None:
            with self._lock:
                if turn < self._written:  # a later one was faster
                    return
                mine = {name: value for name, value in values.items() if value != self._saved.get(name)}
                try:
                    update_json(path, lambda stored: {**stored, **mine})  # another window may have set others
                    self._written, self._saved = turn, values
                finally:
                    if self._writing is values:
                        self._writing = None

        return write

    def _read(self) -> dict[str, Any]:
        stored = read_json(self._path) if self._path is not None else {}
        return {name: value for name, value in stored.items() if name in DEFAULTS}


def _usable(name: str, value: Any) -> Any:
    default = DEFAULTS[name]
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        return default
    check = _CHECKS.get(name)
    return value if check is None or check(value) else default
