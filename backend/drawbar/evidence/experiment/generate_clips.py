"""A plan's missing blocks -> clips, judged and kept; played by several processes, one thread each.

One thread per process, so that a block's values depend on its plan alone and not on who shared the work. Clips are
generated through the same sliders as in the window. Knows nothing of other machines.
"""

import os
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from drawbar.bank import Bank
from drawbar.errors import BadInputError, DrawbarError
from drawbar.evidence.experiment.judges import Judge, find_judges
from drawbar.evidence.experiment.quality_guards import guard_names, guards
from drawbar.evidence.experiment.sources import PassThrough, Sources, load_sources, pass_through, steering_of
from drawbar.evidence.experiment.trials import Block, Condition, Pair, Plan, Trials
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.codec.interface import mono
from drawbar.musicgen.interfaces import Steering

Floats = NDArray[np.float32]
Told = Callable[[int, int, str], None]
"""Clips done, clips in all, and who plays them where that is not this machine; may raise CancelledError."""


@dataclass(frozen=True)
class Stage:
    """What a process needs to play any block of a plan."""

    plan: Plan
    folder: Path
    sources: Path
    model: str
    bank: Path
    guidance: float | None = 3.0
    temperature: float = 1.0
    top_k: int = 250
    branch: str = "conditional"
    """Guidance branches that directions are added to."""
    clap: str = ""
    anchors: Path | None = None
    """CLAP's anchors, a safetensors file."""


@dataclass(frozen=True)
class Supplies:
    """What a stage's files hold: a machine that has them in memory needs none of the files."""

    sources: Sources
    rebuilt: Mapping[int, PassThrough]
    """Layer -> pass-through, for those that the plan asks for."""
    anchors: Mapping[str, Floats] | None

    @classmethod
    def of(cls, stage: Stage) -> "Supplies":
        layers = {c.layer for c in stage.plan.conditions if c.kind == "pass-through"}
        rebuilt: dict[int, PassThrough] = {}
        if layers:
            with Bank.open(stage.bank) as bank:
                rebuilt = {layer: pass_through(bank, layer) for layer in layers}
        anchors = load_file(stage.anchors) if stage.anchors else None
        return cls(load_sources(stage.sources), rebuilt, anchors)


class Player:
    """A model and its judges, ready to play blocks of one stage."""

    def __init__(self, stage: Stage, supplies: Supplies | None = None) -> None:
        self.stage = stage
        self.model = load_model(stage.model, "cpu")
        self._supplies = supplies or Supplies.of(stage)
        self.judges: list[Judge] = find_judges(
            self.model.spec.sample_rate_hz, clap=stage.clap, anchors=self._supplies.anchors
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the values: judges' measures, then guards."""
        judged = [name for judge in self.judges for name in judge.measures]
        return (*judged, *guard_names(self.model.spec.n_q))

    def steering(self, condition: Condition, pair: Pair) -> Steering | None:
        """What steers a clip; None for a twin."""
        had = self._supplies
        return steering_of(condition, had.sources, had.rebuilt, self.model.spec, self.stage.branch)

    def play(self, block: Block) -> tuple[NDArray[np.uint16], Floats]:
        """Generate and judge a block -> tokens ``[B, K, T]``, values ``[B, M]``.

        Measures of a clip that is not finite are NaN; its guard says so.
        """
        stage, plan = self.stage, self.stage.plan
        conditions = [plan.conditions[c] for c, _ in block.cells]
        pairs = [plan.pairs[p] for _, p in block.cells]
        tokens = self.model.generate(
            [pair.prompt for pair in pairs],
            [pair.seed for pair in pairs],
            plan.seconds,
            guidance=stage.guidance,
            temperature=stage.temperature,
            top_k=stage.top_k,
            steering=[self.steering(*cell) for cell in zip(conditions, pairs, strict=True)],
            batch=len(block.cells),
        )
        return tokens.numpy().astype(np.uint16), listen(self.model, self.judges, tokens)


@torch.inference_mode()
def listen(model: Model, judges: Sequence[Judge], tokens: torch.Tensor) -> Floats:
    """Clips ``[B, K, T]`` -> what judges and guards say of them, ``[B, M]``; what judges say of no sound is NaN."""
    audio = np.concatenate(
        [mono(model.codec.decode(row[None]))[:, 0].float().cpu().numpy() for row in tokens]
    )
    finite = np.isfinite(audio).all(1)
    heard = np.where(finite[:, None], audio, np.float32(0))
    judged = np.concatenate([judge.measure(heard, model.spec.sample_rate_hz) for judge in judges], 1)
    judged[~finite] = np.nan
    found: Floats = np.concatenate([judged, guards(model, tokens, audio)], 1).astype(np.float32)
    return found


@dataclass(frozen=True)
class Played:
    """One block as it came back from whoever played it."""

    block: Block
    tokens: NDArray[np.uint16]
    """``[B, K, T]``."""
    values: Floats
    """``[B, M]``."""
    measures: tuple[str, ...]
    threads: int
    note: str = ""
    """Who has played how many so far, where that is not this machine."""


class Players(Protocol):
    """Who plays blocks."""

    @property
    def size(self) -> int:
        """Blocks in work at once."""
        ...

    def play(self, stage: Stage, blocks: Sequence[Block]) -> Generator[Played, None, None]:
        """Each block once, in any order; closing it stops them. Raises DrawbarError for one that cannot be played."""
        ...


@dataclass(frozen=True)
class Processes:
    """Processes of this machine, each with one thread."""

    count: int = 0
    """0: one for each core."""

    @property
    def size(self) -> int:
        return self.count or _cores()

    def play(self, stage: Stage, blocks: Sequence[Block]) -> Generator[Played, None, None]:
        count = min(self.size, len(blocks))
        with ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=_begin, initargs=(stage,)
        ) as pool:
            waiting: set[Future[Played]] = set()
            queue = iter(blocks)
            try:
                while True:
                    while len(waiting) < 2 * count and (block := next(queue, None)) is not None:
                        waiting.add(pool.submit(_work, block))
                    if not waiting:
                        break
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in finished:
                        yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


HERE = Processes()
"""A process for each core."""

_player: Player | None = None


def _begin(stage: Stage) -> None:
    global _player
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    _player = Player(stage)


def _work(block: Block) -> Played:
    assert _player is not None  # the process began with _begin
    return played(_player, block)


def played(player: Player, block: Block) -> Played:
    """Play a block in this process."""
    tokens, values = player.play(block)
    return Played(block, tokens, values, player.measures, torch.get_num_threads())


def play(stage: Stage, *, players: Players = HERE, told: Told | None = None) -> Trials:
    """Play what is missing of a stage -> its trials. Stopping loses at most the blocks in work."""
    trials = Trials(stage.folder, stage.plan)
    missing = trials.missing()
    done = stage.plan.clips - sum(len(block.cells) for block in missing)
    tell = told or (lambda _done, _all, _note: None)
    tell(done, stage.plan.clips, "")
    if not missing:
        return trials
    with closing(players.play(stage, missing)) as coming:
        for one in coming:
            trials.write(one.block, one.tokens, one.values, one.measures, one.threads)
            done += len(one.block.cells)
            tell(done, stage.plan.clips, one.note)
    return trials


def time_block(stage: Stage, *, players: Players = HERE) -> float:
    """Seconds of wall clock that one clip of a stage takes when all players work: measured on one block, here."""
    blocks = list(stage.plan.blocks())
    if not blocks:
        raise BadInputError(f"stage {stage.plan.stage} has nothing to play")
    player = Player(stage)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        small = Block(0, blocks[0].cells[: min(8, len(blocks[0].cells))])
        player.play(small)
        started = time.perf_counter()
        player.play(blocks[0])
        taken = time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)
    return taken / len(blocks[0].cells) / max(1, players.size)


def _cores() -> int:
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if not found:
        raise DrawbarError("the number of cores is unknown: say --processes")
    return found
