"""Any exception of the worker thread -> one error of Drawbar's own tree, with the cure.

The engine keeps it for the caller and goes back to being ready. Knows nothing of engines.
"""

from __future__ import annotations

import torch

from drawbar.errors import DeviceError, DrawbarError, WorkerError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")
"""PyTorch has a type for a full CUDA device only: Metal and the processor's allocator say it in a bare RuntimeError."""


def typed(error: BaseException) -> DrawbarError:
    """The error as the caller sees it; ``__cause__`` is the original where that is not one of ours."""
    if isinstance(error, DrawbarError):
        return error
    found = _translated(error)
    found.__cause__ = error
    return found


def _says(error: BaseException, *words: str) -> bool:
    """Whether PyTorch's text says it, where there is no type to tell by."""
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _translated(error: BaseException) -> DrawbarError:
    text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or _says(error, *_OUT_OF_MEMORY):
        return DeviceError(
            f"memory ran out ({text}): close other programs, switch Prepare Bypass off, or load a smaller model"
        )
    if isinstance(error, torch.AcceleratorError) or _says(error, "CUDA error"):
        return DeviceError(
            f"the compute device failed ({text}): start Drawbar again; if it returns, play on the CPU"
        )
    if isinstance(error, OSError):
        return DeviceError(f"the system refused something ({text}): see the log, then play again")
    return WorkerError(f"{text}: this is a fault in Drawbar; the log has the details. Play again to go on")
