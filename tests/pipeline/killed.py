"""A build that is killed with SIGKILL again and again, at points drawn by a seed; arguments: corpus, run, seed.

Every attempt is a process of its own. It dies at a report of progress, or just before or just after a file
gets its final name. The last one lives; then the number of deaths is printed.
"""

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from drawbar.pipeline import build
from tests.pipeline.fakes import FakeModel
from tests.pipeline.test_build import settings

_MOST = 200


class Fuse:
    """Counts moments down and kills its own process at the last."""

    def __init__(self, moments: int) -> None:
        self.left = moments

    def __call__(self, _moment: object = None) -> None:
        """One moment."""
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def fused(fuse: Fuse, rename: Callable[..., Any]) -> Callable[..., Any]:
    """The same renaming, between two moments."""

    def act(*names: Any, **options: Any) -> None:
        fuse()
        rename(*names, **options)
        fuse()

    return act


def attempt(corpus: Path, out: Path, moments: int) -> None:
    """One process's life."""
    fuse = Fuse(moments)
    os.replace, os.rename = fused(fuse, os.replace), fused(fuse, os.rename)
    torch.set_num_threads(1)
    build(settings(corpus, out), fuse, model=FakeModel())


def main(corpus: Path, out: Path, seed: int) -> None:
    """Attempts until one ends by itself."""
    draw = random.Random(seed)
    for deaths in range(_MOST):
        child = os.fork()
        if child == 0:
            attempt(corpus, out, draw.randint(1, 10 + 3 * deaths))
            os._exit(0)
        draw.random()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            continue
        assert os.WEXITSTATUS(status) == 0, status
        print(deaths)
        return
    raise SystemExit(f"still not built after {_MOST} attempts")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
