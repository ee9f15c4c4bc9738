"""An audiocraft ``compression_state_dict.bin`` -> the EnCodec in it, as transformers' ``EncodecModel`` names it.

The released MusicGen folders hold the codec's own weights there; a fine-tuned one may only name a released codec.
Knows nothing of the language model.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import shortened
from drawbar.musicgen.checkpoint.audiocraft_config import XpConfig, read_state

_ONLY: dict[str, tuple[Any, ...]] = {
    "compression_model": ("encodec",),
    "encodec.autoencoder": ("seanet",),
    "encodec.quantizer": ("rvq",),
    "encodec.renormalize": (False, None),
    "encodec.channels": (1,),
    "seanet.activation": ("ELU", None),
    "seanet.disable_norm_outer_blocks": (0, None),
    "seanet.decoder.final_activation": (None,),
    "seanet.norm": ("weight_norm",),
}
"""What transformers' EnCodec can be; everything else would load and sound wrong."""

_RENAMED = (
    (re.compile(r"^(encoder|decoder)\.model\."), r"\1.layers."),
    (re.compile(r"\.convtr\.convtr\."), ".conv."),
    (re.compile(r"\.conv\.conv\."), ".conv."),
    (re.compile(r"^quantizer\.vq\.layers\."), "quantizer.layers."),
    (re.compile(r"\._codebook\."), ".codebook."),
)


def codec_reference(file: Path) -> str | None:
    """The name of the codec that a file refers to; None when it holds one of its own."""
    package, settings = read_state(file)
    return None if settings is not None else str(package["pretrained"])


def read_audiocraft_codec(file: Path) -> tuple[JsonObject, dict[str, Tensor]]:
    """A file with a codec of its own -> configuration and tensors for ``load_codec``.

    Raises CheckpointError for a damaged file, NotSupportedError for a codec that is no mono EnCodec.
    """
    package, settings = read_state(file)
    if settings is None:
        raise CheckpointError(f"{file} only names {package['pretrained']}: load that codec instead")
    return encodec_config(settings), encodec_tensors(package["best_state"])


def encodec_config(settings: XpConfig) -> JsonObject:
    """audiocraft's settings -> those of transformers' ``EncodecConfig``. Raises NotSupportedError."""
    what = f"the codec in {settings.file}"
    settings.only(_ONLY, what)
    overrides = set(map(str, settings.section("seanet.encoder"))) | set(
        map(str, settings.section("seanet.decoder"))
    )
    extra = overrides - {"trim_right_ratio", "final_activation", "final_activation_params"}
    if extra:
        raise NotSupportedError(
            f"{what} sets {shortened(', '.join(sorted(extra)), 200)} for one half only; "
            "encoders and decoders of one shape are supported"
        )
    alpha = settings.get("seanet.activation_params.alpha", 1.0)
    if alpha != 1.0:
        raise NotSupportedError(f"{what} has ELU with alpha {shortened(alpha)}; supported: 1")
    rate, books = settings.number("encodec.sample_rate"), settings.number("rvq.n_q")
    card, ratios = settings.number("rvq.bins"), settings.numbers("seanet.ratios")
    size = settings.number("seanet.dimension", 128)
    layers = settings.number("seanet.lstm", 0)
    if not ratios or min((rate, books, card - 1, size, layers, *ratios)) < 1:
        raise NotSupportedError(
            f"{what} has {layers} LSTM layers, {books} codebooks of {card} and ratios {shortened(list(ratios))}: "
            "an EnCodec needs at least one of each"
        )
    frames_per_s = math.ceil(rate / math.prod(ratios))
    return {
        "model_type": "encodec",
        "sampling_rate": rate,
        "audio_channels": 1,
        "normalize": False,
        "hidden_size": size,
        "codebook_dim": size,
        "codebook_size": card,
        "num_filters": settings.number("seanet.n_filters", 32),
        "num_residual_layers": settings.number("seanet.n_residual_layers", 1),
        "upsampling_ratios": list(ratios),
        "norm_type": "weight_norm",
        "kernel_size": settings.number("seanet.kernel_size", 7),
        "last_kernel_size": settings.number("seanet.last_kernel_size", 7),
        "residual_kernel_size": settings.number("seanet.residual_kernel_size", 3),
        "dilation_growth_rate": settings.number("seanet.dilation_base", 2),
        "use_causal_conv": bool(settings.get("seanet.causal", False)),
        "pad_mode": shortened(settings.get("seanet.pad_mode", "reflect")),
        "compress": settings.number("seanet.compress", 2),
        "num_lstm_layers": layers,
        "trim_right_ratio": settings.real("seanet.decoder.trim_right_ratio", 1.0),
        "use_conv_shortcut": not settings.get("seanet.true_skip", True),
        # transformers counts codebooks by bandwidth, in kbit/s; half a bit more keeps its floor from losing one.
        "target_bandwidths": [(books * math.ceil(math.log2(card)) + 0.5) * frames_per_s / 1000],
    }


def encodec_tensors(state: JsonMapping) -> dict[str, Tensor]:
    """Tensors named as in audiocraft's ``EncodecModel`` -> named as in transformers'."""
    tensors: dict[str, Tensor] = {}
    for theirs, tensor in state.items():
        if not isinstance(tensor, Tensor):
            raise CheckpointError(
                f"{shortened(theirs)} in the codec's best_state is no tensor: export it again"
            )
        name = str(theirs)
        for pattern, replacement in _RENAMED:
            name = pattern.sub(replacement, name)
        tensors[name] = tensor
    return tensors
