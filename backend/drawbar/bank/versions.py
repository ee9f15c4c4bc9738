"""A published bank -> its next version: a copy that is written, checked and put in its place as a whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drawbar.bank.checks import verify
from drawbar.bank.database import Database
from drawbar.bank.sharing import copy_bank
from drawbar.bank.store import DATABASE, Bank
from drawbar.files.atomic_write import replace_folder
from drawbar.files.scratch import ScratchFolder


@contextmanager
def next_version(folder: Path) -> Iterator[Bank]:
    """Open a copy of the bank for writing; at the end of the block it takes the bank's place.

    After an error, or a kill, the bank is what it was. A published bank is published again. Raises BankError.
    """
    with Bank.open(folder) as bank:
        published = bank.published
    with ScratchFolder(folder.parent) as beside:
        copy = beside / "bank"
        copy_bank(folder, copy, folder)
        database = Database(copy / DATABASE)
        try:
            with database.atomic():
                database.run("DELETE FROM meta WHERE name = 'published'")
        finally:
            database.close()
        with Bank.open(copy, writable=True, edits=beside) as fresh:
            yield fresh
            fresh.finish()
            if published:
                fresh.publish()
        compact = beside / "compact"
        copy_bank(copy, compact, folder)
        for path in folder.iterdir():  # what is no part of a bank stays with it
            if not (compact / path.name).exists() and path.is_file() and not path.name.startswith(DATABASE):
                shutil.copyfile(path, compact / path.name)
        verify(compact)
        replace_folder(compact, folder)
