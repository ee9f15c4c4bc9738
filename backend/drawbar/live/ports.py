"""What playing needs of a model -> protocols, so that the engine runs with any model that can stream.

`drawbar.musicgen.load_model` returns a `PlayableModel`; tests bring a small one of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from torch import Tensor

__all__ = ["PlayableCodec", "PlayableCodecStream", "PlayableFrame", "PlayableModel", "PlayableStream"]


class PlayableFrame(Protocol):
    """One finished frame (`drawbar.musicgen.Frame`)."""

    @property
    def index(self) -> int: ...
    @property
    def tokens(self) -> Tensor: ...
    @property
    def twin_tokens(self) -> Tensor | None: ...
    @property
    def observed(self) -> Mapping[str, Tensor]: ...


class PlayableStream(Protocol):
    """A take that is being generated, frame by frame."""

    @property
    def recorded(self) -> Any: ...
    def __next__(self) -> PlayableFrame: ...
    def rewind(self, frame: int) -> Any: ...


class PlayableCodecStream(Protocol):
    """An incremental codec decoder."""

    def push(self, tokens: Tensor) -> Tensor: ...
    def flush(self) -> Tensor: ...
    def snapshot(self) -> object: ...
    def restore(self, state: Any) -> None: ...


class PlayableCodec(Protocol):
    """A codec that decodes frame by frame."""

    @property
    def look_ahead(self) -> int: ...
    def stream(self, batch: int = 1) -> PlayableCodecStream: ...


class PlayableModel(Protocol):
    """A loaded model."""

    @property
    def spec(self) -> Any: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def codec(self) -> Any: ...
    def stream(self, *args: Any, **kwargs: Any) -> AbstractContextManager[Any]: ...
