"""A Hugging Face name -> a folder on this machine: from the local cache, or downloaded with progress and resume.

Downloads go into the cache that every Hugging Face program shares. A file is written beside its final place, goes on
where it stopped, and only gets its name when its digest is right. Knows nothing of what the files hold.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import (
    WeakFileLock,
    build_hf_headers,
    get_session,
    hf_raise_for_status,
    validate_repo_id,
)

from drawbar.errors import CheckpointError
from drawbar.musicgen.audiocraft_layout import CODEC_FILE, STATE_FILE, references
from drawbar.musicgen.tensorfiles import weight_files

__all__ = [
    "Licence",
    "Listing",
    "Progress",
    "RemoteFile",
    "cached",
    "fetch",
    "find",
    "licence_of",
    "listing",
    "names_in_cache",
    "plans",
]

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all and the file's name; what it raises ends the download, which can go on later."""

_HF_EXTRAS = (
    "README.md",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
_AUDIOCRAFT = (STATE_FILE, CODEC_FILE)
_SHARD = r"-\d{5}-of-\d{5}"
_CHUNK = 1 << 18
"""Bytes between two words about progress."""


@dataclass(frozen=True)
class Licence:
    """Under which terms a model may be used."""

    name: str
    """As the Hub writes it (cc-by-nc-4.0); empty where the model's page names none."""

    @property
    def free(self) -> bool:
        """Whether nobody has to accept anything first: a known licence without restrictions of use."""
        return self.name in ("apache-2.0", "mit", "bsd-3-clause", "bsd-2-clause", "cc0-1.0", "cc-by-4.0")

    @property
    def terms(self) -> str:
        """One line for people."""
        if "-nc" in self.name:
            return (
                f"{self.name}: no commercial use, name the authors; the notice goes with what the model makes"
            )
        return self.name or "no licence named: ask its authors"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository."""

    name: str
    size: int
    digest: str
    """SHA-256 of a large file, git's SHA-1 of a small one; also its name in the cache."""


@dataclass(frozen=True)
class Listing:
    """A repository as the Hub has it now."""

    name: str
    commit: str
    licence: Licence
    files: tuple[RemoteFile, ...]


def cached(name: str) -> Path | None:
    """The newest snapshot of a repository in the local cache that has all a model needs; None without one."""
    return next((folder for folder in _snapshots(name) if _complete(folder)), None)


def find(name: str) -> Path:
    """A folder that is here already; nothing is downloaded. Raises CheckpointError that says how to get it."""
    folder = cached(name)
    if folder is None:
        raise CheckpointError(
            f"{name} is not on this machine: run `drawbar model get {name}` where there is a network"
        )
    return folder


def names_in_cache() -> list[str]:
    """The repositories in the local cache that hold all a model needs, sorted."""
    root = Path(constants.HF_HUB_CACHE)
    names = ["/".join(folder.name.split("--")[1:]) for folder in sorted(root.glob("models--*--*"))]
    return [name for name in names if name.count("/") == 1 and cached(name)]


def licence_of(folder: Path) -> Licence:
    """What the README of a model's folder says in its first lines."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Licence("")
    head = re.match(r"\s*---\s*\n(.*?)\n---", text, re.DOTALL)
    try:
        values = yaml.safe_load(head[1]) if head else None
    except yaml.YAMLError:
        return Licence("")
    named = values.get("license") if isinstance(values, dict) else None
    return Licence(str(named).lower() if isinstance(named, str) else "")


def listing(name: str) -> Listing:
    """Asks the Hub what a repository holds. Raises CheckpointError that says why it cannot and what to do."""
    with _explained(name):
        validate_repo_id(name)
        found = HfApi().model_info(name, files_metadata=True)
    files = []
    for entry in found.siblings or []:
        digest = entry.lfs.sha256 if entry.lfs is not None else entry.blob_id
        if digest:
            files.append(RemoteFile(entry.rfilename, int(entry.size or 0), str(digest)))
    tags = [tag.removeprefix("license:") for tag in found.tags or [] if tag.startswith("license:")]
    return Listing(name, str(found.sha), Licence(tags[0] if tags else ""), tuple(files))


def plans(there: Listing) -> dict[str, list[RemoteFile]]:
    """Which files to download, by layout (``hf``, ``audiocraft``), the better one first.

    Safetensors before pickles, then the smaller download. Raises CheckpointError where there is neither layout.
    """
    files = {file.name: file for file in there.files}
    readme = [files["README.md"]] if "README.md" in files else []
    options: list[tuple[tuple[bool, int], str, list[RemoteFile]]] = []
    weights = _hf_weights(list(files))
    if "config.json" in files and weights:
        chosen = [files[name] for name in (*_HF_EXTRAS, *weights) if name in files]
        pickles = not weights[-1].endswith(".safetensors")
        options.append(((pickles, sum(file.size for file in chosen)), "hf", chosen))
    if all(name in files for name in _AUDIOCRAFT):
        chosen = [*readme, *(files[name] for name in _AUDIOCRAFT)]
        options.append(((True, sum(file.size for file in chosen)), "audiocraft", chosen))
    if not options:
        raise CheckpointError(
            f"{there.name} holds neither config.json with weights nor {STATE_FILE}: it is no model that loads here"
        )
    return {layout: chosen for _, layout, chosen in sorted(options, key=lambda option: option[0])}


def fetch(name: str, progress: Progress | None = None, layout: str | None = None) -> Path:
    """Downloads a model and whatever it names (T5, a codec) -> its folder in the cache.

    What is there already is not downloaded again, and what was cut off goes on. ``layout`` chooses between the two
    that released repositories hold. Raises CheckpointError: no network, no such model, a full disk, a damaged file.
    """
    there = listing(name)
    options = plans(there)
    if layout is not None and layout not in options:
        raise CheckpointError(f"{name} is not there in the layout {layout!r}: it has {', '.join(options)}")
    chosen = layout or next(iter(options))
    files = options[chosen]
    _check_disk(name, files)
    total, done = sum(file.size for file in files), 0
    for file in files:
        _download(there, file, progress, done, total)
        done += file.size
    folder = Path(constants.HF_HUB_CACHE) / _folder(name) / "snapshots" / there.commit
    if chosen == "audiocraft":
        for other in references(folder):
            if cached(other) is None:
                fetch(other, progress)
    return folder


def _hf_weights(names: list[str]) -> list[str]:
    """The index (if any) and the weight files of the Hugging Face layout, safetensors before pickles."""
    for stem, suffix in (("model", ".safetensors"), ("pytorch_model", ".bin")):
        whole, index = f"{stem}{suffix}", f"{stem}{suffix}.index.json"
        if whole in names:
            return [whole]
        shards = sorted(name for name in names if re.fullmatch(f"{stem}{_SHARD}{re.escape(suffix)}", name))
        if index in names and shards:
            return [index, *shards]
    return []


def _snapshots(name: str) -> Iterator[Path]:
    """Local snapshots: the one that `main` points at, then the others, newest first."""
    store = Path(constants.HF_HUB_CACHE) / _folder(name)
    try:
        main = (store / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        main = ""
    folders = [folder for folder in (store / "snapshots").glob("*") if folder.is_dir()]
    folders.sort(key=lambda folder: (folder.name == main, folder.stat().st_mtime), reverse=True)
    yield from folders


def _complete(folder: Path) -> bool:
    if all((folder / name).is_file() for name in _AUDIOCRAFT):
        return True
    if not (folder / "config.json").is_file():
        return False
    try:
        files = weight_files(folder)
    except CheckpointError:
        return False
    return bool(files) and all(file.is_file() for file in files)


def _folder(name: str) -> str:
    with _explained(name):
        return repo_folder_name(repo_id=name, repo_type="model")


def _check_disk(name: str, files: list[RemoteFile]) -> None:
    root = Path(constants.HF_HUB_CACHE)
    nearest = next(path for path in (root, *root.parents) if path.is_dir())
    blobs = root / _folder(name) / "blobs"
    missing = sum(file.size for file in files if not (blobs / file.digest).is_file())
    free = shutil.disk_usage(nearest).free
    if missing > free:
        raise CheckpointError(
            f"{name} needs {missing / 1e9:.1f} GB on disk, {free / 1e9:.1f} GB are free in {root}: "
            "make room, or set HF_HOME to another disk"
        )


def _download(there: Listing, file: RemoteFile, progress: Progress | None, before: int, total: int) -> None:
    """One file into the cache: its bytes first, then the link that gives it its name."""
    store = Path(constants.HF_HUB_CACHE) / _folder(there.name)
    blob = store / "blobs" / file.digest
    lock = Path(constants.HF_HUB_CACHE) / ".locks" / store.name / f"{file.digest}.lock"
    tell = progress or (lambda done, all, name: None)
    with _explained(there.name):
        blob.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        if not blob.is_file():
            with WeakFileLock(lock):
                partial = blob.with_name(f"{file.digest}.drawbar.incomplete")
                _continue(there, file, partial, lambda done: tell(before + done, total, file.name))
                _check_digest(there.name, file, partial)
                partial.replace(blob)
        tell(before + file.size, total, file.name)
        hf_hub_download(there.name, file.name, revision="main")


def _continue(there: Listing, file: RemoteFile, partial: Path, tell: Callable[[int], None]) -> None:
    """Appends what is still missing of a file; a connection that breaks is made again as long as bytes come."""
    while True:
        before = partial.stat().st_size if partial.is_file() else 0
        try:
            _append(there, file, partial, tell)
            return
        except _network_error() as error:
            if isinstance(error, HfHubHTTPError) or partial.stat().st_size <= before:
                raise


def _append(there: Listing, file: RemoteFile, partial: Path, tell: Callable[[int], None]) -> None:
    url = hf_hub_url(there.name, file.name, revision=there.commit)
    with partial.open("ab") as opened:
        if opened.tell() > file.size:
            opened.truncate(0)
        start = opened.seek(0, 2)
        tell(start)
        if start == file.size:
            return
        wanted = {"Range": f"bytes={start}-"} if start else {}
        headers = {**build_hf_headers(library_name="drawbar"), "Accept-Encoding": "identity", **wanted}
        with get_session().stream(
            "GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
        ) as response:
            hf_raise_for_status(response)
            if response.status_code != 206 and start:
                start = opened.truncate(0)
            for part in response.iter_bytes(_CHUNK):
                opened.write(part)
                start += len(part)
                tell(start)
        opened.flush()
        if start != file.size:
            raise OSError(f"{file.name} has {start} bytes instead of {file.size}")


def _check_digest(name: str, file: RemoteFile, path: Path) -> None:
    large = len(file.digest) == 64
    digest = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with path.open("rb") as opened:
        while part := opened.read(_CHUNK):
            digest.update(part)
    if digest.hexdigest() != file.digest:
        path.unlink()
        raise CheckpointError(
            f"{file.name} of {name} arrived damaged and was thrown away: run the same command again"
        )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Whatever the Hub, the network or the disk says -> one CheckpointError with a cure."""
    get = f"`drawbar model get {name}`"
    try:
        yield
    except HFValidationError as error:
        raise CheckpointError(
            f"{name!r} is no Hugging Face name: write it like facebook/musicgen-small"
        ) from error
    except OfflineModeIsEnabled as error:
        raise CheckpointError(
            f"{name} is not on this machine, and HF_HUB_OFFLINE forbids asking for it: run {get} without "
            "HF_HUB_OFFLINE, or where there is a network, or give the path of its folder"
        ) from error
    except GatedRepoError as error:
        raise CheckpointError(
            f"{name} is only given to people who accepted its terms: accept them at {constants.ENDPOINT}/{name}, "
            f"run `hf auth login`, then {get}"
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"there is no model {name} on {constants.ENDPOINT}, or it is private: "
            f"check the name, or run `hf auth login`, then {get}"
        ) from error
    except (_network_error(), OSError) as error:
        if isinstance(error, OSError) and error.errno in (
            errno.ENOSPC,
            errno.EACCES,
            errno.EROFS,
            errno.EDQUOT,
        ):
            raise CheckpointError(
                f"{name} cannot be stored in {constants.HF_HUB_CACHE} ({error.strerror}): make room there, "
                "or set HF_HOME to a folder on another disk"
            ) from error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{name} is not on this machine and cannot be downloaded from {constants.ENDPOINT} ({reason}): run {get} "
            "where there is a network (it goes on where it stopped), or give the path of its folder"
        ) from error


def _network_error() -> type[Exception]:
    """What huggingface_hub's HTTP library raises, whichever it is."""
    base: Any = HfHubHTTPError.__mro__[1]
    return base if issubclass(base, Exception) else OSError
