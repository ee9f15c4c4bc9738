"""A WAV file whose recorder never wrote how long it is -> the same with its length filled in; others as they are.

Recorders that stream write 0 or the largest number and go back at the end, which a power cut prevents.
"""

import io
import logging
import struct
from pathlib import Path

log = logging.getLogger(__name__)
_UNKNOWN = (0, 0xFFFFFFFF)
_LONGEST_HEADER = 1 << 16


class _Mended(io.RawIOBase):
    """A file whose first bytes are others."""

    def __init__(self, path: Path, head: bytes) -> None:
        self._file = path.open("rb", buffering=0)
        self._head = head

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        at = self._file.tell()
        count = self._file.readinto(buffer) or 0
        known = self._head[at : at + count]
        buffer[: len(known)] = known
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def with_size(path: Path) -> str | io.RawIOBase:
    """What soundfile should open: the path, or the mended file. Raises OSError."""
    with path.open("rb") as file:
        head = bytearray(file.read(_LONGEST_HEADER))
    size = path.stat().st_size
    at = _unsized_data(head)
    if at is None or at + 8 >= size:
        return str(path)
    log.warning("%s does not say how long it is; everything to its end is read", path)
    head[4:8] = struct.pack("<I", min(size - 8, 0xFFFFFFFE))
    head[at + 4 : at + 8] = struct.pack("<I", min(size - at - 8, 0xFFFFFFFE))
    return _Mended(path, bytes(head))


def _unsized_data(head: bytes | bytearray) -> int | None:
    """Where the data chunk begins that gives no length; None for any other file."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at = 12
    while at + 8 <= len(head):
        name, size = bytes(head[at : at + 4]), struct.unpack("<I", head[at + 4 : at + 8])[0]
        if name == b"data":
            return at if size in _UNKNOWN else None
        at += 8 + size + size % 2
    return None
