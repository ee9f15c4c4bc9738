"""What ended a program -> one line and an exit code; None for a fault of our own, whose traceback is needed.

Nothing that may be missing is imported here, so that a program can say what is.
"""

import sys
from collections.abc import Callable

from drawbar.errors import CancelledError, DrawbarError
from drawbar.files.disk_errors import disk_error
from drawbar.native_packages import explain


def one_line(error: BaseException) -> tuple[str, int] | None:
    """For errors that a user can cause: Drawbar's own, the disk's, a package that is not there or does not load."""
    if isinstance(error, (CancelledError, KeyboardInterrupt)):
        return "stopped", 130
    if isinstance(error, DrawbarError):
        return f"drawbar: {' '.join(str(error).split())}", 1
    trouble = explain(error) or (disk_error(error) if isinstance(error, Exception) else None)
    return None if trouble is None else (f"drawbar: {' '.join(str(trouble).split())}", 1)


def run(program: Callable[[], object]) -> int:
    """Run a program that imports what it needs itself -> its exit code; what a user can cause ends in one line."""
    try:
        program()
    except (Exception, KeyboardInterrupt) as error:
        ending = one_line(error)
        if ending is None:
            raise
        sys.stderr.write(ending[0] + "\n")
        return ending[1]
    return 0
