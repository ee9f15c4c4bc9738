"""`python -m drawbar.bundled` -> the recipe's stages (see ``commands``); a library that is missing is one line."""

import sys

from drawbar.one_line import run


def main() -> int:
    """Nothing is imported before there is something to catch its failure."""

    def stages() -> None:
        from drawbar.bundled.commands import main as commands

        commands()

    return run(stages)


if __name__ == "__main__":
    sys.exit(main())
