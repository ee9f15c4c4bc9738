"""A review's folder and a reviewer's name -> the review window, with the device that plays the clips.

drawbar review window FOLDER --as NAME
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drawbar_desktop.review.view import ReviewWindow


def main(arguments: Sequence[str]) -> int:
    """Open the window and stay until it is closed; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="drawbar review window", description="Work through a queue of proposals."
    )
    parser.add_argument("folder", type=Path, help="The review's folder: `drawbar review queue`.")
    parser.add_argument("--as", dest="name", required=True, help="Your name.")
    given = parser.parse_args(list(arguments))
    from drawbar.errors import DrawbarError
    from drawbar_desktop.services.display import why_no_window

    why = why_no_window()
    if why is not None:
        sys.stderr.write(why + "\n")
        return 1
    from drawbar_desktop.app import make_application

    application = make_application()
    from drawbar.research.horizon.review import reviewing

    try:
        with reviewing(given.folder, given.name):
            window = review_window(given.folder, given.name)
            window.show()
            return int(application.exec())
    except DrawbarError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def review_window(folder: Path, name: str) -> "ReviewWindow":
    """The window over a folder, not yet shown. Raises BadInputError when it is no review's folder."""
    from drawbar.corpus import SAMPLE_RATE_HZ
    from drawbar.live import NullOutput, Player, open_output
    from drawbar.research.horizon.review import Review
    from drawbar.research.horizon.review_clips import read_clips
    from drawbar_desktop.review.state import ReviewDesk
    from drawbar_desktop.review.view import ReviewWindow

    review = Review(folder, name)
    output = open_output(None, SAMPLE_RATE_HZ)
    player = None if isinstance(output, NullOutput) else Player(lambda: output)
    desk = ReviewDesk(review, lambda row: read_clips(folder, row), player, SAMPLE_RATE_HZ)
    return ReviewWindow(desk, player.close if player is not None else lambda: None)
