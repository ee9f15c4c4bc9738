"""A published bank -> its next version: a copy that is written, checked and put in its place as a whole."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drawbar.bank.checks import verify
from drawbar.bank.database import Database
from drawbar.bank.sharing import copy_bank
from drawbar.bank.store import DATABASE, Bank


@contextmanager
def next_version(folder: Path) -> Iterator[Bank]:
    """Open a copy of the bank for writing; at the end of the block it takes the bank's place.

    After an error, or a kill, the bank is what it was. A published bank is published again. Raises BankError.
    """
    with Bank.open(folder) as bank:
        published = bank.published
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        copy, old = Path(beside) / "bank", Path(beside) / "old"
        copy_bank(folder, copy)
        database = Database(copy / DATABASE)
        try:
            with database.atomic():
                database.run("DELETE FROM meta WHERE name = 'published'")
        finally:
            database.close()
        with Bank.open(copy, writable=True, edits=Path(beside)) as fresh:
            yield fresh
            fresh.finish()
            if published:
                fresh.publish()
        compact = Path(beside) / "compact"
        copy_bank(copy, compact)
        for path in folder.iterdir():  # what is no part of a bank stays with it
            if not (compact / path.name).exists() and path.is_file() and not path.name.startswith(DATABASE):
                shutil.copyfile(path, compact / path.name)
        verify(compact)
        folder.rename(old)
        compact.rename(folder)
