"""Audio and a comment -> a WAV or FLAC, written whole or not at all; and the comment back from the file.

soundfile drops long comments from WAV files, so there the RIFF chunk (LIST/INFO/ICMT) is written here.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import soundfile

from drawbar.errors import BadInputError
from drawbar.live.audio_out.ring import Floats

MAX_COMMENT = 16 << 20
FORMATS = {".wav": "WAV", ".flac": "FLAC"}


def write(
    path: Path, ending: str, audio: Floats, sample_rate_hz: int, comment: str, subtype: str = "PCM_24"
) -> None:
    """Write ``[N]`` or ``[N, 2]`` in the ending's format and libsndfile's ``subtype``. Raises BadInputError."""
    kind = FORMATS.get(ending.lower())
    if kind is None:
        raise BadInputError(f"{ending or 'no'} ending: takes are saved as .wav or .flac")
    if not len(audio):
        raise BadInputError("the take holds no audio yet: let it play first")
    if not np.isfinite(audio).all():
        raise BadInputError("the audio holds values that are not finite: it is not saved")
    with soundfile.SoundFile(path, "w", sample_rate_hz, audio.ndim, subtype=subtype, format=kind) as out:
        if kind == "FLAC":
            out.comment = comment
        out.write(audio if subtype == "FLOAT" else np.clip(audio, -1.0, 1.0 - 2.0**-23))
    if kind == "WAV":
        _append_comment(path, comment)


def _append_comment(path: Path, comment: str) -> None:
    text = comment.encode("ascii") + b"\0"
    text += b"\0" * (len(text) % 2)
    chunk = b"LIST" + struct.pack("<I", 12 + len(text)) + b"INFOICMT" + struct.pack("<I", len(text)) + text
    with path.open("rb+") as handle:
        handle.seek(0, os.SEEK_END)
        end = handle.tell()
        handle.write(b"\0" * (end % 2) + chunk)
        size = handle.tell() - 8
        if size >= 1 << 32:
            raise BadInputError("the take is too long for a WAV file (4 GB): save it as .flac")
        handle.seek(4)
        handle.write(struct.pack("<I", size))


def read_comment(path: Path) -> str:
    """The embedded comment of a sound file, or the text of a .json. Raises BadInputError."""
    try:
        if path.suffix.lower() == ".json":
            if path.stat().st_size > 4 * MAX_COMMENT:
                raise BadInputError(f"{path.name} is too large to be the settings of a take")
            return path.read_text(encoding="utf-8")
        found = _wav_comment(path)
        if found is None:
            with soundfile.SoundFile(path) as sound:
                found = str(sound.comment or "")
    except (OSError, UnicodeDecodeError, soundfile.LibsndfileError) as error:
        raise BadInputError(
            f"{path.name} cannot be read ({error}): choose a file that Drawbar exported"
        ) from error
    return found


def _wav_comment(path: Path) -> str | None:
    """The ICMT text of a RIFF file; None if it is no RIFF file or has none. Chunk sizes are not trusted."""
    total = path.stat().st_size
    with path.open("rb") as handle:
        if handle.read(4) != b"RIFF" or len(handle.read(4)) < 4 or handle.read(4) != b"WAVE":
            return None
        while len(header := handle.read(8)) == 8:
            name, size = header[:4], struct.unpack("<I", header[4:])[0]
            start = handle.tell()
            if name == b"LIST" and size <= MAX_COMMENT and handle.read(4) == b"INFO":
                text = _info_comment(handle.read(min(size - 4, total)))
                if text is not None:
                    return text
            handle.seek(start + size + size % 2)
    return None


def _info_comment(body: bytes) -> str | None:
    at = 0
    while at + 8 <= len(body):
        name, size = body[at : at + 4], struct.unpack("<I", body[at + 4 : at + 8])[0]
        if name == b"ICMT":
            return body[at + 8 : at + 8 + size].split(b"\0")[0].decode("utf-8", "replace")
        at += 8 + size + size % 2
    return None
