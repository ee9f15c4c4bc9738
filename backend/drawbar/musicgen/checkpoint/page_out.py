"""A tensor that lies in a mapped file and was used -> its pages given back to the system; nothing it says is lost.

A page of a file that was read counts as this program's memory until somebody else needs it. Loading a model would so
take the file's size beside the model's own. Linux only; elsewhere, and for memory that is no file's, nothing happens.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from functools import cache

from torch import Tensor

_PAGE_OUT = 21
"""``MADV_PAGEOUT`` (Linux 5.4): what can be read again from its file is dropped, all else stays."""


def page_out(tensor: Tensor) -> None:
    """Gives back the whole pages that a tensor on the CPU lies in."""
    advise = _advise()
    if advise is None or tensor.device.type != "cpu" or not tensor.is_contiguous():
        return
    page = mmap.PAGESIZE
    first = -(-tensor.data_ptr() // page) * page
    last = (tensor.data_ptr() + tensor.numel() * tensor.element_size()) // page * page
    if last > first:
        advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _PAGE_OUT)


@cache
def _advise() -> Callable[[ctypes.c_void_p, ctypes.c_size_t, int], int] | None:
    return getattr(ctypes.CDLL(None), "madvise", None) if sys.platform == "linux" else None
