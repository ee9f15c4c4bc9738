"""Arguments -> the window (none), the driven window, its bench, its pictures, the review, or the command line."""

import sys
from collections.abc import Sequence
from pathlib import Path

from drawbar.one_line import one_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code. What a user can cause is one line, not a traceback."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except Exception as error:
        ending = one_line(error)
        if ending is None:
            raise
        sys.stderr.write(ending[0] + "\n")
        return ending[1]


def _run(given: list[str]) -> int:
    if not given:
        return _window(None)
    if len(given) == 1 and Path(given[0]).suffix and Path(given[0]).is_file():
        return _window(None, Path(given[0]))
    if given[0] == "--smoke-test":
        if len(given) != 2:
            sys.stderr.write(
                "drawbar --smoke-test takes one file name, for example: drawbar --smoke-test shot.png\n"
            )
            return 2
        return _window(Path(given[1]))
    if given[:2] == ["bench", "window"]:
        from drawbar_desktop.devtools.bench_window import main as bench_window

        return bench_window(given[2:])
    if given[:2] == ["pictures", "guide"]:
        from drawbar_desktop.devtools.guide_pictures import main as pictures

        return pictures(given[2:])
    if given[:2] == ["review", "window"]:
        from drawbar_desktop.review.app import main as reviewing

        return reviewing(given[2:])
    if given[:2] == ["pictures", "looks"]:
        from drawbar_desktop.devtools.theme_pictures import main as looks

        return looks(given[2:])
    from drawbar.cli import main as command_line

    return int(command_line(given) or 0)


def _window(shot: Path | None, file: Path | None = None) -> int:
    from drawbar_desktop.services.display import why_no_window

    why = why_no_window()
    if why is not None:
        sys.stderr.write(why + "\n")
        return 1
    if sys.platform == "win32":
        import torch  # noqa: F401  (torch's DLLs fail to load after Qt's)
    if shot is not None:
        from drawbar_desktop.devtools.smoke import smoke_test

        return smoke_test(shot)
    from drawbar_desktop.app import run

    return run(file=file)


if __name__ == "__main__":
    sys.exit(main())
