"""The URL of a run in an object store <-> a local copy of what is needed: stages appear there whole, with digests.

Files of a stage are put one by one, each whole or not there (an object store's own promise; on a file system by a
rename). ``published.json`` comes last and lists them with SHA-256: a stage without one is not there yet.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol, cast

from drawbar.errors import BadInputError, CheckpointError, DiskError, MissingDependencyError
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value
from drawbar.paths import user_dir
from drawbar.pipeline.manifest import KEY, MANIFEST

PUBLISHED = "published.json"
SCHEMES = ("s3", "gs", "file")


class FileSystem(Protocol):
    """What of fsspec's file systems is used."""

    def find(self, path: str) -> list[str]: ...
    def exists(self, path: str) -> bool: ...
    def get_file(self, remote: str, local: str) -> None: ...
    def put_file(self, local: str, remote: str) -> None: ...
    def cat_file(self, path: str) -> bytes: ...
    def mv(self, source: str, target: str) -> None: ...
    def rm_file(self, path: str) -> None: ...
    def makedirs(self, path: str, exist_ok: bool = False) -> None: ...
    def invalidate_cache(self) -> None: ...


def is_url(text: str) -> bool:
    """Whether this names a place that fsspec opens, and not a folder."""
    return "://" in text


def scratch(url: str, given: str = "") -> Path:
    """Where this machine keeps its copy."""
    root = Path(given) if given else user_dir() / "cluster"
    return root / hashlib.sha256(url.encode()).hexdigest()[:16]


@lru_cache(maxsize=4)
def open_storage(url: str) -> "Storage":
    """Raises BadInputError for a scheme that is not one of SCHEMES, MissingDependencyError without its library."""
    scheme, _, place = url.partition("://")
    if scheme not in SCHEMES or not place.strip("/"):
        raise BadInputError(f"run {url!r}: write {', '.join(f'{s}://...' for s in SCHEMES)} or a folder")
    try:
        import fsspec

        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingDependencyError(
            f"{url}: {error}; install the extra: pip install 'drawbar[cluster]' (gs:// wants gcsfs besides)"
        ) from error
    return Storage(cast(FileSystem, system), str(root).rstrip("/"), renames=scheme == "file")


class Storage:
    """One run in an object store."""

    def __init__(self, system: FileSystem, root: str, *, renames: bool) -> None:
        self._system, self._root, self._renames = system, root, renames

    def names(self, folder: str = "") -> list[str]:
        """Every file, inside the run."""
        self._system.invalidate_cache()
        found = self._system.find(self._at(folder) if folder else self._root)
        return sorted(str(path).removeprefix(self._root).lstrip("/") for path in found)

    def has(self, name: str) -> bool:
        self._system.invalidate_cache()
        return self._system.exists(self._at(name))

    def read(self, name: str) -> bytes:
        return self._system.cat_file(self._at(name))

    def publish(self, folder: Path, names: Iterable[str]) -> None:
        """Put files, in order. Raises DiskError."""
        for name in names:
            target = self._at(name)
            part = f"{target}.{secrets.token_hex(8)}.tmp" if self._renames else target
            try:
                if self._renames:
                    self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._system.put_file(str(folder / name), part)
                if self._renames:
                    self._system.mv(part, target)
            except OSError as error:
                raise DiskError(f"{name} cannot be put into {self._root}: {error}") from error

    def fetch(self, folder: Path, names: Iterable[str]) -> None:
        """Get what is not there yet; a name that ends with ``?`` may be absent. Raises DiskError."""
        for name in names:
            wanted = name.removesuffix("?")
            path = folder / wanted
            if path.is_file():
                continue
            try:
                with atomic(path) as temporary:
                    self._system.get_file(self._at(wanted), str(temporary))
            except FileNotFoundError as error:
                if not name.endswith("?"):
                    raise DiskError(
                        f"{wanted} is not in {self._root}: run the stage that makes it"
                    ) from error
            except OSError as error:
                raise DiskError(f"{wanted} cannot be had from {self._root}: {error}") from error

    def begin(self, folder: Path, stage: str, product: str = "") -> None:
        """A stage begins with a new key: what lies there of another one is removed before its own key is put.

        ``product``: a folder outside of the stage's that belongs to it.
        """
        own = (folder / stage / KEY).read_bytes()
        key = f"{stage}/{KEY}"
        if self.has(key) and self.read(key) == own:
            return
        stale = self.names(stage) + (self.names(product) if product else [])
        for name in sorted(stale, key=lambda name: name not in (f"{stage}/{PUBLISHED}", key)):
            self._system.rm_file(self._at(name))
        self.publish(folder, [key])

    def finish(self, folder: Path, stage: str, outputs: Sequence[str], product: str = "") -> None:
        """Publish a finished stage: what is missing of its outputs, then the list of them with their digests."""
        self.begin(folder, stage, product)
        made = sorted(path for path in (folder / product).rglob("*") if path.is_file()) if product else []
        wanted = [f"{stage}/{name}" for name in outputs] + [str(path.relative_to(folder)) for path in made]
        last, key = f"{stage}/{PUBLISHED}", f"{stage}/{KEY}"
        there = set(self.names(stage)) | (set(self.names(product)) if product else set())
        if last in there:
            return
        listing = {name: sha256(folder / name) for name in [*wanted, f"{stage}/{MANIFEST}", key]}
        self.publish(folder, [name for name in wanted if name not in there])
        self.publish(folder, [f"{stage}/{MANIFEST}"])
        with atomic(folder / last) as temporary:
            temporary.write_text(json.dumps(listing, indent=1, sort_keys=True))
        self.publish(folder, [last])
        for name in there - listing.keys():
            self._system.rm_file(self._at(name))

    def restore(self, folder: Path) -> None:
        """Get a run as far as it is: finished stages, checked; and the parts of those that were begun.

        Raises CheckpointError for a file whose digest is not the published one.
        """
        names = self.names()
        self.fetch(folder, names)
        for name in names:
            if name.endswith(f"/{PUBLISHED}"):
                listing: Mapping[str, str] = json_value((folder / name).read_text("utf-8"))
                stale = [file for file, digest in listing.items() if sha256(folder / file) != digest]
                for file in stale:  # of an earlier run on this machine
                    (folder / file).unlink()
                self.fetch(folder, stale)
                for file in stale:
                    if sha256(folder / file) != listing[file]:
                        raise CheckpointError(
                            f"{file} in {self._root} is not what {PUBLISHED} there says: delete its stage and run again"
                        )

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


def sha256(path: Path) -> str:
    """Of a file, block by block."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
