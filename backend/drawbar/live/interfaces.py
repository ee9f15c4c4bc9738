"""What playing needs of a model -> protocols, so that the engine runs with any model that can stream.

`drawbar.musicgen.load_model` returns a `PlayableModel`; tests bring a small one of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from torch import Tensor


class PlayableFrame(Protocol):
    """One finished frame (`drawbar.musicgen.Frame`)."""

    @property
    def index(self) -> int:
        """Counted from the start of the take."""
        ...

    @property
    def tokens(self) -> Tensor:
        """``[K]``."""
        ...

    @property
    def twin_tokens(self) -> Tensor | None:
        """``[K]`` of the unsteered twin."""
        ...

    @property
    def observed(self) -> Mapping[str, Tensor]:
        """Observer's name -> what it saw."""
        ...


class PlayableStream(Protocol):
    """A take that is being generated, frame by frame."""

    @property
    def recorded(self) -> Any:
        """The steering as it was applied."""
        ...

    def __next__(self) -> PlayableFrame: ...
    def rewind(self, frame: int) -> Any:
        """Goes back so that ``frame`` comes next."""
        ...


class PlayableCodecStream(Protocol):
    """An incremental codec decoder."""

    def push(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, t]`` -> the samples they complete."""
        ...

    def flush(self) -> Tensor:
        """The samples still owed."""
        ...

    def snapshot(self) -> object:
        """The state as it stands."""
        ...

    def restore(self, state: Any) -> None:
        """Goes back to a snapshot."""
        ...


class PlayableCodec(Protocol):
    """A codec that decodes frame by frame."""

    @property
    def look_ahead(self) -> int:
        """Later frames that a frame's samples need."""
        ...

    def stream(self, batch: int = 1) -> PlayableCodecStream:
        """A fresh run."""
        ...


class PlayableModel(Protocol):
    """A loaded model."""

    @property
    def spec(self) -> Any:
        """Sizes and rates."""
        ...

    @property
    def fingerprint(self) -> str:
        """The site."""
        ...

    @property
    def codec(self) -> Any:
        """Tokens to audio."""
        ...

    def stream(self, *args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
        """A fresh run."""
        ...
