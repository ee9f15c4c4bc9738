"""A bank folder -> one ``.drawbank`` file, and back after every member was checked."""

import hashlib
import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import Field

from drawbar.bank.checks import sha256_of, verify
from drawbar.bank.database import Database
from drawbar.bank.listing import build_listing
from drawbar.bank.migrations import BANK_MIGRATIONS, migrate
from drawbar.bank.records import BankInfo
from drawbar.bank.store import DATABASE, DIRECTIONS, EXAMPLES, Bank
from drawbar.bank.tensors import StoredMark
from drawbar.errors import BadInputError, BankError
from drawbar.files.atomic_write import atomic
from drawbar.files.disk_errors import writing
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import shortened, typed_json
from drawbar.files.scratch import ScratchFolder

SUFFIX = ".drawbank"
MAX_BYTES = 16 * 1024**3
"""Unpacked; more is refused."""

Progress = Callable[[int, int], None]
"""Called with bytes unpacked and bytes in all; what it raises (CancelledError) ends the work and leaves nothing."""

_MANIFEST = "manifest.json"
_MEMBERS = (DATABASE, DIRECTIONS, EXAMPLES)
_MAX_MANIFEST_BYTES = 1 << 20
_CHUNK = 1 << 20


_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error)
"""What reading a damaged archive raises; a password gives RuntimeError, an unknown method the one before."""


@dataclass(frozen=True)
class _Manifest:
    """What the manifest must say; it may say more."""

    drawbank: Literal[1]
    name: Annotated[str, Field(max_length=1000)]
    model_name: Annotated[str, Field(max_length=1000)]
    fingerprint: Annotated[str, Field(pattern="^[0-9a-zA-Z_.-]{0,128}$")]
    licence: Annotated[str, Field(max_length=1000)]
    members: dict[str, StoredMark]


@dataclass(frozen=True)
class BundleContents:
    """What a bundle says it holds; checked against what it does hold when it is unpacked."""

    name: str
    model_name: str
    fingerprint: str
    licence: str
    members: dict[str, tuple[int, str]]
    """File name -> (bytes, SHA-256)."""

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.members.values())


def export_bank(folder: Path, target: Path) -> Path:
    """Pack the finished bank in ``folder`` -> ``target``. The user's own edits stay at home.

    The same bank gives the same bytes. Raises BankError, BadInputError.
    """
    if target.suffix != SUFFIX:
        raise BadInputError(f"{target.name} must end in {SUFFIX}")
    with Bank.open(folder) as bank:
        info = bank.info
    present = [name for name in _MEMBERS if (folder / name).is_file()]
    with (
        atomic(target) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        archive.writestr(
            _entry(_MANIFEST), json.dumps(_manifest(folder, info, present), indent=1, sort_keys=True)
        )
        for name in present:
            with (
                (folder / name).open("rb") as source,
                archive.open(_entry(name), "w", force_zip64=True) as member,
            ):
                shutil.copyfileobj(source, member, _CHUNK)
    return target


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _manifest(folder: Path, info: BankInfo, members: list[str]) -> JsonObject:
    sizes = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)} for name in members
    }
    site = {"model_name": info.model_name, "fingerprint": info.fingerprint, "layers": list(info.layers)}
    return {"drawbank": 1, "name": info.name, "licence": info.licence, **site, "members": sizes}


def read_bundle(bundle: Path, max_bytes: int = MAX_BYTES) -> BundleContents:
    """What a bundle says it holds, without unpacking it. Raises BankError for anything suspicious."""
    with _opened(bundle) as archive:
        return _contents(bundle, archive, max_bytes)


def _contents(bundle: Path, archive: zipfile.ZipFile, max_bytes: int) -> BundleContents:
    entries = {entry.filename: entry for entry in archive.infolist()}
    expected = {_MANIFEST, *_MEMBERS}
    if len(entries) != len(archive.infolist()) or not set(entries) <= expected or DATABASE not in entries:
        odd = sorted(set(entries) - expected)[:3]
        raise BankError(f"{bundle} does not hold what a bank holds (odd: {odd}); it was not unpacked")
    if _MANIFEST not in entries or entries[_MANIFEST].file_size > _MAX_MANIFEST_BYTES:
        raise BankError(f"{bundle} has no {_MANIFEST} of a sensible size; it was not unpacked")
    try:
        with archive.open(_MANIFEST) as member:
            manifest = typed_json(_Manifest, member.read(_MAX_MANIFEST_BYTES))
    except (ValueError, OSError, *_DAMAGED) as error:
        raise BankError(
            f"{bundle}: its {_MANIFEST} cannot be read ({shortened(str(error), 200)}); it was not unpacked"
        ) from error
    contents = BundleContents(
        manifest.name,
        manifest.model_name,
        manifest.fingerprint,
        manifest.licence,
        {name: (mark.size, mark.sha256) for name, mark in manifest.members.items()},
    )
    if set(contents.members) != set(entries) - {_MANIFEST}:
        raise BankError(f"{bundle}: its {_MANIFEST} lists other files than it holds; it was not unpacked")
    if any(entries[name].file_size != size for name, (size, _) in contents.members.items()):
        raise BankError(
            f"{bundle}: its files have other sizes than its {_MANIFEST} says; it was not unpacked"
        )
    if contents.size > max_bytes:
        raise BankError(
            f"{bundle} would unpack to {contents.size} bytes, more than {max_bytes}; raise the limit"
        )
    return contents


def import_bank(
    bundle: Path, folder: Path, max_bytes: int = MAX_BYTES, progress: Progress | None = None
) -> Path:
    """Unpack ``bundle`` into the new ``folder``; nothing is left behind unless every check passes.

    Checked before unpacking: member names, sizes, limits. While unpacking: sizes and digests. Then the
    database's schema and rows and the tensors' shapes; the search index is made anew. Raises BankError.
    """
    if folder.exists():
        raise BankError(f"{folder} exists already; remove it first or choose another folder")
    contents = read_bundle(bundle, max_bytes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder.parent).free < contents.size:
        raise BankError(
            f"{folder.parent} has less room than the {contents.size} bytes of {bundle}; make room"
        )
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, contents.size)

    with ScratchFolder(folder.parent) as beside:
        unpacked = beside / "bank"
        unpacked.mkdir()
        with _opened(bundle) as archive, writing(folder):
            for name, (size, digest) in contents.members.items():
                with (unpacked / name).open("wb") as target:
                    _unpack(f"{bundle}: {name}", archive, name, target, size, digest, tell)
        _accept(bundle, unpacked, contents)
        unpacked.replace(folder)
    return folder


@contextmanager
def _opened(bundle: Path) -> Iterator[zipfile.ZipFile]:
    """Raises BankError for what is no archive, or one whose list of members is damaged."""
    try:
        archive = zipfile.ZipFile(bundle)
    except (*_DAMAGED, OSError, ValueError) as error:
        raise BankError(
            f"{bundle} is not a {SUFFIX} file that can be read ({shortened(str(error), 200)}); fetch it again"
        ) from error
    with archive:
        yield archive


def _unpack(
    what: str,
    archive: zipfile.ZipFile,
    name: str,
    target: IO[bytes],
    size: int,
    digest: str,
    tell: Callable[[int], None],
) -> None:
    """Copy at most ``size`` bytes; a member that is longer, shorter or different is refused."""
    seen, left = hashlib.sha256(), size
    try:
        source = archive.open(name)
    except (*_DAMAGED, OSError) as error:
        raise BankError(
            f"{what} cannot be unpacked ({shortened(str(error), 200)}); fetch it again"
        ) from error
    with source:
        while left >= 0:
            try:
                piece = source.read(min(_CHUNK, left + 1))
            except (*_DAMAGED, OSError) as error:
                raise BankError(
                    f"{what} cannot be unpacked ({shortened(str(error), 200)}); fetch it again"
                ) from error
            if not piece:
                break
            left -= len(piece)
            seen.update(piece)
            target.write(piece)  # outside the block above: a full disk is not the archive's fault
            tell(len(piece))
    if left != 0 or seen.hexdigest() != digest:
        raise BankError(f"{what} is not what its {_MANIFEST} says (size or digest); fetch it again")


def _accept(bundle: Path, unpacked: Path, contents: BundleContents) -> None:
    verify(unpacked)
    with Bank.open(unpacked) as bank:
        if bank.info.fingerprint != contents.fingerprint or bank.info.name != contents.name:
            raise BankError(f"{bundle}: the bank inside is another than its {_MANIFEST} says; fetch it again")
    database = Database(unpacked / DATABASE)
    try:
        migrate(database, BANK_MIGRATIONS)
        build_listing(database)
    finally:
        database.close()
