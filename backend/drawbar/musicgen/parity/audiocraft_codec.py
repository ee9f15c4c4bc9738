"""An EnCodec as transformers has it -> the same weights in audiocraft's ``EncodecModel``.

audiocraft names and nests the layers differently, but in the same order. Needs the ``audiocraft`` extra.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import torch
from torch import Tensor

from drawbar.musicgen.parity.audiocraft_model import import_audiocraft


def audiocraft_encodec(model: Any, n_q: int) -> Any:
    """transformers' ``EncodecModel`` -> audiocraft's, in float32, with ``n_q`` codebooks active."""
    import_audiocraft()
    from audiocraft.models.encodec import EncodecModel
    from audiocraft.modules.seanet import SEANetDecoder, SEANetEncoder
    from audiocraft.quantization.vq import ResidualVectorQuantizer

    config = model.config
    shared = {
        "channels": config.audio_channels,
        "dimension": config.hidden_size,
        "n_filters": config.num_filters,
        "n_residual_layers": config.num_residual_layers,
        "ratios": list(config.upsampling_ratios),
        "norm": config.norm_type,
        "kernel_size": config.kernel_size,
        "last_kernel_size": config.last_kernel_size,
        "residual_kernel_size": config.residual_kernel_size,
        "dilation_base": config.dilation_growth_rate,
        "causal": config.use_causal_conv,
        "pad_mode": config.pad_mode,
        "true_skip": not config.use_conv_shortcut,
        "compress": config.compress,
        "lstm": config.num_lstm_layers,
    }
    books = len(model.quantizer.layers)
    with warnings.catch_warnings():
        # torch's older weight normalisation, which audiocraft still uses.
        warnings.simplefilter("ignore")
        codec = EncodecModel(
            SEANetEncoder(**shared),
            SEANetDecoder(**shared, trim_right_ratio=config.trim_right_ratio),
            ResidualVectorQuantizer(
                dimension=config.codebook_dim, n_q=books, bins=config.codebook_size, kmeans_init=False
            ),
            frame_rate=int(config.frame_rate),
            sample_rate=int(config.sampling_rate),
            channels=int(config.audio_channels),
            causal=bool(config.use_causal_conv),
        )
    device = next(model.parameters()).device
    codec.load_state_dict(_renamed({n: t.float() for n, t in model.state_dict().items()}, codec.state_dict()))
    codec.set_num_codebooks(n_q)
    return codec.eval().requires_grad_(False).to(device)


def _renamed(state: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """transformers' names -> audiocraft's; an up-sampling convolution is ``convtr`` there."""
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        new = re.sub(r"^(encoder|decoder)\.layers\.", r"\1.model.", name)
        new = re.sub(r"^quantizer\.layers\.(\d+)\.codebook\.", r"quantizer.vq.layers.\1._codebook.", new)
        new = new.replace(".parametrizations.weight.original0", ".weight_g")
        new = new.replace(".parametrizations.weight.original1", ".weight_v")
        if ".conv." in new:
            plain = new.replace(".conv.", ".conv.conv.")
            new = plain if plain in expected else new.replace(".conv.", ".convtr.convtr.")
        result[new] = tensor
    # A buffer of training that one of the two may lack.
    for name in expected.keys() - result.keys():
        if name.endswith(("_codebook.inited", "_codebook.cluster_size", "_codebook.embed_avg")):
            result[name] = torch.ones_like(expected[name])
    return result
