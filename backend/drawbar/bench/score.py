"""Sizes -> time and peak memory of scoring all features of several layers, in a process of its own.

Synthetic activations, as the pairs stage leaves them: profile with examples, AUROC against every concept on both
splits, nearest neighbours.
"""

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drawbar.bench.clips import Progress
from drawbar.corpus import CONCEPTS
from drawbar.errors import BadInputError, DrawbarError
from drawbar.features import make_profile, nearest_by_cosine, score, window_means
from drawbar.files.json_object import JsonMapping, JsonObject

GOAL_BYTES = 2 << 30
_WINDOW = 25
_WINDOW_BYTES = 512 << 20  # of the activations of one split, as in the labels stage


@dataclass(frozen=True)
class ScoreSizes:
    """What is scored."""

    features: int = 32_768
    """Per layer."""
    layers: int = 5
    k: int = 100
    width: int = 1024
    """Of the model, for the neighbours."""
    clips: int = 100
    frames: int = 500

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 1 or self.k > self.features:
            raise BadInputError(f"{self}: all at least 1, and k at most features")


def run(sizes: ScoreSizes | None = None, *, progress: Progress | None = None) -> JsonObject:
    """Run it in a fresh process and wait; plain JSON values.

    Raises:
        DrawbarError: the process ended without an answer (out of memory, for one).
    """
    tell = progress or (lambda _what, _share: None)
    cfg = sizes or ScoreSizes()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, cfg, torch.get_num_threads()), daemon=True)
    process.start()
    there.close()
    try:
        while True:
            answer = here.recv()
            if isinstance(answer, dict):
                return answer
            tell(f"layer {answer[0]}: {answer[1]}", answer[2])
    except EOFError:
        process.join()
        raise DrawbarError(
            f"scoring {cfg.features} features x {cfg.layers} layers ended with code {process.exitcode}: "
            "most likely out of memory; try fewer features"
        ) from None
    finally:
        process.join(timeout=10)
        if process.is_alive():
            process.terminate()


class _Synthetic:
    """Clips of pairs, drawn anew whenever they are asked for: a few features often, most rarely."""

    def __init__(self, cfg: ScoreSizes, layer: int) -> None:
        self._cfg, self._layer = cfg, layer
        self.frames: Sequence[int] = [cfg.frames] * cfg.clips

    def pairs(self, clip: int) -> tuple[Tensor, Tensor]:
        """One clip's activations [T, k] and features [T, k], different ones at each frame."""
        cfg = self._cfg
        draw = torch.Generator().manual_seed(self._layer * 1_000_003 + clip)
        first = torch.rand(cfg.frames, 1, generator=draw).square() * cfg.features
        step = torch.randint(1, max(2, cfg.features // cfg.k), (cfg.frames, cfg.k), generator=draw)
        indices = (first.long() + step.cumsum(1)) % cfg.features
        values = torch.rand(cfg.frames, cfg.k, generator=draw) + 0.1
        return values, indices


def _work(pipe: Any, cfg: ScoreSizes, threads: int) -> None:
    torch.set_num_threads(threads)
    before, started = _peak_bytes(), time.perf_counter()
    times: dict[str, float] = {}
    for layer in range(cfg.layers):
        source = _Synthetic(cfg, layer)
        for place, (name, part) in enumerate(
            (("profile", _profile), ("concepts", _concepts), ("neighbours", _neighbours))
        ):
            pipe.send((layer, name, (layer + place / 3) / cfg.layers))
            at = time.perf_counter()
            part(cfg, source)
            times[name] = times.get(name, 0.0) + time.perf_counter() - at
    wall = time.perf_counter() - started
    pipe.send(
        {
            "sizes": asdict(cfg),
            "threads": threads,
            "seconds": times,
            "wall_s": wall,
            "features_per_s": cfg.features * cfg.layers / wall,
            "peak_bytes": _peak_bytes(),
            "before_bytes": before,
            "goal_bytes": GOAL_BYTES,
        }
    )


def _profile(cfg: ScoreSizes, source: _Synthetic) -> None:
    make_profile(source, cfg.features)


def _concepts(cfg: ScoreSizes, source: _Synthetic) -> None:
    per_clip = max(1, cfg.frames // _WINDOW)
    fit = max(2, _WINDOW_BYTES // (4 * cfg.features * per_clip))
    cut = max(1, cfg.clips * 2 // 3)
    sides = []
    for clips in (range(cut)[:fit], range(cut, cfg.clips)[:fit] or range(1)):
        activation = torch.cat(
            [window_means(*source.pairs(c), cfg.features, min(_WINDOW, cfg.frames)) for c in clips]
        )
        truth = torch.rand(len(activation), len(CONCEPTS), generator=torch.Generator().manual_seed(1)) < 0.3
        sides.append((activation, truth))
    score(CONCEPTS, sides[0], sides[1])


def _neighbours(cfg: ScoreSizes, source: _Synthetic) -> None:
    rows_ = torch.randn(cfg.features, cfg.width, generator=torch.Generator().manual_seed(2))
    nearest_by_cosine(rows_, range(cfg.features))


def _peak_bytes() -> int:
    """The most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    sizes, gib = result["sizes"], 1 << 30
    what = f"{sizes['features']} features x {sizes['layers']} layers, {sizes['clips']} clips"
    return [
        (what, f"k {sizes['k']}, {result['threads']} threads", ""),
        *((f"{name}, s", round(seconds, 1), "") for name, seconds in result["seconds"].items()),
        ("in all, s", round(result["wall_s"], 1), ""),
        ("features per second", round(result["features_per_s"]), ""),
        ("peak memory, GiB", round(result["peak_bytes"] / gib, 2), f"<= {result['goal_bytes'] / gib:g}"),
        ("... of which before it began", round(result["before_bytes"] / gib, 2), ""),
    ]
