"""Sizes of a model, a precision and a length -> the memory that playing needs; a device -> the memory that is free.

Knows no files: sizes come from a ``ModelSpec``.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from drawbar.errors import BadInputError, DeviceError
from drawbar.files.reading import shortened
from drawbar.musicgen.spec import CHROMA, MOST_WORDS, ModelSpec

PRECISIONS: dict[str, float] = {
    "float32": 4.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "kv8": 4.0,
    "kv4": 4.0,
    "int8": 1.02,
    "int4": 0.56,
}
"""Bytes per weight of a linear layer (with the scales of the quantised ones)."""
_REMEMBERED = {"bfloat16": 2.0, "float16": 2.0, "kv8": 1.07, "kv4": 0.57, "int8": 1.07, "int4": 0.57}
"""Bytes per remembered key or value, where it is not 4 (a scale of 4 bytes for 64)."""

_SLACK = 1.05
"""Buffers for one step, what allocators lose, and the one tensor that is read while a model is loaded."""

_RELEASED = {
    "facebook/musicgen-large": ModelSpec(
        d_model=2048, n_layers=48, n_heads=32, d_ff=8192, card=2048, text_dim=768
    ),
    "facebook/musicgen-medium": ModelSpec(
        d_model=1536, n_layers=48, n_heads=24, d_ff=6144, card=2048, text_dim=768
    ),
    "facebook/musicgen-small": ModelSpec(
        d_model=1024, n_layers=24, n_heads=16, d_ff=4096, card=2048, text_dim=768
    ),
}
"""For advice only: what else could be loaded instead."""


def released_spec(name: str) -> ModelSpec | None:
    """The sizes of a released model that need not be here; None for another name."""
    return _RELEASED.get(name)


T5_PARAMETERS, CODEC_PARAMETERS = 110_000_000, 59_000_000
"""Parameters of the released models' T5 (base, encoder only) and 32 kHz EnCodec."""


@dataclass(frozen=True)
class Need:
    """Bytes, by what takes them."""

    decoder: int
    text: int
    codec: int
    caches: int

    @property
    def total(self) -> int:
        """All that is needed at any one time, with some slack."""
        return round((self.decoder + self.caches + self.text + self.codec) * _SLACK)

    def __str__(self) -> str:
        parts = (
            ("decoder", self.decoder),
            ("text", self.text),
            ("codec", self.codec),
            ("caches", self.caches),
        )
        return ", ".join(f"{name} {human(size)}" for name, size in parts if size)


def parameters(spec: ModelSpec) -> tuple[int, int]:
    """A decoder's weights: those of its blocks and heads (which a precision shrinks), and all others."""
    d = spec.d_model
    attention, norms = (4, 4) if spec.melody_frames else (8, 6)
    linear = spec.n_layers * (attention * d * d + 2 * d * spec.d_ff) + spec.n_q * spec.card * d
    others = spec.n_q * (spec.card + 1) * d + (spec.text_dim + 1) * d + (norms * spec.n_layers + 2) * d
    others += (CHROMA + 1) * d if spec.melody_frames else 0
    return linear, others


def needed(
    spec: ModelSpec,
    precision: str = "float32",
    *,
    seconds: float | None = None,
    rows: int = 2,
    text: int = 0,
    codec: int = 0,
) -> Need:
    """The memory to load and play a model.

    ``seconds`` is a take's length (None = the whole context, which endless takes need too); ``rows`` is 2 with
    guidance and 4 with the bypass twin as well; ``text`` and ``codec`` count parameters, which stay float32.
    """
    if precision not in PRECISIONS:
        raise BadInputError(f"precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    linear, others = parameters(spec)
    if precision in ("int8", "int4"):  # the prompt's keys and values are computed once, in float32
        kept = 2 * spec.d_model**2 * spec.n_layers
        linear, others = linear - kept, others + kept
    small = 2 if precision in ("bfloat16", "float16") else 4
    frames = spec.context_frames if seconds is None else min(spec.frames(seconds), spec.context_frames)
    before = spec.melody_frames + MOST_WORDS if spec.melody_frames else 0
    places = before + frames + spec.max_delay + 1
    each = _REMEMBERED.get(precision, 4.0)
    caches = round(2 * spec.n_layers * rows * places * spec.d_model * each)
    decoder = round(linear * PRECISIONS[precision]) + others * small
    return Need(decoder, 4 * text, 4 * codec, caches)


def check_room(
    spec: ModelSpec,
    device: torch.device | str,
    precision: str = "float32",
    *,
    seconds: float | None = None,
    text: int = 0,
    codec: int = 0,
    others: Sequence[str] = (),
    free: int | None = None,
) -> None:
    """Raises DeviceError when the model does not fit; it says which precision, length or model would.

    ``others`` are precisions that the caller could load instead; ``free`` overrides what the device has. A device
    that cannot say how much is free is trusted.
    """
    there = free_bytes(device) if free is None else free
    need = needed(spec, precision, seconds=seconds, text=text, codec=codec)
    if there is None or need.total <= there:
        return
    fits = []
    for other in others:
        size = needed(spec, other, seconds=seconds, text=text, codec=codec).total
        if other != precision and size <= there:
            fits.append(f"precision {other} ({human(size)})")
    length = _length(spec, precision, need, there)
    if length:
        fits.append(f"takes of up to {length} s (seconds={length})")
    fits += [
        f"{name} ({human(size)})"
        for name, size in (
            (n, needed(s, precision, text=T5_PARAMETERS, codec=CODEC_PARAMETERS).total)
            for n, s in _RELEASED.items()
        )
        if size <= there and size < need.total
    ][:1]
    fits.append("the embedded model")
    raise DeviceError(
        f"{spec.name} in {precision} needs {human(need.total)} on {device} ({need}), {human(there)} are free: "
        f"close other programs, or use what fits: {'; '.join(fits)}"
    )


def device_of(name: torch.device | str) -> torch.device:
    """What ``--device`` names. Raises DeviceError for what is no device."""
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"{shortened(str(name))} is no device: use cpu, cuda, cuda:1 or mps") from error


def device_here(name: torch.device | str) -> torch.device:
    """A device that this machine has. Raises DeviceError."""
    place = device_of(name)
    found = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (place.index or 0) >= found.get(place.type, 0):
        raise DeviceError(f"device {shortened(str(name))!r} is not available here: use device='cpu'")
    return place


def free_bytes(device: torch.device | str) -> int | None:
    """Memory that can be had on a device now, in bytes; None where it cannot be known."""
    place = device_of(device)
    if place.type == "cuda":
        free, _ = torch.cuda.mem_get_info(place)
        kept = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        return free + kept
    if place.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return _free_cpu() if place.type == "cpu" else None


def give_back(device: torch.device | str) -> None:
    """What nobody holds any more goes back to the system, not only to the allocators that keep it for later."""
    gc.collect()
    place = torch.device(device)
    if place.type == "cuda":
        torch.cuda.empty_cache()
    elif place.type == "mps":
        torch.mps.empty_cache()
    if sys.platform == "linux":
        # Measured: without this, 1.1 GB of an unloaded 1.1 GB model stayed with glibc.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def human(size: float) -> str:
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size:.0f} bytes"


def _length(spec: ModelSpec, precision: str, need: Need, free: int) -> int:
    """Whole seconds of a take whose caches fit; 0 if none do."""
    full = needed(spec, precision).caches
    room = free / _SLACK - (need.decoder + need.text + need.codec)
    seconds = int(room / full * spec.context_frames / spec.frame_rate_hz) if full else 0
    return max(0, min(seconds, int(need.caches / full * spec.context_frames / spec.frame_rate_hz)))


def _free_cpu() -> int | None:
    if sys.platform == "win32":
        return _free_windows()
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        try:  # macOS says only how much it has; it compresses and swaps early
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (OSError, ValueError):
            return None
    limit = _free_in_group(Path("/sys/fs/cgroup"))
    return free if limit is None else min(free, limit)


def _free_in_group(root: Path) -> int | None:
    """What a container's limit leaves; None without one."""
    try:
        limit, used = (int((root / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0)))
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _free_windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("sizes", ctypes.c_ulonglong * 7),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  (not there for a checker on another system)
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.sizes[1])
