"""Tokens of a take and of its twin -> the samples of both; the twin's own from where it is something else.

Until then the twin is the take itself, and is not decoded. Knows no threads.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from drawbar.musicgen.codec.interface import Codec, CodecStream

Sounds = tuple[Tensor, Tensor | None]
"""The samples ``[C, m]`` of the take, and of its twin where that is something else."""


class Decoding:
    """One take's codec streams: one, one of two signals, or from a frame in mid-take two."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._take: CodecStream | None = None
        self._twin: CodecStream | None = None
        self._pair = False

    def push(self, tokens: Tensor, twin: Tensor | None = None) -> Sounds:
        """One frame ``[K]``, and its twin where that is something else -> the samples that they complete."""
        if self._take is None:
            self._pair = twin is not None
            self._take = self._codec.stream(2 if self._pair else 1)
        if self._pair:
            both = self._take.push(torch.stack([tokens, tokens if twin is None else twin])[..., None])
            return both[0], both[1]
        if twin is not None and self._twin is None:
            self._twin = self._codec.stream()
            self._twin.restore(self._take.snapshot())
        other = tokens if twin is None else twin
        return (
            self._take.push(tokens[None, :, None])[0],
            None if self._twin is None else self._twin.push(other[None, :, None])[0],
        )

    def flush(self) -> Sounds:
        """The samples still owed."""
        if self._take is None:
            return torch.zeros(self._codec.channels, 0), None
        rest = self._take.flush()
        if self._pair:
            return rest[0], rest[1]
        return rest[0], None if self._twin is None else self._twin.flush()[0]

    def snapshot(self) -> object:
        """The state as it stands; cheap."""
        return (
            None if self._take is None else self._take.snapshot(),
            None if self._twin is None else self._twin.snapshot(),
        )

    def restore(self, state: object) -> None:
        """Goes back to a snapshot; one of before the twin was something else forgets it."""
        take, twin = cast(tuple[object, object], state)
        if self._take is not None:
            self._take.restore(take)
        if twin is None:
            self._twin = None
        elif self._twin is not None:
            self._twin.restore(twin)
