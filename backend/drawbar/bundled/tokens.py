"""Rendered pieces and a codec -> their tokens on disk, one file a piece, made once and by several processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from drawbar.bundled.material import Material
from drawbar.musicgen.codec.bands import BandCodec


def encode_material(
    codec: BandCodec, material: Material, folder: Path, say: Callable[[str], None], workers: int = 2
) -> None:
    """Writes ``SEED.npy`` (uint16 ``[K, T]``) for every rendered piece that has none yet, held-out pieces first."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = material.seeds(held_out=True) + material.seeds()
    missing = [seed for seed in seeds if not (folder / f"{seed}.npy").exists()]
    if not missing:
        return
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        encode = partial(_encode_one, codec, material.folder, folder)
        for number, _ in enumerate(pool.map(encode, missing, chunksize=8), 1):
            if number % 100 == 0 or number == len(missing):
                say(f"tokens {number}/{len(missing)}")


def _encode_one(codec: BandCodec, pieces: Path, folder: Path, seed: int) -> None:
    audio = torch.from_numpy(np.asarray(Material(pieces).audio(seed), dtype=np.float32) / 32767)[None, None]
    part = folder / f"{seed}.part.npy"
    np.save(part, codec.encode(audio)[0].numpy().astype(np.uint16))
    part.replace(folder / f"{seed}.npy")
