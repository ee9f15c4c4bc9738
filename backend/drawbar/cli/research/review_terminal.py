"""A review, its clips and keys -> the queue worked through in a terminal."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.cli.blind_terminal import keys
from drawbar.cli.output import say
from drawbar.research.horizon.review import KEYS, Review
from drawbar.research.horizon.review_clips import clip_path, in_turn, read_clips

_HELP = (
    "space both   1 first   2 second   s stop   |   y yes   x exact   t transposed   v varied   n no   "
    "a ambiguous   r reject   |   o note   u undo   q quit"
)


class _Sound:
    """Plays, or says where the clips are."""

    def __init__(self, *, silent: bool) -> None:
        from drawbar.corpus import SAMPLE_RATE_HZ
        from drawbar.live import NullOutput, Player, open_output

        self._player: Player | None = None
        if not silent:
            output = open_output(None, SAMPLE_RATE_HZ)
            if isinstance(output, NullOutput):
                say(
                    f"nothing can be played here ({output.reason or 'no sound device'}): the clips' files are named"
                )
            else:
                self._player = Player(lambda: output)

    def play(self, sound: NDArray[np.float32], *files: Path) -> None:
        if self._player is None:
            say("   " + "   ".join(str(file) for file in files))
        else:
            self._player.play(sound)

    def stop(self) -> None:
        if self._player is not None:
            self._player.stop()

    def close(self) -> None:
        if self._player is not None:
            self._player.close()


def work(review: Review, folder: Path, *, silent: bool = False) -> None:
    """Until every proposal is decided, or q; everything decided is kept either way."""
    say(f"{review.decided} of {len(review.queue)} decided by {review.reviewer}")
    say(_HELP)
    with keys() as key, closing(_Sound(silent=silent)) as sound:
        try:
            while _one(review, folder, sound, key):
                pass
        except (EOFError, KeyboardInterrupt):
            pass
    say(f"\n{review.decided} of {len(review.queue)} decided; they are kept")


def _one(review: Review, folder: Path, sound: _Sound, key: Callable[[], str]) -> bool:
    """Show one proposal until it is decided or taken back (True), or the reviewer quits (False)."""
    row = review.current
    if row is None:
        say("\nEvery proposal is decided. u: take the last one back; q: done")
        pressed = key().lower()
        if pressed == "u":
            review.undo()
        return pressed not in ("q", "\r", "\n")
    clips = read_clips(folder, row)
    files = clip_path(folder, row, "motif"), clip_path(folder, row, "recurrence")
    say(
        f"\n{review.number} of {len(review.queue)}   {row.track}   "
        f"{row.motif.start_s:.1f} to {row.motif.end_s:.1f} s, and {row.recurrence.start_s:.1f} to "
        f"{row.recurrence.end_s:.1f} s: is one motif heard in both?"
    )
    note = ""
    while True:
        pressed = key().lower()
        if pressed == " ":
            sound.play(in_turn(clips), *files)
        elif pressed in ("1", "2"):
            which = int(pressed) - 1
            sound.play(clips[which], files[which])
        elif pressed == "s":
            sound.stop()
        elif pressed == "o":
            note = _typed(key)
        elif pressed == "u":
            sound.stop()
            if review.undo() is None:
                say("   nothing to take back yet")
                continue
            return True
        elif pressed == "q":
            return False
        elif pressed in KEYS:
            sound.stop()
            answer, kind = KEYS[pressed]
            review.decide(answer, kind, note)
            say(f"   {answer}{', ' + kind if kind else ''}{': ' + note if note else ''}")
            return True


def _typed(key: Callable[[], str]) -> str:
    """A line of text, key by key."""
    say("   note, then Return:")
    text = ""
    while (pressed := key()) not in ("\r", "\n"):
        text = text[:-1] if pressed in ("\x7f", "\b") else text + pressed
    say(f"   {text}")
    return text
