"""A profile <-> one safetensors file."""

from dataclasses import fields
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from drawbar.bank.records import BINS
from drawbar.features.picks import Pick
from drawbar.features.profile import Profile
from drawbar.features.temporal import Temporal
from drawbar.files.atomic_write import atomic
from drawbar.files.json_object import JsonObject

_TEMPORAL = "temporal."


def save_profile(path: Path, profile: Profile) -> None:
    """Write it, whole or not at all."""
    plain = [f.name for f in fields(profile) if f.name not in ("picks", "temporal")]
    arrays: JsonObject = {name: np.asarray(getattr(profile, name)) for name in plain}
    arrays |= {_TEMPORAL + f.name: getattr(profile.temporal, f.name) for f in fields(profile.temporal)}
    picks = [[p.feature, BINS.index(p.bin), p.clip, p.start_frame] for p in profile.picks]
    arrays["picks"] = np.array(picks, dtype=np.int64).reshape(-1, 4)
    whole = {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in arrays.items()}
    with atomic(path) as temporary:
        save_file(whole, temporary)


def load_profile(path: Path) -> Profile:
    arrays = load_file(path)
    picks = tuple(Pick(f, BINS[b], clip, start) for f, b, clip, start in arrays.pop("picks").tolist())
    tokens, clips = int(arrays.pop("tokens")), int(arrays.pop("clips"))
    moving = {f.name: arrays.pop(_TEMPORAL + f.name) for f in fields(Temporal)}
    return Profile(tokens=tokens, clips=clips, picks=picks, temporal=Temporal(**moving), **arrays)
