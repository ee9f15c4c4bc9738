"""One file of a Hugging Face repository -> its place in the local cache, with progress, resume and a digest.

A file is written beside its final place, goes on where it stopped, and only gets its name when its digest is right.
Whatever goes wrong is one error with a cure. Knows nothing of models.
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

from huggingface_hub import constants, get_token, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    WeakFileLock,
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

from drawbar.errors import CheckpointError
from drawbar.files.atomic_write import write_text
from drawbar.files.reading import shortened

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all and the file's name; what it raises ends the download, which can go on later."""

_CHUNK = 1 << 18
"""Bytes between two words about progress."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository."""

    name: str
    size: int
    digest: str
    """SHA-256 of a large file, git's SHA-1 of a small one; also its name in the cache."""


def folder_name(name: str) -> str:
    """A repository's folder in the cache. Raises CheckpointError for what is no repository's name."""
    with explained(name):
        return repo_folder_name(repo_id=name, repo_type="model")


def check_disk(name: str, files: list[RemoteFile]) -> None:
    """Raises CheckpointError when what is still missing of these files does not fit on the cache's disk."""
    root = Path(constants.HF_HUB_CACHE)
    nearest = next(path for path in (root, *root.parents) if path.is_dir())
    blobs = root / folder_name(name) / "blobs"
    missing = sum(file.size for file in files if not (blobs / file.digest).is_file())
    free = shutil.disk_usage(nearest).free
    if missing > free:
        raise CheckpointError(
            f"{name} needs {missing / 1e9:.1f} GB on disk, {free / 1e9:.1f} GB are free in {root}: "
            "make room, or set HF_HOME to another disk"
        )


def download(
    name: str, commit: str, file: RemoteFile, progress: Progress | None, before: int, total: int
) -> None:
    """One file into the cache: its bytes first, then the link that gives it its name.

    ``before`` and ``total`` are bytes of the whole download that this file is a part of. Raises CheckpointError.
    """
    store = Path(constants.HF_HUB_CACHE) / folder_name(name)
    blob = store / "blobs" / file.digest
    lock = Path(constants.HF_HUB_CACHE) / ".locks" / store.name / f"{file.digest}.lock"
    tell = progress or (lambda done, all, name: None)
    with explained(name):
        blob.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        if not blob.is_file():
            with WeakFileLock(lock):
                partial = blob.with_name(f"{file.digest}.drawbar.incomplete")
                _continue(name, commit, file, partial, lambda done: tell(before + done, total, file.name))
                _check_digest(name, file, partial)
                partial.replace(blob)
        tell(before + file.size, total, file.name)
        hf_hub_download(name, file.name, revision=commit)


def point_at(name: str, revision: str, commit: str) -> None:
    """What ``main`` (or another branch or tag) is from now on, for every program that shares the cache."""
    with explained(name):
        write_text(Path(constants.HF_HUB_CACHE) / folder_name(name) / "refs" / revision, commit)


def _continue(name: str, commit: str, file: RemoteFile, partial: Path, tell: Callable[[int], None]) -> None:
    """Appends what is still missing of a file; a connection that breaks is made again as long as bytes come."""
    while True:
        before = partial.stat().st_size if partial.is_file() else 0
        try:
            _append(name, commit, file, partial, tell)
            return
        except _network_error() as error:
            if isinstance(error, HfHubHTTPError) or partial.stat().st_size <= before:
                raise


def _append(name: str, commit: str, file: RemoteFile, partial: Path, tell: Callable[[int], None]) -> None:
    url = hf_hub_url(name, file.name, revision=commit)
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
def explained(name: str) -> Iterator[None]:
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
    except RevisionNotFoundError as error:
        raise CheckpointError(
            f"{name} has no such revision on {constants.ENDPOINT}: give a commit, a branch or a tag behind the @"
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"there is no model {name} on {constants.ENDPOINT}, or it is private: "
            f"check the name, or run `hf auth login`, then {get}"
        ) from error
    except ImportError as error:  # the HTTP library knows no SOCKS by itself
        raise CheckpointError(
            f"{name} cannot be asked for through this proxy ({without_secrets(str(error))}): "
            "run `pip install socksio`, or unset ALL_PROXY and HTTPS_PROXY"
        ) from error
    except (_network_error(), OSError, ValueError) as error:
        if isinstance(error, ValueError) and "proxy" not in str(error).lower():
            raise
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
        reason = without_secrets((str(error).splitlines() or [type(error).__name__])[0])
        raise CheckpointError(
            f"{name} is not on this machine and cannot be downloaded from {constants.ENDPOINT} ({reason}): run {get} "
            "where there is a network (it goes on where it stopped), or give the path of its folder"
        ) from error


def without_secrets(text: str) -> str:
    """A message without the names and passwords that a URL in it carries, and without the user's token."""
    token = get_token()
    text = text.replace(token, "***") if token else text
    return shortened(re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text), 300)


def _network_error() -> type[Exception]:
    """What huggingface_hub's HTTP library raises, whichever it is."""
    base: Any = HfHubHTTPError.__mro__[1]
    return base if issubclass(base, Exception) else OSError
