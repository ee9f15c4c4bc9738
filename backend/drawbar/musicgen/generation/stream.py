"""One running generation -> its frames, with what the observers saw; can go back and be stopped.

A stream is entered with ``with`` and stepped by one thread; ``cancel`` may be called from any. Knows no audio.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.generation.generation import Generation
from drawbar.musicgen.interfaces import Lanes, Observer, SteeringRun


@dataclass(frozen=True, eq=False)
class Frame:
    """20 ms of music."""

    index: int
    """Counted from the start of the take, a prefix included."""
    tokens: Tensor
    """``[K]`` long, on the CPU."""
    twin_tokens: Tensor | None = None
    """``[K]`` of the unsteered twin."""
    apart: bool = True
    """Whether the twin is something else by now: until a slider acts, it is the take itself."""
    observed: dict[str, Tensor] = field(default_factory=dict)
    """Observer's name -> what it made of this frame's residuals (those at position ``index + 1``)."""
    amounts: dict[str, float] = field(default_factory=dict)
    """The sliders as applied (ramps included) at the position that decides this frame's first codebook."""


class Stream:
    """Frames of one take. ``for frame in stream`` inside ``with model.stream(...) as stream``."""

    def __init__(
        self,
        begin: Callable[[], tuple[Generation, SteeringRun | None]],
        observers: Sequence[Observer] = (),
        twin: bool = False,
    ) -> None:
        self._begin = begin
        self._observers = tuple(observers)
        self._twin = twin
        self._generation: Generation | None = None
        self._run: SteeringRun | None = None
        self._cancelled = threading.Event()
        self._entered = False
        self._next = 0
        self._first = 0
        self._kept: dict[tuple[int, int], int] = {}
        self._observed: dict[int, dict[str, Tensor]] = {}
        self._amounts: dict[int, dict[str, float]] = {}

    def __enter__(self) -> Self:
        if self._entered:
            raise BadInputError("this stream was entered before: ask the model for a new one")
        self._entered = True
        self._generation, self._run = self._begin()
        self._next = self._first = self._generation.position
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._generation is not None:
            self._kept = self._generation.kept
        self._generation = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        """The next frame. Raises NotFiniteError; ends when the take is complete or cancelled."""
        generation = self._open
        index = self._next
        end = generation.settings.frames
        if self._cancelled.is_set() or (end is not None and index >= end):
            raise StopIteration
        lag = max(generation.spec.max_delay, 1 if self._observers else 0)
        while generation.position <= index + lag:
            position = generation.position
            generation.step()
            self._note(position)
        self._next += 1
        tokens = generation.tokens(index, 1)[..., 0]
        return Frame(
            index,
            tokens[0],
            tokens[-1] if self._twin else None,
            generation.apart,
            self._observed.pop(index + 1, {}),
            self._amounts.pop(index, {}),
        )

    @property
    def next_frame(self) -> int:
        """The index of the frame that comes next."""
        return self._next

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancelled.is_set()

    @property
    def recorded(self) -> Lanes | None:
        """The steering as it was applied: as automation it replays to the same tokens. None without steering."""
        if self._run is None:
            return None
        return self._run.recorded.keeping(self._kept if self._generation is None else self._generation.kept)

    def rewind(self, frame: int) -> None:
        """Goes back so that ``frame`` comes next; earlier frames stay as they are, later entries are decided again.

        Without a change in between the same tokens come again. Raises BadInputError for a frame that has not been
        given yet, or one of the prefix.
        """
        generation = self._open
        if not self._first <= frame <= self._next:
            raise BadInputError(
                f"cannot go back to frame {frame}: only {self._first}..{self._next} can be decided again"
            )
        generation.rewind(frame)
        self._next = frame
        for notes in (self._observed, self._amounts):
            for position in [p for p in notes if p >= frame]:
                del notes[position]

    def nudge(self) -> int:
        """Draws the next second a little hotter, to leave a loop -> the position it begins at, for a replay."""
        generation = self._open
        generation.nudges.append(generation.position)
        return generation.position

    def cancel(self) -> None:
        """Ends the iteration before the next frame; may be called from any thread."""
        self._cancelled.set()

    @property
    def _open(self) -> Generation:
        if self._generation is None:
            raise BadInputError("the stream is not open: use it inside `with model.stream(...) as stream:`")
        return self._generation

    def _note(self, position: int) -> None:
        if self._run is not None:
            self._amounts[position] = dict(self._run.amounts())
        if self._observers and position > self._first:
            assert self._generation is not None
            watch = self._generation.watch
            self._observed[position] = {
                observer.name: observer.observe({layer: watch[layer][0] for layer in observer.layers})
                for observer in self._observers
            }
