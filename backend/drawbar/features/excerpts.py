"""Chosen windows and the clips' tokens -> examples: tokens [K, T] and activations [T]."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.bank.records import Example
from drawbar.features.pairs import PairSource
from drawbar.features.picks import Pick


def activation_of(values: Tensor, indices: Tensor, features: Sequence[int]) -> NDArray[np.float32]:
    """Pairs [T, k] -> the activation of each of these features at each frame, [len(features), T]."""
    wanted = torch.tensor(list(features))
    hits = (indices[None] == wanted[:, None, None]) * values[None]
    out: NDArray[np.float32] = hits.sum(2).float().numpy()
    return out


def cut_examples(
    picks: Sequence[Pick],
    source: PairSource,
    tokens: Callable[[int], Tensor],
    names: Sequence[str],
    licences: Sequence[str],
    window_frames: int,
) -> Iterator[tuple[int, list[Example]]]:
    """(feature, its examples) in rising order of features; each clip is read once.

    Args:
        picks: from the profile.
        source: activations of the clips.
        tokens: clip number -> [K, T].
        names: of the clips.
        licences: of the clips.
        window_frames: length of an example; shorter at a clip's end.
    """
    by_clip: dict[int, list[Pick]] = defaultdict(list)
    for pick in picks:
        by_clip[pick.clip].append(pick)
    made: dict[Pick, Example] = {}
    for clip in sorted(by_clip):
        values, indices = source.pairs(clip)
        codes = tokens(clip).numpy().astype(np.uint16)
        for pick in by_clip[clip]:
            span = slice(pick.start_frame, min(pick.start_frame + window_frames, codes.shape[1]))
            strength = activation_of(values[span], indices[span], [pick.feature])[0]
            made[pick] = Example(
                tokens=codes[:, span],
                start_frame=span.start,
                end_frame=span.stop,
                activations=strength,
                bin=pick.bin,
                clip=names[clip],
                licence=licences[clip],
            )
    by_feature: dict[int, list[Example]] = defaultdict(list)
    for pick in picks:
        by_feature[pick.feature].append(made[pick])
    for feature in sorted(by_feature):
        yield feature, by_feature[feature]
