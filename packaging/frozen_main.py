"""Arguments -> Drawbar, from inside the frozen app: what PyInstaller starts instead of the console script."""

import multiprocessing
import os
import sys
from pathlib import Path


def main() -> int:
    """Point at what was packed beside the program, then go on as ever."""
    multiprocessing.freeze_support()
    packed = Path(getattr(sys, "_MEIPASS", Path(__file__).resolve().parents[1]))
    os.environ.setdefault("DRAWBAR_ASSETS", str(packed / "assets"))
    from drawbar_desktop.__main__ import main as drawbar

    return drawbar()


if __name__ == "__main__":
    sys.exit(main())
