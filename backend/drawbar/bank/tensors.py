"""Rows of numpy arrays -> one safetensors file, written piece by piece and read by slices."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError, safe_open

from drawbar.errors import BankError
from drawbar.files.atomic_write import atomic
from drawbar.files.json_object import JsonObject

Array = NDArray[Any]
FileMark = JsonObject
_NAMES = {"float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "uint16": "U16", "uint8": "U8"}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StoredMark:
    """How a database names a file of its bank."""

    size: Annotated[int, Field(ge=0, le=1 << 50)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TensorWriter:
    """Tensors that grow row by row; the file appears, whole and synced, when the block ends well."""

    def __init__(self, path: Path) -> None:
        """Nothing is written to ``path`` before the end; the spools lie beside it."""
        self._path = path
        self._spools: dict[str, IO[bytes]] = {}
        self._kinds: dict[str, tuple[np.dtype[np.generic], tuple[int, ...]]] = {}
        self._rows: dict[str, int] = {}
        self.mark: FileMark = {}
        """Size and SHA-256 of the finished file."""

    def __enter__(self) -> "TensorWriter":
        return self

    def rows(self, name: str) -> int:
        """How many rows ``name`` has so far."""
        return self._rows.get(name, 0)

    def append(self, name: str, rows: Array) -> int:
        """Add ``rows`` to the tensor ``name`` -> the number of its first new row."""
        rows = np.ascontiguousarray(rows)
        first = self.rows(name)
        if name not in self._spools:
            self._spools[name] = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
            self._kinds[name] = (rows.dtype, rows.shape[1:])
        if self._kinds[name] != (rows.dtype, rows.shape[1:]):
            raise BankError(f"{name}: rows {rows.dtype}{rows.shape[1:]} do not continue {self._kinds[name]}")
        self._spools[name].write(rows.astype(rows.dtype.newbyteorder("<"), copy=False).tobytes())
        self._rows[name] = first + len(rows)
        return first

    def _header(self) -> bytes:
        header: dict[str, object] = {}
        offset = 0
        for name, (dtype, shape) in self._kinds.items():
            end = offset + self._rows[name] * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            kind = _NAMES[dtype.name]
            header[name] = {"dtype": kind, "shape": [self._rows[name], *shape], "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Assemble the file under a temporary name and rename it, unless the block raised."""
        try:
            if kind is None:
                self._assemble()
        finally:
            for spool in self._spools.values():
                spool.close()

    def _pieces(self) -> Iterator[bytes]:
        yield self._header()
        for spool in self._spools.values():
            spool.seek(0)
            while piece := spool.read(_CHUNK):
                yield piece

    def _assemble(self) -> None:
        digest, size = hashlib.sha256(), 0
        with atomic(self._path) as unfinished, unfinished.open("wb") as out:
            for piece in self._pieces():
                out.write(piece)
                digest.update(piece)
                size += len(piece)
        self.mark = {"size": size, "sha256": digest.hexdigest()}


class TensorReader:
    """A safetensors file whose rows are read by slices: what is not asked for stays on the disk."""

    def __init__(self, path: Path) -> None:
        """Open and check the header. Raises BankError."""
        self.path = path
        try:
            file: Any = safe_open(path, framework="numpy")
            self._slices: JsonObject = {name: file.get_slice(name) for name in list(file.keys())}
        except (SafetensorError, OSError) as error:
            raise BankError(f"{path} is damaged or missing ({error}); fetch the bank again") from error

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {name: tuple(piece.get_shape()) for name, piece in self._slices.items()}

    def dtypes(self) -> Mapping[str, str]:
        """The safetensors type of every tensor: F16, F32, I64, U16, U8."""
        return {name: str(piece.get_dtype()) for name, piece in self._slices.items()}

    def slice(self, name: str, first: int, end: int) -> Array:
        """Rows ``first`` to ``end`` of a tensor. Raises BankError where there are none such."""
        if name not in self._slices or not 0 <= first <= end <= self._slices[name].get_shape()[0]:
            raise BankError(f"{self.path} has no rows {first} to {end} of {name!r}; fetch the bank again")
        found: Array = self._slices[name][first:end]
        return found

    def all(self, name: str) -> Array:
        return self.slice(name, 0, self._slices[name].get_shape()[0] if name in self._slices else 1)

    def take(self, name: str, rows: Sequence[int]) -> Array:
        """The given rows in the given order."""
        pieces = [self.slice(name, row, row + 1) for row in rows]
        return np.concatenate(pieces) if pieces else self.slice(name, 0, 0)
