"""A Hugging Face name -> a folder on this machine: from the local cache, or downloaded with progress and resume.

Downloads go into the cache that every Hugging Face program shares. Knows nothing of what the files hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from drawbar.errors import CheckpointError
from drawbar.files.reading import shortened
from drawbar.musicgen.checkpoint.audiocraft_layout import CODEC_FILE, STATE_FILE, references
from drawbar.musicgen.checkpoint.download import (
    Progress,
    RemoteFile,
    check_disk,
    download,
    explained,
    folder_name,
    point_at,
)
from drawbar.musicgen.untrusted_files import weight_files

_HF_EXTRAS = (
    "README.md",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
_AUDIOCRAFT = (STATE_FILE, CODEC_FILE)
_SHARD = r"-\d{5}-of-\d{5}"
_REVISION = r"[\w.-]{1,100}"
_COMMIT = r"[0-9a-f]{40}"


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
        if "-nc" in self.name:
            return (
                f"{self.name}: no commercial use, name the authors; the notice goes with what the model makes"
            )
        return self.name or "no licence named: ask its authors"


@dataclass(frozen=True)
class Listing:
    """A repository as the Hub has it now."""

    name: str
    commit: str
    licence: Licence
    files: tuple[RemoteFile, ...]
    revision: str = "main"
    """What was asked for: a commit, a branch or a tag."""


def cached(name: str) -> Path | None:
    """The newest snapshot of a repository in the local cache that has all a model needs; None without one.

    ``name`` may end in ``@REVISION``, as everywhere here: a commit, a branch or a tag. Only that one counts then.
    """
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


def _named(name: str) -> tuple[str, str]:
    """``owner/name[@REVISION]`` -> the repository and the revision. Raises CheckpointError."""
    repository, at, revision = name.partition("@")
    if at and (not re.fullmatch(_REVISION, revision) or revision.strip(".") == ""):
        raise CheckpointError(
            f"{shortened(revision)!r} is no revision of {repository}: give a commit, a branch or a tag behind the @"
        )
    return repository, revision or "main"


def listing(name: str) -> Listing:
    """Asks the Hub what a repository holds. Raises CheckpointError that says why it cannot and what to do."""
    repository, revision = _named(name)
    with explained(name):
        validate_repo_id(repository)
        found = HfApi().model_info(
            repository, revision=None if revision == "main" else revision, files_metadata=True
        )
    files = []
    for entry in found.siblings or []:
        digest = entry.lfs.sha256 if entry.lfs is not None else entry.blob_id
        if digest:
            files.append(RemoteFile(entry.rfilename, int(entry.size or 0), str(digest)))
    tags = [tag.removeprefix("license:") for tag in found.tags or [] if tag.startswith("license:")]
    return Listing(repository, str(found.sha), Licence(tags[0] if tags else ""), tuple(files), revision)


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
    that released repositories hold. The caller has asked for the licence of ``name``; that of what its files name is
    asked for here. Raises CheckpointError: no network, no such model, a full disk, a damaged file, another licence.
    """
    there = listing(name)
    options = plans(there)
    folder, chosen = _fetch(there, options, progress, layout)
    if chosen == "audiocraft":
        for other in references(folder):
            if cached(other) is None:
                named = listing(other)
                _check_licence(name, there.licence, named)
                _fetch(named, plans(named), progress, "hf")
    return folder


def _check_licence(name: str, accepted: Licence, other: Listing) -> None:
    """A file of ``name`` may name any repository; its licence counts as accepted only where it is free or the same."""
    if not other.licence.free and (not other.licence.name or other.licence.name != accepted.name):
        raise CheckpointError(
            f"{name} names {other.name}, whose licence was not accepted ({other.licence.terms}): read it, run "
            f"`drawbar model get {other.name} --accept-licence`, then this again"
        )


def _fetch(
    there: Listing, options: dict[str, list[RemoteFile]], progress: Progress | None, layout: str | None
) -> tuple[Path, str]:
    """One repository, at the commit that was listed -> its folder and the layout."""
    name = there.name
    if layout is not None and layout not in options:
        raise CheckpointError(f"{name} is not there in the layout {layout!r}: it has {', '.join(options)}")
    chosen = layout or next(iter(options))
    files = options[chosen]
    check_disk(name, files)
    total, done = sum(file.size for file in files), 0
    for file in files:
        download(name, there.commit, file, progress, done, total)
        done += file.size
    if not re.fullmatch(_COMMIT, there.revision):
        point_at(name, there.revision, there.commit)
    return Path(constants.HF_HUB_CACHE) / folder_name(name) / "snapshots" / there.commit, chosen


def cached_folder(name: str, inside: str, wanted: Sequence[str]) -> Path | None:
    """A folder of a repository in the local cache that has all the files wanted; None without one."""
    folders = (snapshot / inside for snapshot in _snapshots(name))
    return next((folder for folder in folders if all((folder / file).is_file() for file in wanted)), None)


def fetch_folder(
    there: Listing, inside: str, wanted: Sequence[str], progress: Progress | None = None
) -> Path:
    """Some files of one folder of a repository -> that folder in the cache. Raises CheckpointError."""
    names = {f"{inside}/{file}" if inside else file: file for file in wanted}
    files = [file for file in there.files if file.name in names]
    missing = names.keys() - {file.name for file in files}
    if missing:
        raise CheckpointError(f"{there.name} lacks {', '.join(sorted(missing))}: ask its authors for it")
    check_disk(there.name, files)
    total, done = sum(file.size for file in files), 0
    for file in files:
        download(there.name, there.commit, file, progress, done, total)
        done += file.size
    return Path(constants.HF_HUB_CACHE) / folder_name(there.name) / "snapshots" / there.commit / inside


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
    """Local snapshots: the one that `main` points at, then the others, newest first; of a revision only its own."""
    repository, revision = _named(name)
    store = Path(constants.HF_HUB_CACHE) / folder_name(repository)
    try:
        commit = (store / "refs" / revision).read_text(encoding="utf-8").strip()
    except OSError:
        commit = revision
    folders = [folder for folder in (store / "snapshots").glob("*") if folder.is_dir()]
    folders.sort(key=lambda folder: (folder.name == commit, folder.stat().st_mtime), reverse=True)
    yield from (folder for folder in folders if revision == "main" or folder.name == commit)


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
