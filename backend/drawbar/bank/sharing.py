"""A finished bank -> a published copy without the examples that may not be shared."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drawbar.bank.bundle import export_bank
from drawbar.bank.database import Database
from drawbar.bank.licences import may_share, normal_licence
from drawbar.bank.records import Example
from drawbar.bank.store import DATABASE, DIRECTIONS, EXAMPLES, Bank
from drawbar.files.disk_errors import writing
from drawbar.files.scratch import ScratchFolder


@dataclass(frozen=True)
class Packed:
    """What was packed."""

    path: Path
    bank_licence: str
    """Of the bank: what the model's weights pass on."""
    kept: dict[str, int]
    """Licence -> examples that went in."""
    left_out: dict[str, int]
    """Licence -> examples that may not be shared."""

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size


def pack_bank(folder: Path, target: Path) -> Packed:
    """Pack the bank in ``folder`` -> ``target``, for others; the bank itself is not touched.

    The copy inside is published: whoever installs it cannot write to it. Raises BankError, BadInputError.
    """
    kept: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    with (
        Bank.open(folder) as bank,
        ScratchFolder(target.parent) as beside,
    ):
        copy = beside / "bank"
        copy_bank(folder, copy, target)
        if not bank.published:
            with Bank.open(copy, writable=True, edits=beside) as fresh:
                if (folder / EXAMPLES).is_file():
                    fresh.write_examples(_shareable(bank, kept, left_out))
                fresh.publish()
        export_bank(copy, target)
        licence = bank.info.licence
    return Packed(target, licence, dict(kept), dict(left_out))


def copy_bank(folder: Path, copy: Path, named: Path | None = None) -> None:
    """The database compacted, so that equal banks give equal files; the directions as they are.

    ``named`` is what an error of the disk names, where the copy lies in a scratch folder. Raises BankError, DiskError.
    """
    copy.mkdir()
    named = copy if named is None else named
    database = Database(folder / DATABASE, writable=False)
    try:
        database.compact_into(copy / DATABASE, named)
    finally:
        database.close()
    for name in (DIRECTIONS, EXAMPLES):
        if (folder / name).is_file():
            with writing(named, copy / name):
                shutil.copyfile(folder / name, copy / name)


def _shareable(bank: Bank, kept: Counter[str], left_out: Counter[str]) -> Iterator[tuple[str, Example]]:
    for row in bank.search(limit=bank.count() + 1, sort="id"):
        for example in bank.examples(row.id):
            licence = normal_licence(example.licence) or "unknown"
            if may_share(example.licence):
                kept[licence] += 1
                yield row.id, example
            else:
                left_out[licence] += 1
