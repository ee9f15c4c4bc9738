"""A choice of clips -> what every describer says about them, clip by clip, once for all layers."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from drawbar.features.labellers.interface import SoundWindows
from drawbar.features.labellers.sound_windows import Describer
from drawbar.files.atomic_write import atomic
from drawbar.musicgen.codec.interface import mono
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter

_GROUP = 8  # clips a file: what a killed stage does again at most


def sounds_stage(
    out: Path,
    describer: Describer,
    clips: Sequence[int],
    store: ClipStore,
    model: BuildModel,
    device: str,
    progress: ProgressCallback | None,
) -> Stage:
    """Decode the clips and describe them; a stage that was killed goes on behind its last file."""
    key = {"clips": _digest(clips, store), "codec": model.codec.fingerprint, "describer": describer.key()}
    stage = Stage(out / f"sounds-{describer.name}", f"sounds {describer.name}", 1, key)
    if not stage.begin():
        return stage
    report = Reporter(progress, f"listening ({describer.name})", len(clips), "clips")
    paths = []
    for number, first in enumerate(range(0, len(clips), _GROUP)):
        group = list(clips[first : first + _GROUP])
        path = stage.folder / f"sounds-{number:05d}.safetensors"
        if path.is_file():
            report.start_at(first + len(group))
        else:
            found = {str(clip): _described(describer, clip, store, model, device) for clip in group}
            with atomic(path) as temporary:
                save_file(found, temporary)
        report(first + len(group))
        paths.append(path)
    stage.finish(paths, columns=list(describer.columns))
    return stage


def read_sounds(stage: Stage, describer: Describer, train: list[int], held_out: list[int]) -> SoundWindows:
    """The figures of both splits, read back."""
    found: dict[str, Tensor] = {}
    for path in stage.outputs(".safetensors"):
        found |= load_file(path)
    columns = tuple(stage.facts()["columns"])
    none = torch.zeros(0, len(columns))
    sides = [torch.cat([none, *(found[str(clip)] for clip in part)]) for part in (train, held_out)]
    return SoundWindows(columns, describer.window_frames, train, held_out, sides[0], sides[1])


def _described(describer: Describer, clip: int, store: ClipStore, model: BuildModel, device: str) -> Tensor:
    with torch.no_grad():
        audio = mono(model.codec.decode(store.tokens(clip)[None].to(device)))[0, 0].float().cpu().numpy()
    frames = store.frames[clip]
    return describer.describe(audio, model.codec.sample_rate_hz, frames).float().contiguous()


def _digest(clips: Sequence[int], store: ClipStore) -> str:
    """Of what is listened to: numbers and tokens."""
    state = hashlib.sha256()
    for clip in clips:
        state.update(f"{clip} {store.clips[clip].name}\n".encode())
        state.update(store.tokens(clip).to(torch.int32).numpy().tobytes())
    return state.hexdigest()
