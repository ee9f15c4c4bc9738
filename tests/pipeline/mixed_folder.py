"""A seed -> a folder of 60 unlike recordings, as people have them: ``python -m tests.pipeline.mixed_folder OUT``.

Five formats, sample rates from 8 to 96 kHz, one to six channels, folders in folders, names with spaces and
accents; two files are damaged, one is silent, one lasts twenty minutes. Everything is synthesised.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

FORMATS = {
    "wav": ("WAV", ("PCM_16", "PCM_24", "FLOAT", "PCM_U8"), (8_000, 11_025, 22_050, 44_100, 48_000, 96_000), (1, 2, 6)),
    "flac": ("FLAC", ("PCM_16", "PCM_24"), (22_050, 37_800, 44_100, 96_000), (1, 2)),
    "mp3": ("MP3", ("MPEG_LAYER_III",), (22_050, 32_000, 44_100, 48_000), (1, 2)),
    "ogg": ("OGG", ("VORBIS",), (16_000, 44_100, 48_000), (1, 2)),
    "aiff": ("AIFF", ("PCM_16", "PCM_24"), (44_100, 48_000), (1, 2)),
}  # fmt: skip
LONG_S = 1200.0
DAMAGED = ("zz damaged/header.wav", "zz damaged/noise.mp3")
SILENT = "silence.flac"
LONG = "live set/twenty minutes.flac"


def sound(seconds: float, rate: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """A few notes a second over a beat, each with its own timbre: mono [N]."""
    count = round(seconds * rate)
    out = np.zeros(count)
    at = 0
    while at < count:
        length = min(round(generator.uniform(0.15, 0.6) * rate), count - at)
        time = np.arange(length) / rate
        pitch = 55 * 2 ** (generator.integers(0, 48) / 12)
        partials = [k for k in range(1, 6) if pitch * k < rate / 2.2]
        note = sum(np.sin(2 * np.pi * pitch * k * time) / k ** generator.uniform(0.8, 2.5) for k in partials)
        out[at : at + length] += 0.2 * note * np.exp(-time * generator.uniform(1, 8))
        hit = min(length, rate // 12)
        out[at : at + hit] += 0.3 * generator.standard_normal(hit) * np.exp(-np.arange(hit) / (0.015 * rate))
        at += length
    return out * 0.9 / max(1.0, float(np.abs(out).max()))


def write_mixed_folder(folder: Path, *, files: int = 60, long_s: float = LONG_S, seed: int = 0) -> list[Path]:
    """Write the folder; returns its files, damaged ones included."""
    generator = np.random.default_rng(seed)
    paths = []
    for number in range(files - len(DAMAGED) - 2):
        suffix = list(FORMATS)[number % len(FORMATS)]
        kind, subtypes, rates, channels = FORMATS[suffix]
        rate, width = int(generator.choice(rates)), int(generator.choice(channels))
        mono = sound(float(generator.uniform(2.0, 24.0)), rate, generator)
        spread = generator.uniform(0.4, 1.0, width)
        path = folder / ("", "Ärger & Co", "a/b/c")[number % 3] / f"take {number:02d} é.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, mono[:, None] * spread, rate, str(generator.choice(subtypes)), format=kind)
        paths.append(path)
    silent = folder / SILENT
    soundfile.write(silent, np.zeros(12 * 44_100), 44_100)
    long = folder / LONG
    long.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(long, "w", 22_050, 1, "PCM_16") as file:
        for _ in range(round(long_s / 60)):
            file.write(sound(60.0, 22_050, generator))
    for name in DAMAGED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    whole = paths[0].read_bytes()
    (folder / DAMAGED[0]).write_bytes(whole[:30])
    (folder / DAMAGED[1]).write_bytes(generator.bytes(20_000))
    return [*paths, silent, long, *(folder / name for name in DAMAGED)]


if __name__ == "__main__":
    print(len(write_mixed_folder(Path(sys.argv[1]))), "files")
