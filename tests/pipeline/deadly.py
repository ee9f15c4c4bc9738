"""Models and a driver that end their own process, once or at one clip, as a fault or a lack of memory would."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from drawbar.evidence.experiment.trials import Source
from drawbar.pipeline import Progress, run_stages
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.stages import tokens
from tests.pipeline.fakes import FakeCodec, FakeModel


class OnceDeadly(FakeModel):
    """The first of all workers that asks for residuals dies of it; ``raylet``: with the node that it is on."""

    def __init__(self, mark: Path, raylet: int = 0) -> None:
        super().__init__()
        self._mark, self._raylet, self._driver = mark, raylet, os.getpid()

    def residuals(self, tokens: Tensor, *words: object, **options: object) -> dict[int, Tensor]:
        here = os.getppid() == self._raylet if self._raylet else os.getpid() != self._driver
        if here and not self._mark.exists():
            self._mark.touch()
            os.kill(self._raylet or os.getpid(), signal.SIGKILL)
        return super().residuals(tokens, *words, **options)  # type: ignore[arg-type]


class OnceDeadlySources(dict[tuple[str, str], Source]):
    """Directions of which the first that is taken in another process ends it."""

    def __init__(self, mark: Path, sources: Mapping[tuple[str, str], Source]) -> None:
        super().__init__(sources)
        self.mark, self.driver = mark, os.getpid()

    def __getitem__(self, key: tuple[str, str]) -> Source:
        if os.getpid() != self.driver and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(key)


class _PoisonedCodec(FakeCodec):
    def encode(self, audio: Tensor) -> Tensor:
        if float(audio.abs().min()) > 0.9:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().encode(audio)


class Poisoned(FakeModel):
    """Sound that stays above 0.9 ends the process that encodes it."""

    codec = _PoisonedCodec()


@contextmanager
def small_shards() -> Iterator[None]:
    """Five tracks are a shard: what is cut into parts need not be large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_GROUP_TRACKS", 5)
        yield


def main(corpus: Path, out: Path, address: str, stage: str) -> None:
    """A driver that is killed when a stage begins to be done."""
    from dataclasses import replace

    from tests.pipeline.test_build import settings

    def die(moment: Progress) -> None:
        if moment.stage == stage and moment.done:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    run = replace(settings(corpus, out), cluster=ClusterSettings(address=address))
    with small_shards():
        run_stages(run, die, model=FakeModel(), until="residuals")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
