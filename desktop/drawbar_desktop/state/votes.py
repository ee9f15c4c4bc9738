"""Thumbs up and down on labels -> a small file per user; no labeller's score is ever touched by them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drawbar_desktop.state.json_files import read_json, update_json
from drawbar_desktop.state.observable import Event


class Votes:
    """One vote (-1, 0, 1) a label of a feature."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` None keeps them in memory."""
        self._path = path
        stored = read_json(path) if path is not None else {}
        self._votes = _votes(stored)
        self.changed: Event[[str]] = Event()

    def of(self, feature: str, author: str, text: str) -> int:
        return self._votes.get(_key(feature, author, text), 0)

    def vote(self, feature: str, author: str, text: str, value: int) -> None:
        """Vote; the same again takes it back."""
        key = _key(feature, author, text)
        new = 0 if self._votes.get(key, 0) == value else max(-1, min(value, 1))

        def change(stored: dict[str, Any]) -> dict[str, Any]:
            self._votes = {**_votes(stored), key: new}
            if not new:
                del self._votes[key]
            return self._votes

        if self._path is not None:
            update_json(self._path, change)
        else:
            change(self._votes)
        self.changed.emit(feature)


def _votes(stored: Mapping[str, Any]) -> dict[str, int]:
    return {str(k): 1 if v > 0 else -1 for k, v in stored.items() if isinstance(v, int) and v}


def _key(feature: str, author: str, text: str) -> str:
    return f"{feature}\n{author}\n{text}"
