"""Clips in rows and columns -> one SVG of mel spectrograms, for documents. It knows nothing of what they play."""

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ, log_mel
from drawbar.bench.figure import alone
from drawbar.markup import shape

_MELS, _FFT, _HOP = 96, 2048, 640
_LOWEST, _HIGHEST = -3.0, 0.5  # log10 mel magnitudes that are black and white
_SHADES = 32
_ANCHORS = np.array(
    [(8, 8, 16), (62, 25, 94), (160, 46, 96), (234, 108, 60), (252, 186, 90), (252, 252, 230)]
)
_PANEL, _GAP, _LEFT, _TOP, _LABEL = (300, 120), 12, 14, 62, 20

Audio = NDArray[np.float32]


def spectrograms(
    rows: Sequence[tuple[str, Sequence[Audio]]], columns: Sequence[str], *, title: str, foot: str = ""
) -> str:
    """(label, one clip per column) -> SVG text; pictures are embedded, time runs rightwards, pitch upwards."""
    wide, high = _PANEL
    pitch = high + _LABEL + _GAP
    width = _LEFT * 2 + len(columns) * (wide + _GAP) - _GAP
    height = _TOP + len(rows) * pitch + 20
    across = [_LEFT + column * (wide + _GAP) for column in range(len(columns))]
    shapes = [
        shape("rect", width=width, height=height, fill="#ffffff"),
        shape("text", words=title, x=_LEFT, y=22, font_size="14", font_weight="600"),
        shape("text", words=foot, x=_LEFT, y=height - 8, fill="#666666"),
    ]
    shapes += [
        shape("text", words=name, x=x, y=44, font_weight="600")
        for x, name in zip(across, columns, strict=True)
    ]
    for row, (label, clips) in enumerate(rows):
        y = _TOP + row * pitch
        shapes.append(shape("text", words=label, x=_LEFT, y=y + 12, fill="#444444"))
        for x, clip in zip(across, clips, strict=True):
            data = f"data:image/png;base64,{b64encode(_picture(clip)).decode()}"
            shapes.append(
                shape(
                    "image",
                    x=x,
                    y=y + _LABEL,
                    width=wide,
                    height=high,
                    preserveAspectRatio="none",
                    href=data,
                )
            )
    return alone(title, width, height, shapes)


def _picture(clip: Audio) -> bytes:
    """One clip [N] as a PNG of its mel spectrogram."""
    mel = log_mel(torch.from_numpy(clip), SAMPLE_RATE_HZ, n_fft=_FFT, hop=_HOP, n_mels=_MELS).numpy()
    shade = (mel - _LOWEST) / (_HIGHEST - _LOWEST) * (_SHADES - 1)
    return png(np.clip(np.round(shade), 0, _SHADES - 1).astype(np.uint8)[::-1], _palette())


def _palette() -> NDArray[np.uint8]:
    at = np.linspace(0, len(_ANCHORS) - 1, _SHADES)
    colours = [np.interp(at, np.arange(len(_ANCHORS)), _ANCHORS[:, channel]) for channel in range(3)]
    palette: NDArray[np.uint8] = np.round(np.stack(colours, axis=1)).astype(np.uint8)
    return palette


def png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """Indices [H, W] into a ``palette`` [P, 3] of colours -> a PNG file (ISO/IEC 15948, colour type 3)."""
    high, wide = pixels.shape
    rows = np.pad(pixels, ((0, 0), (1, 0)))  # each line begins with its filter: none
    body = (
        _chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0))
        + _chunk(b"PLTE", palette.tobytes())
        + _chunk(b"IDAT", zlib.compress(np.ascontiguousarray(rows).tobytes(), 9))
    )
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
