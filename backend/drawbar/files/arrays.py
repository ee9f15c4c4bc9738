"""A ``.npy`` file that may be damaged -> its array, of the expected type and no larger than the file says."""

import math
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_npy: Any = np.lib.format  # its functions have no types
Number = TypeVar("Number", bound=np.generic)


def read_array(path: Path, dtype: type[Number], dimensions: int) -> NDArray[Number]:
    """The array; nothing is unpickled, nothing converted. Raises ValueError, OSError."""
    with path.open("rb") as file:
        try:
            if _npy.read_magic(file) != (1, 0):
                raise ValueError("a version of the format that is not read")
            shape, by_columns, stored = _npy.read_array_header_1_0(file)
        except ValueError:
            raise
        except Exception as error:  # the header is parsed as Python's literals: a damaged one has many errors
            raise ValueError(f"a header that cannot be read ({type(error).__name__})") from error
        data = file.read()
    if len(shape) != dimensions or min(shape, default=0) < 0 or stored != np.dtype(dtype):
        raise ValueError(
            f"{stored} of shape {shape} where {np.dtype(dtype)} in {dimensions} dimensions belongs"
        )
    if math.prod(shape) * stored.itemsize != len(data):
        raise ValueError(f"{len(data):,} bytes where the header says shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")
