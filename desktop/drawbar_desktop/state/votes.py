"""Thumbs up and down on labels -> a small file per user; no labeller's score is ever touched by them."""

from pathlib import Path

from drawbar_desktop.state.json_files import read_json, write_json
from drawbar_desktop.state.observable import Event


class Votes:
    """One vote (-1, 0, 1) a label of a feature."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` None keeps them in memory."""
        self._path = path
        stored = read_json(path) if path is not None else {}
        self._votes = {str(k): 1 if v > 0 else -1 for k, v in stored.items() if isinstance(v, int) and v}
        self.changed: Event[[str]] = Event()

    def of(self, feature: str, author: str, text: str) -> int:
        return self._votes.get(_key(feature, author, text), 0)

    def vote(self, feature: str, author: str, text: str, value: int) -> None:
        """Vote; the same again takes it back."""
        key = _key(feature, author, text)
        if self._votes.get(key, 0) == value or value == 0:
            self._votes.pop(key, None)
        else:
            self._votes[key] = 1 if value > 0 else -1
        if self._path is not None:
            write_json(self._path, self._votes)
        self.changed.emit(feature)


def _key(feature: str, author: str, text: str) -> str:
    return f"{feature}\n{author}\n{text}"
