"""Composer seeds -> rendered audio, events and per-frame truth on disk, made once and read as memory maps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.bundled.recipe import CorpusSettings
from drawbar.corpus import HELD_OUT_SEED, Piece, annotate, compose, render_audio


class Material:
    """Rendered pieces in a folder: ``SEED.npy`` (int16 ``[N]``), ``SEED.json`` (the piece), ``SEED.concepts.npy``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def seeds(self, *, held_out: bool = False) -> list[int]:
        """The seeds rendered so far, ascending; training or held-out ones."""
        found = sorted(int(p.stem) for p in self.folder.glob("*.npy") if p.stem.isdigit())
        return [s for s in found if (s >= HELD_OUT_SEED) == held_out]

    def audio(self, seed: int) -> NDArray[np.int16]:
        """The piece's sound, int16 ``[N]``, memory-mapped."""
        data: NDArray[np.int16] = np.load(self.folder / f"{seed}.npy", mmap_mode="r")
        return data

    def piece(self, seed: int) -> Piece:
        """The piece's events."""
        return Piece.from_json((self.folder / f"{seed}.json").read_text())

    def concepts(self, seed: int) -> NDArray[np.bool_]:
        """Which concepts sound when: bool ``[T, C]``."""
        data: NDArray[np.bool_] = np.load(self.folder / f"{seed}.concepts.npy")
        return data


def _render_one(folder: Path, seed: int, seconds: float, soundfont: str) -> int:
    piece = compose(seed=seed, seconds=seconds)
    (folder / f"{seed}.json").write_text(piece.to_json())
    np.save(folder / f"{seed}.concepts.npy", annotate(piece).concepts)
    audio = render_audio(piece, soundfont)
    temporary = folder / f"{seed}.part.npy"
    np.save(temporary, np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16))
    os.replace(temporary, folder / f"{seed}.npy")
    return seed


def render_material(folder: Path, settings: CorpusSettings, workers: int = 2) -> Iterator[tuple[int, int]]:
    """Renders what is not there yet, held-out pieces first; yields (done, total) after each piece."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [HELD_OUT_SEED + n for n in range(settings.held_out)] + list(range(settings.pieces))
    missing = [s for s in wanted if not (folder / f"{s}.npy").exists()]
    done = len(wanted) - len(missing)
    (folder / "corpus.json").write_text(json.dumps({"seconds": settings.seconds, "pieces": settings.pieces}))
    with ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(_render_one, folder, s, settings.seconds, settings.soundfont) for s in missing]
        for job in jobs:
            job.result()
            done += 1
            yield done, len(wanted)
