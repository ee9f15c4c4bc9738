"""A stage's folder and the key of all it depends on -> done, to be continued, or to be made anew.

The key holds the inputs' digests, the configuration and the stage's version. A folder whose key has
changed is emptied; one that was cut short keeps what it has, and the stage goes on from there.
"""

import hashlib
import json
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import clear_temporary, write_json
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value

MANIFEST = "manifest.json"
KEY = "key.json"
SETTINGS = "settings.json"

State = Literal["done", "continue", "run"]
"""Nothing to do; begun with the same inputs and settings; not begun, or with others."""


@dataclass
class Gate:
    """What stages may do while it is in force."""

    mode: Literal["plan", "need"]
    """``plan``: none runs, each is only noted. ``need``: each must be done already."""
    seen: "list[tuple[Stage, State]]" = field(default_factory=list)


_gate: ContextVar[Gate | None] = ContextVar("gate", default=None)


@contextmanager
def gated(gate: Gate) -> Iterator[Gate]:
    """Put a gate in force for the stages that begin inside."""
    token = _gate.set(gate)
    try:
        yield gate
    finally:
        _gate.reset(token)


def digest(value: object) -> str:
    """SHA-256 of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Stage:
    """One stage's folder."""

    def __init__(
        self, folder: Path, name: str, version: int, key: JsonObject, product: Path | None = None
    ) -> None:
        self.folder = folder
        self.name = name
        self.product = product
        """What the stage puts elsewhere; without it the stage is not done."""
        self.key: JsonObject = {"stage": name, "version": version, **key}
        self.digest = digest(self.key)

    def state(self) -> State:
        there = self.product is None or self.product.exists()
        if there and self._read(MANIFEST).get("digest") == self.digest and self._outputs_there():
            return "done"
        return "continue" if self._read(KEY).get("digest") == self.digest else "run"

    def begin(self) -> bool:
        """Whether there is work to do; the folder is then ready for it.

        Raises BadInputError for a folder with other people's files, or where a gate needs the stage done.
        """
        state, gate = self.state(), _gate.get()
        if gate is not None:
            gate.seen.append((self, state))
            if gate.mode == "need" and state != "done":
                raise BadInputError(
                    f"stage {self.name} in {self.folder} is not finished: run it first, or leave out --only"
                )
            return False
        if state == "done":
            return False
        if state == "run":
            self._clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_temporary(self.folder)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        write_json(self.folder / KEY, {"digest": self.digest, "key": self.key})
        return True

    def keep_settings(self, settings: JsonObject) -> None:
        """Save the stage's settings beside its output."""
        write_json(self.folder / SETTINGS, settings)

    def finish(self, outputs: Iterable[Path], **facts: object) -> None:
        """Everything is written: list it with sizes, and say with what it was made."""
        sizes = {str(path.relative_to(self.folder)): path.stat().st_size for path in outputs}
        manifest = {
            "digest": self.digest,
            "key": self.key,
            "outputs": sizes,
            "versions": _versions(),
            "facts": facts,
        }
        write_json(self.folder / MANIFEST, manifest)

    def facts(self) -> JsonObject:
        """What the stage noted when it finished."""
        facts: JsonObject = self._read(MANIFEST).get("facts", {})
        return facts

    def outputs(self, suffix: str = "") -> list[Path]:
        names = sorted(self._read(MANIFEST).get("outputs", {}))
        return [self.folder / name for name in names if name.endswith(suffix)]

    def _outputs_there(self) -> bool:
        sizes = self._read(MANIFEST).get("outputs", {})
        return all(
            (self.folder / name).is_file() and (self.folder / name).stat().st_size == size
            for name, size in sizes.items()
        )

    def _clear(self) -> None:
        """Empty the folder, but never one that this class did not make.

        It is renamed before it is deleted: a kill in between leaves no folder that looks like somebody's own.
        """
        stale = self.folder.with_name(f".{self.folder.name}.stale")
        shutil.rmtree(stale, ignore_errors=True)
        if not self.folder.exists():
            return
        clear_temporary(self.folder)
        names = {path.name for path in self.folder.iterdir()}
        if names and KEY not in names:
            raise BadInputError(
                f"{self.folder} holds files that no build made; choose another folder for the run"
            )
        self.folder.rename(stale)
        shutil.rmtree(stale)

    def _read(self, name: str) -> JsonObject:
        try:
            value = json_value((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("torch", "numpy", "safetensors", "soundfile", "soxr", "drawbar"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
