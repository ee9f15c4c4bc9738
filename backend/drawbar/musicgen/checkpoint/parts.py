"""What a model folder holds, put together -> one record; and what it must hold to be complete.

Knows no layout in particular.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import CheckpointError
from drawbar.musicgen.checkpoint.weights import Mapped
from drawbar.musicgen.codec.interface import Codec, load_codec
from drawbar.musicgen.codec.stereo import StereoCodec
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.text_encoder import TextEncoder
from drawbar.musicgen.spec import ModelSpec

Room = Callable[[ModelSpec, int, int], None]
"""Told the sizes and the parameters of text encoder and codec before anything is built; raises without room."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A model, taken apart."""

    spec: ModelSpec
    decoder: Decoder
    text: TextEncoder | None
    """None where there is no T5: only null prompts then."""
    codec: Codec
    fingerprint: str
    """SHA-256 over the decoder's tensors as they are in the file (see ``weights.fingerprint``)."""
    notes: tuple[str, ...] = ()
    """What loading chose, and what it did not find."""


@dataclass(frozen=True, eq=False)
class Opened:
    """A model folder, looked into: the decoder's weights stay in their files until asked for."""

    spec: ModelSpec
    weights: Mapped
    codec: Codec
    text: int
    """Parameters of the text encoder; 0 without one."""
    notes: tuple[str, ...] = ()


def load_speaker(
    config: Mapping[str, object],
    tensors: Mapping[str, Tensor],
    spec: ModelSpec,
    device: torch.device | str = "cpu",
) -> Codec:
    """A codec's section and tensors -> the codec that a model of these sizes speaks. Raises as ``load_codec``."""
    codec = load_codec(config, tensors, spec.n_q // spec.channels, device)
    return codec if spec.channels == 1 else StereoCodec(codec)


def check_together(spec: ModelSpec, codec: Codec, text: TextEncoder | None) -> None:
    """Raises CheckpointError where decoder, codec and text encoder do not belong together."""
    if codec.card != spec.card:
        raise CheckpointError(
            f"the decoder of {spec.name} speaks {spec.card} tokens per codebook, its codec {codec.card}: "
            "the folder mixes two models"
        )
    if codec.n_q < spec.n_q:
        raise CheckpointError(
            f"the decoder of {spec.name} speaks {spec.n_q} codebooks, its codec {codec.n_q}: "
            "the folder mixes two models"
        )
    if text is not None and text.text_dim != spec.text_dim:
        raise CheckpointError(
            f"the decoder of {spec.name} reads text states {spec.text_dim} wide, its T5 gives {text.text_dim}: "
            "the folder mixes two models"
        )
