"""``self:N`` -> N takes that the model plays to prompts of ours: tokens and no audio, so that no data set is needed.

One take in ten has no prompt. Takes of one batch have one length, and a batch is the same whatever was killed in
between, so that a build that goes on gives the same tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor

from drawbar.corpus.own_prompts import COUNT, prompt
from drawbar.errors import BadInputError
from drawbar.pipeline.inputs.tracks import Excerpt, Track, split_of
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.settings import BuildSettings

BATCH = 16
"""Takes that are played together: rounding may depend on it, so it is fixed."""
_UNPROMPTED = 10
"""One take in so many has no prompt."""
_LENGTHS = (1.0, 1 / 3, 2 / 3)
"""Of the batches in turn, in shares of the longest take."""
_VERSION = 1


class Player(Protocol):
    """The part of a model that plays."""

    def generate(
        self,
        prompts: Sequence[str | None],
        seeds: Sequence[int],
        seconds: float,
        *,
        guidance: float | None,
        batch: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor: ...


class OwnTakes:
    """A corpus that the model plays itself."""

    concepts: tuple[str, ...] = ()

    def __init__(self, settings: BuildSettings, takes: int) -> None:
        self._longest_s, self._first_seed = settings.piece_s, settings.first_seed
        self.guidance = settings.guidance
        lines = [self._prompt(number) for number in range(takes)]
        self.tracks = [
            Track(f"self-{n:05d}", settings.licence, split_of(f"self-{n:05d}", settings.held_out), line or "")
            for n, line in enumerate(lines)
        ]

    @staticmethod
    def _prompt(number: int) -> str | None:
        return None if number % _UNPROMPTED == _UNPROMPTED - 1 else prompt(number % COUNT)

    def key(self) -> object:
        """Prompts, seeds and lengths."""
        return [
            _VERSION, BATCH, self._first_seed, self._longest_s, self.guidance, [track.text for track in self.tracks],
        ]  # fmt: skip

    def seconds(self, track: int) -> float:
        """How long the take will be, before the model's own limit."""
        return round(self._longest_s * _LENGTHS[track // BATCH % len(_LENGTHS)], 2)

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """Takes are played as tokens: see :meth:`play`."""
        raise BadInputError(f"{self.tracks[track].id} is a take of the model: it is played, not read")

    def groups(self) -> list[range]:
        """Tracks that are played together."""
        ends = [*range(0, len(self.tracks), BATCH), len(self.tracks)]
        return [range(a, b) for a, b in pairwise(ends)]

    def play(
        self, group: range, model: BuildModel, told: Callable[[float], None]
    ) -> list[tuple[Track, Excerpt, Tensor]]:
        """The takes of one of the groups; ``told`` hears the share that is done.

        Raises BadInputError for a model that cannot play.
        """
        if not hasattr(model, "generate"):
            raise BadInputError(f"{model.spec.name} cannot play takes: build from audio with it")
        player, spec = cast("Player", model), model.spec
        longest = spec.context_frames / spec.frame_rate_hz
        tokens = player.generate(
            [self._prompt(number) for number in group],
            [self._first_seed + number for number in group],
            min(self.seconds(group.start), longest),
            guidance=self.guidance,
            batch=BATCH,
            progress=lambda done, total: told(done / total),
        )
        samples = tokens.shape[2] * int(model.codec.samples_per_frame)
        return [
            (
                self.tracks[n],
                Excerpt(self.tracks[n].id, np.zeros(0, np.float32), samples=samples),
                row.to(torch.int64),
            )
            for n, row in zip(group, tokens.cpu(), strict=True)
        ]
