"""Banks that the user has installed -> where they are; installing, upgrading and removing them.

An upgrade keeps the user's labels, marks and shelves: they follow the directions into the new bank.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drawbar import paths
from drawbar.bank.bundle import Progress, import_bank, read_bundle
from drawbar.bank.edits import UserEdits
from drawbar.bank.records import BankInfo, parse_id
from drawbar.bank.store import DATABASE, DIRECTIONS, Bank
from drawbar.bank.tensors import TensorReader
from drawbar.errors import BadInputError, BankError, DrawbarError
from drawbar.files.atomic_write import put_back, put_back_all, replace_folder
from drawbar.files.lock import Lock
from drawbar.files.scratch import ScratchFolder, clear_abandoned

_WAIT_S = 120.0  # for another installation of the same bank
_SAME = 0.9  # cosine above which a direction of the new bank is the old one


@dataclass(frozen=True)
class Installed:
    """One installed bank."""

    name: str
    """Of its folder, and what commands call it by."""
    folder: Path
    info: BankInfo
    features: int
    bytes: int
    published: bool


@dataclass(frozen=True)
class Carried:
    """What became of the user's edits in an upgrade."""

    moved: int
    """Features whose edits went over."""
    left: tuple[str, ...]
    """Features without a counterpart; their edits stay in the old file."""


def installed_banks(root: Path | None = None) -> list[Installed]:
    """Every bank that can be opened, by name; what is damaged is left out (``verify`` says why)."""
    root = paths.installed_banks_dir() if root is None else root
    found = []
    put_back_all(root)
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.name.startswith(".") or not (folder / DATABASE).is_file():
            continue
        try:
            with Bank.open(folder) as bank:
                size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
                found.append(Installed(folder.name, folder, bank.info, bank.count(), size, bank.published))
        except DrawbarError:
            continue
    return found


def find_bank(name: str | Path, root: Path | None = None) -> Path:
    """``"embedded"``, a folder with a bank, or the name of an installed one -> its folder. Raises BankError."""
    if str(name) == "embedded":
        return paths.embedded_bank_dir()
    if (Path(name) / DATABASE).is_file():
        return Path(name)
    root = paths.installed_banks_dir() if root is None else root
    put_back_all(root)
    if re.fullmatch(r"\w[\w.-]*", str(name)) and (root / str(name) / DATABASE).is_file():
        return root / str(name)
    known = ", ".join(bank.name for bank in installed_banks(root)) or "none"
    raise BankError(f"{name} is neither a folder with a bank nor installed (installed: {known})")


def open_bank(name: str | Path = "embedded", root: Path | None = None) -> Bank:
    """``"embedded"``, a folder with a bank, or the name of an installed one -> the bank. Raises BankError."""
    return Bank.open(find_bank(name, root))


def folder_name(info_name: str, fingerprint: str) -> str:
    """The bank's name as a folder, with the start of its model's fingerprint."""
    slug = re.sub(r"[^a-z0-9]+", "-", info_name.casefold()).strip("-")[:48] or "bank"
    return f"{slug}-{fingerprint[:8]}"


def installed_as(bundle: Path, root: Path | None = None) -> Path | None:
    """The folder of the installed bank that ``bundle`` would upgrade (same name and model); None without one.

    Raises BankError for a bundle that cannot be read.
    """
    folder = _place(bundle, root)
    return folder if (folder / DATABASE).is_file() else None


def install_bank(
    bundle: Path,
    root: Path | None = None,
    *,
    edits: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Installed, Carried]:
    """Check and unpack ``bundle``; a bank of the same name and model is upgraded, with the user's edits.

    ``progress`` hears of the bytes unpacked; what it raises (CancelledError) ends the installing. Nothing changes
    unless every check passes. Raises BankError.
    """
    folder = _place(bundle, root)
    root = folder.parent
    root.mkdir(parents=True, exist_ok=True)
    lock = Lock(root / f".{folder.name}.installing-lock", f"installing {bundle.name}", wait_s=_WAIT_S)
    with lock, ScratchFolder(root) as scratch:
        clear_abandoned(root)
        put_back(folder)
        fresh = import_bank(bundle, scratch / folder.name, progress=progress)
        carried = Carried(0, ())
        if (folder / DATABASE).is_file():
            with Bank.open(folder, edits=edits) as old, Bank.open(fresh, edits=edits) as new:
                carried = carry_edits(old, new)
        replace_folder(fresh, folder)
        with Bank.open(folder, edits=edits) as bank:
            size = sum(file.stat().st_size for file in folder.iterdir())
            return Installed(folder.name, folder, bank.info, bank.count(), size, bank.published), carried


def _place(bundle: Path, root: Path | None) -> Path:
    contents = read_bundle(bundle)
    root = paths.installed_banks_dir() if root is None else root
    return root / folder_name(contents.name, contents.fingerprint)


def remove_bank(name: str, root: Path | None = None) -> Path:
    """Delete an installed bank; the user's edits of it stay. Raises BankError for what is not installed."""
    root = paths.installed_banks_dir() if root is None else root
    folder = root / name
    if not re.fullmatch(r"\w[\w.-]*", name) or not (folder / DATABASE).is_file():
        known = ", ".join(bank.name for bank in installed_banks(root)) or "none"
        raise BankError(f"{name[:80]!r} is not installed (installed: {known})")
    (folder / DATABASE).unlink()  # first: killed after it, nothing is listed that is not whole
    shutil.rmtree(folder)
    return folder


def carry_edits(old: Bank, new: Bank) -> Carried:
    """Bring the user's edits of one bank over to another of the same model, feature by feature.

    A feature's counterpart is the direction of the same layer with a cosine of 0.9 or more. Raises
    BadInputError for banks of different models.
    """
    if old.info.fingerprint != new.info.fingerprint:
        raise BadInputError(f"{old.info.name} and {new.info.name} belong to different models")
    if old.edits_path == new.edits_path:
        return Carried(0, ())
    mine = UserEdits(old.edits_path)
    mine.refresh()
    touched = sorted({*mine.labels, *(f for ids in (mine.marks | mine.shelves).values() for f in ids)})
    if not touched:
        return Carried(0, ())
    counterpart = _counterparts(old.folder, new.folder, touched)
    target = UserEdits(new.edits_path)
    for feature, other in counterpart.items():
        for text, author in reversed(mine.labels.get(feature, [])):
            target.add_label(other, text, author)
        for mark, ids in mine.marks.items():
            if feature in ids:
                target.mark(other, mark, True)
        for shelf, ids in mine.shelves.items():
            if feature in ids:
                target.shelve(other, shelf, True)
    mine.close()
    target.close()
    return Carried(len(counterpart), tuple(f for f in touched if f not in counterpart))


def _counterparts(old: Path, new: Path, features: list[str]) -> dict[str, str]:
    if not (old / DIRECTIONS).is_file() or not (new / DIRECTIONS).is_file():
        return {}
    before, after = TensorReader(old / DIRECTIONS), TensorReader(new / DIRECTIONS)
    found: dict[str, str] = {}
    for layer in sorted({parse_id(feature)[0] for feature in features}):
        if f"{layer}.index" not in before.shapes() or f"{layer}.index" not in after.shapes():
            continue
        known = {int(index): row for row, index in enumerate(before.all(f"{layer}.index"))}
        theirs = after.all(f"{layer}.W_dec").astype(np.float32)
        numbers = after.all(f"{layer}.index")
        for feature in features:
            row = known.get(parse_id(feature)[1]) if parse_id(feature)[0] == layer else None
            if row is None or not len(theirs):
                continue
            cosines = theirs @ before.take(f"{layer}.W_dec", [row])[0].astype(np.float32)
            best = int(cosines.argmax())
            if cosines[best] >= _SAME:
                found[feature] = f"{layer}/{int(numbers[best])}"
    return found
