"""Builds an nn.Module on PyTorch's meta device: its names and shapes, no memory, no random numbers.

For weights that come from a file. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

Module = TypeVar("Module", bound=nn.Module)


class _Unfilled(TorchFunctionMode):
    """Leaves out ``torch.nn.init``: drawing a number on the meta device imports torch's compiler, for seconds."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: dict[str, object] | None = None,
    ) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def blank(make: Callable[[], Module]) -> Module:
    """``make()`` on the meta device; fill it with ``load_state_dict(..., assign=True)``."""
    with torch.device("meta"), _Unfilled():
        return make()
