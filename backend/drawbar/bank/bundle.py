"""A bank folder -> one ``.drawbank`` file, and back after every member was checked."""

import hashlib
import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drawbar.bank.checks import sha256_of, verify
from drawbar.bank.database import Database
from drawbar.bank.listing import build_listing
from drawbar.bank.migrations import BANK_MIGRATIONS, migrate
from drawbar.bank.records import BankInfo
from drawbar.bank.store import DATABASE, DIRECTIONS, EXAMPLES, Bank
from drawbar.errors import BadInputError, BankError
from drawbar.files.json_object import JsonObject

SUFFIX = ".drawbank"
MAX_BYTES = 16 * 1024**3
"""Unpacked; more is refused."""

_MANIFEST = "manifest.json"
_MEMBERS = (DATABASE, DIRECTIONS, EXAMPLES)
_MAX_MANIFEST_BYTES = 1 << 20
_CHUNK = 1 << 20


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
    unfinished = target.with_name(target.name + ".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(
            _entry(_MANIFEST), json.dumps(_manifest(folder, info, present), indent=1, sort_keys=True)
        )
        for name in present:
            with (
                (folder / name).open("rb") as source,
                archive.open(_entry(name), "w", force_zip64=True) as member,
            ):
                shutil.copyfileobj(source, member, _CHUNK)
    unfinished.replace(target)
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
    try:
        with zipfile.ZipFile(bundle) as archive:
            return _contents(bundle, archive, max_bytes)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise BankError(
            f"{bundle} is not a {SUFFIX} file that can be read ({error}); fetch it again"
        ) from error


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
            contents = _parsed(json.loads(member.read(_MAX_MANIFEST_BYTES)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
        raise BankError(
            f"{bundle}: its {_MANIFEST} cannot be read ({error!r}); it was not unpacked"
        ) from error
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


def _parsed(manifest: JsonObject) -> BundleContents:
    if manifest["drawbank"] != 1:
        raise ValueError(f"format {manifest['drawbank']!r} is not known")
    members = {
        str(name): (int(mark["size"]), str(mark["sha256"])) for name, mark in manifest["members"].items()
    }
    texts = {name: str(manifest[name]) for name in ("name", "model_name", "fingerprint", "licence")}
    return BundleContents(members=members, **texts)


def import_bank(bundle: Path, folder: Path, max_bytes: int = MAX_BYTES) -> Path:
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
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as beside:
        unpacked = Path(beside) / "bank"
        unpacked.mkdir()
        try:
            with zipfile.ZipFile(bundle) as archive:
                for name, (size, digest) in contents.members.items():
                    with archive.open(name) as source, (unpacked / name).open("wb") as target:
                        _copy_checked(f"{bundle}: {name}", source, target, size, digest)
        except (OSError, zipfile.BadZipFile, EOFError) as error:
            raise BankError(f"{bundle} cannot be unpacked ({error}); fetch it again") from error
        _accept(bundle, unpacked, contents)
        unpacked.replace(folder)
    return folder


def _copy_checked(what: str, source: IO[bytes], target: IO[bytes], size: int, digest: str) -> None:
    """Copy at most ``size`` bytes; a member that is longer, shorter or different is refused."""
    seen, left = hashlib.sha256(), size
    while piece := source.read(min(_CHUNK, left + 1)):
        left -= len(piece)
        if left < 0:
            break
        seen.update(piece)
        target.write(piece)
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
