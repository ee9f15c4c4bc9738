"""A sound file, played or hummed -> the pitch classes that a melody model follows.

Only the beginning is read, as much as the model was trained on. Drums and bass stay in (see ``network.chroma``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drawbar.corpus.audio import stream_audio
from drawbar.errors import BadInputError
from drawbar.musicgen.network.chroma import CHROMA_HOP, pitch_classes
from drawbar.musicgen.spec import ModelSpec


def read_melody(path: Path | str, spec: ModelSpec) -> tuple[int, ...]:
    """Raises AudioFileError for a file that cannot be read, BadInputError for a model that follows no melody."""
    if not spec.melody_frames:
        raise BadInputError(
            f"{spec.name} follows no melody: use a melody model such as facebook/musicgen-melody"
        )
    most = spec.melody_frames * CHROMA_HOP
    parts, read = [], 0
    for block in stream_audio(path, spec.sample_rate_hz):
        parts.append(block)
        read += len(block)
        if read >= most:
            break
    return pitch_classes(np.concatenate(parts)[:most], spec.sample_rate_hz)[: spec.melody_frames]
