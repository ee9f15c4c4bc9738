"""What playing and rendering need of a model -> protocols, so that both run with any model that can stream.

`drawbar.musicgen.load_model` returns a `PlayableModel`; tests bring a small one of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from torch import Tensor

from drawbar.musicgen.codec.interface import Codec
from drawbar.musicgen.generation.stream import Frame
from drawbar.musicgen.interfaces import Lanes, Observer, SitedModel, Steering
from drawbar.prompts import PromptPart


class FrameStream(Protocol):
    """A take that is being generated, frame by frame; entered with ``with``, once."""

    @property
    def recorded(self) -> Lanes | None:
        """The steering as it was applied; None without steering."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Self: ...

    def __next__(self) -> Frame: ...


class RewindableStream(FrameStream, Protocol):
    """The same, which can go back."""

    def rewind(self, frame: int) -> None:
        """Goes back so that ``frame`` comes next."""
        ...

    def nudge(self) -> int:
        """Draws the next second a little hotter -> the position it begins at."""
        ...


class RenderModel(SitedModel, Protocol):
    """A loaded model that gives takes from beginning to end."""

    @property
    def codec(self) -> Codec: ...

    def stream(
        self,
        prompt: str | None = None,
        *,
        seed: int = 0,
        guidance: float | None = 3.0,
        temperature: float = 1.0,
        top_k: int = 250,
        seconds: float | None = None,
        steering: Steering | None = None,
        prefix: Tensor | None = None,
        automation: Lanes | None = None,
        twin: bool = False,
        blend: Sequence[PromptPart] = (),
        melody: Sequence[int] = (),
        nudges: Sequence[int] = (),
    ) -> FrameStream: ...


@runtime_checkable
class PlayableModel(RenderModel, Protocol):
    """A loaded model that can be played: watched while it generates, continued, and taken back."""

    def stream(
        self,
        prompt: str | None = None,
        *,
        seed: int = 0,
        guidance: float | None = 3.0,
        temperature: float = 1.0,
        top_k: int = 250,
        seconds: float | None = None,
        steering: Steering | None = None,
        prefix: Tensor | None = None,
        automation: Lanes | None = None,
        observers: Sequence[Observer] = (),
        twin: bool = False,
        blend: Sequence[PromptPart] = (),
        melody: Sequence[int] = (),
        nudges: Sequence[int] = (),
    ) -> RewindableStream: ...
