"""A blind session, its clips and keys -> the test in a terminal: question, clips to play, answers, undo.

Without a sound device the clips are written as WAV files whose names say trial and letter only.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drawbar.cli.output import say, status
from drawbar.files.atomic_write import atomic
from drawbar.listening_test.clips import ClipMaker
from drawbar.listening_test.plan import Trial
from drawbar.listening_test.session import BlindSession

if TYPE_CHECKING:
    from drawbar.live import Output

Floats = NDArray[np.float32]


@contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """A function that waits for one key, without Return; nothing typed between two calls is lost.

    Where input is no terminal it gives the first character of a line (an empty line is Return). The function raises
    EOFError when the input ends, KeyboardInterrupt for Ctrl-C.
    """
    if not sys.stdin.isatty():
        yield _piped
    elif os.name == "nt":
        import msvcrt

        yield lambda: str(msvcrt.getwch())  # type: ignore[attr-defined,unused-ignore]
    else:
        import termios
        import tty

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)
        try:
            yield lambda: _typed(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _piped() -> str:
    text = sys.stdin.readline()
    if not text:
        raise EOFError
    return text.strip()[:1] or "\r"


def _typed(terminal: int) -> str:
    typed = os.read(terminal, 1)
    if typed in (b"", b"\x04"):
        raise EOFError
    return typed.decode(errors="replace")


class Speaker:
    """Plays clips, or writes them where nothing can be played."""

    def __init__(self, rate_hz: int, folder: Path, *, files: bool) -> None:
        from drawbar.live import NullOutput, Player, open_output

        self._rate, self._folder = rate_hz, folder
        self._player: Player | None = None
        self._unused: Output | None = None
        self.reason = "asked for"
        if not files:
            output = open_output(None, rate_hz)
            if isinstance(output, NullOutput):
                self.reason = output.reason or "no sound device"
            else:
                self._unused, self._player = output, Player(self._taken)

    @property
    def plays(self) -> bool:
        return self._player is not None

    def offer(self, trial: Trial, clips: list[Floats]) -> None:
        """Write a trial's clips, where they cannot be played."""
        if self._player is None:
            import soundfile

            self._folder.mkdir(parents=True, exist_ok=True)
            for letter, clip in zip(trial.letters, clips, strict=True):
                with atomic(self.path(trial, letter)) as part:
                    soundfile.write(part, clip, self._rate, format="WAV", subtype="PCM_16")

    def path(self, trial: Trial, letter: str) -> Path:
        return self._folder / f"trial-{trial.number + 1:02d}-{letter}.wav"

    def play(self, clip: Floats) -> None:
        """From the beginning; what plays is cut off."""
        if self._player is not None:
            self._player.play(clip)

    def stop(self) -> None:
        if self._player is not None:
            self._player.stop()

    def close(self) -> None:
        if self._player is not None:
            self._player.close()
        if self._unused is not None:
            self._unused.close()

    def _taken(self) -> "Output":
        """The player opens the device with its first sound and closes it itself."""
        output, self._unused = self._unused, None
        assert output is not None  # the player asks once
        return output


def listen(
    session: BlindSession,
    maker: ClipMaker,
    wav: Path | None = None,
    *,
    resume: str = "",
) -> None:
    """Run a session until it is finished or the listener quits; what was answered is kept either way."""
    folder = wav or session.path.with_name(f"{session.path.stem}-clips")
    speaker = Speaker(maker.rate_hz, folder, files=wav is not None)
    say(f"session {session.path}, commitment to the key: {session.commitment[:16]}")
    if not speaker.plays:
        say(f"nothing can be played here ({speaker.reason}): the clips are written to {folder}")
    kept = f"answers are kept; go on with: {resume}"
    with keys() as key, closing(_Desk(session, maker, speaker, key)) as desk, closing(speaker):
        try:
            ended = desk.run()
        except (EOFError, KeyboardInterrupt):
            ended = False
        if not ended:
            say(f"\n{session.answered} of {len(session.trials)} {kept}")


class _Desk:
    """The trial on the screen; the next one's clips are made while this one is listened to."""

    def __init__(
        self, session: BlindSession, maker: ClipMaker, speaker: Speaker, key: Callable[[], str]
    ) -> None:
        self._session, self._maker, self._speaker, self._key = session, maker, speaker, key
        self._worker = ThreadPoolExecutor(1)
        self._clips: dict[int, Future[list[Floats]]] = {}

    def close(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)

    def run(self) -> bool:
        """Until the end (True) or q (False)."""
        while True:
            trial = self._session.current
            if trial is None:
                say(
                    "\nEvery trial is answered. Return: the result; u: take the last answer back; q: keep it for later"
                )
                pressed = self._key().lower()
                if pressed in ("\r", "\n"):
                    self._session.finish()
                    return True
                if pressed == "u":
                    self._session.undo()
                elif pressed == "q":
                    return False
            elif not self._one(trial):
                return False

    def _one(self, trial: Trial) -> bool:
        """One trial, until it is answered or taken back (True) or the listener quits (False)."""
        clips = self._ready(trial)
        letters = trial.letters
        say(f"\n{trial.number + 1} of {len(self._session.trials)}   {trial.question}")
        say(f"   {self._offered(trial)}   1 to {len(letters)} answer   u undo   q quit and keep")
        plays: dict[str, int] = {}
        began = time.monotonic()
        while True:
            pressed = self._key().lower()
            if pressed == "q":
                return False
            if pressed == "u":
                if self._session.answered:
                    self._speaker.stop()
                    self._session.undo()
                    return True
                say("   nothing to take back yet")
            elif pressed in ("s", " "):
                self._speaker.stop()
            elif pressed and pressed in letters.lower():
                letter = pressed.upper()
                plays[letter] = plays.get(letter, 0) + 1
                if self._speaker.plays:
                    say(f"   {letter}")
                    self._speaker.play(clips[letters.index(letter)])
                else:
                    say(f"   {self._speaker.path(trial, letter)}")
            elif pressed.isdigit() and 1 <= int(pressed) <= len(letters):
                self._speaker.stop()
                letter = letters[int(pressed) - 1]
                self._session.answer(letter, plays, time.monotonic() - began)
                say(f"   answered {letter}")
                return True

    def _offered(self, trial: Trial) -> str:
        first, last = trial.letters[0], trial.letters[-1]
        if self._speaker.plays:
            return f"{first.lower()} to {last.lower()} play   s stop"
        return f"{self._speaker.path(trial, first)} to {last}.wav"

    def _ready(self, trial: Trial) -> list[Floats]:
        """A trial's clips, and those of the next one under way."""
        made = self._make(trial)
        if not made.done():
            with status("making the clips"):
                made.exception()
        clips = made.result()
        self._speaker.offer(trial, clips)
        following = self._session.trials[trial.number + 1 : trial.number + 2]
        for coming in following:
            self._make(coming)
        wanted = {trial.number - 1, trial.number, trial.number + 1}
        self._clips = {number: made for number, made in self._clips.items() if number in wanted}
        return clips

    def _make(self, trial: Trial) -> "Future[list[Floats]]":
        if trial.number not in self._clips:
            self._clips[trial.number] = self._worker.submit(self._maker.clips, trial)
        return self._clips[trial.number]
