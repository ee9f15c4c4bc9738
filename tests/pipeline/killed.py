"""A build that is killed with SIGKILL again and again, at points drawn by a seed; arguments: corpus, run, seed, how.

Every attempt is a process of its own. It dies at a report of progress, or just before or just after a file
gets its final name: anywhere ("anywhere"), or in every stage twice, at its first moment and at a later one, or else at
its end ("stages"). The last one lives; then the number of deaths is printed.
"""

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from drawbar.pipeline import build
from drawbar.pipeline.build import STAGES, Run
from tests.pipeline.fakes import FakeModel
from tests.pipeline.test_build import settings

_MOST = 200


class Fuse:
    """Counts moments down and kills its own process at the last."""

    def __init__(self, moments: int, stage: str = "") -> None:
        """Those of any stage, or of one."""
        self.left, self.stage, self.now = moments, stage, ""

    def __call__(self, _moment: object = None) -> None:
        """One moment."""
        if self.stage in ("", self.now):
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """`Run.stage`, with its name known here; the end of the stage is its last moment."""

        def stage(of: Run, name: str, **options: Any) -> Any:
            self.now = name
            found = run(of, name, **options)
            if self.stage == name:
                self.left = 0
            self()
            return found

        return stage


def fused(fuse: Fuse, rename: Callable[..., Any]) -> Callable[..., Any]:
    """The same renaming, between two moments."""

    def act(*names: Any, **options: Any) -> None:
        fuse()
        rename(*names, **options)
        fuse()

    return act


def attempt(corpus: Path, out: Path, fuse: Fuse) -> None:
    """One process's life."""
    os.replace, os.rename = fused(fuse, os.replace), fused(fuse, os.rename)
    Run.stage = fuse.watch(Run.stage)  # type: ignore[method-assign]
    torch.set_num_threads(1)
    build(settings(corpus, out), fuse, model=FakeModel())


def fuses(draw: random.Random, how: str) -> Iterator[Fuse]:
    """One for each attempt; in the end there are none."""
    if how == "anywhere":
        for deaths in range(_MOST):
            yield Fuse(draw.randint(1, 10 + 3 * deaths))
        return
    for stage in STAGES:
        yield Fuse(1, stage)
        yield Fuse(draw.randint(2, 8), stage)
    yield Fuse(1, "none")


def main(corpus: Path, out: Path, seed: int, how: str) -> None:
    """Attempts until one ends by itself."""
    for deaths, fuse in enumerate(fuses(random.Random(seed), how)):
        child = os.fork()
        if child == 0:
            attempt(corpus, out, fuse)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            continue
        assert os.WEXITSTATUS(status) == 0, status
        print(deaths)
        return
    raise SystemExit("still not built when there were no fuses left")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
