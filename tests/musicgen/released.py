"""A folder to write into -> a small random MusicGen as transformers or audiocraft itself saves one.

Four codebooks, cross-attention on T5, the 32 kHz EnCodec with its LSTM, not causal. None of our mapping is used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import (
    MusicgenConfig,
    MusicgenForConditionalGeneration,
    MusicgenMelodyConfig,
    MusicgenMelodyForConditionalGeneration,
)

from tests.musicgen.tiny import encodec, text_encoder, tokenizer_file

D, LAYERS, HEADS, FF, CARD, TEXT = 48, 4, 4, 192, 32, 24

AUDIOGEN = {"sampling_rate": 16_000, "upsampling_ratios": [8, 5, 4, 2]}
"""What its codec has otherwise than MusicGen's."""
STEREO_DELAYS = (0, 0, 1, 1, 2, 2, 3, 3)

XP = f"""
transformer_lm:
  dim: {D}
  num_heads: {HEADS}
  num_layers: {LAYERS}
  hidden_scale: {FF // D}
  n_q: 4
  card: {CARD}
  norm_first: true
  bias_proj: false
  bias_ff: false
  bias_attn: false
  causal: true
  activation: gelu
codebooks_pattern:
  modeling: delay
  delay:
    delays: [0, 1, 2, 3]
    flatten_first: 0
    empty_initial: 0
conditioners:
  description:
    model: t5
    t5: {{name: t5-base, finetune: false, normalize_text: false}}
fuser: {{cross: [description], sum: [], prepend: []}}
dataset: {{segment_duration: 30}}
channels: 1
"""

MELODY_FUSER = (
    "fuser: {cross: [description], sum: [], prepend: []}",
    "fuser: {cross: [], sum: [], prepend: [self_wav, description]}",
)
MELODY_CONDITIONER = (
    "conditioners:\n",
    "conditioners:\n  self_wav:\n    model: chroma_stem\n"
    "    chroma_stem: {n_chroma: 12, radix2_exp: 14, argmax: true}\n",
)
STEREO_XP = (
    XP.replace("n_q: 4", "n_q: 8")
    .replace("delays: [0, 1, 2, 3]", f"delays: {list(STEREO_DELAYS)}")
    .replace("channels: 1", "channels: 2\ninterleave_stereo_codebooks: {use: true, per_timestep: false}")
)
"""As audiocraft's grid of stereo fine-tunings sets it."""


@torch.no_grad()
def randomised(model: nn.Module, seed: int) -> None:
    """Weights of the size that training would give: logits that differ, norms that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            parameter.add_(0.1 * noise)
        else:
            parameter.copy_(noise / parameter.shape[1] ** 0.5)


@torch.no_grad()
def lively_codec(seed: int = 0, *, loud: bool = False, **changes: Any) -> Any:
    """An EnCodec whose codebooks hold what its encoder puts out, so that sounds differ in their tokens.

    In a ``loud`` one tokens differ in their sound, too: its decoder's gains are larger than random ones.
    """
    codec = encodec(**changes)
    for name, value in codec.decoder.named_parameters():
        if loud and name.endswith("original0"):
            value.mul_(2.5)
    generator = torch.Generator().manual_seed(seed)
    residual = codec.encoder(torch.randn(1, 1, 64_000, generator=generator) / 3)
    for layer in codec.quantizer.layers:
        chosen = torch.randperm(residual.shape[2], generator=generator)[: codec.config.codebook_size]
        layer.codebook.embed.copy_(residual[0, :, chosen].T)
        residual = residual - layer.decode(layer.encode(residual))
    return codec


def write_hf(
    folder: Path, seed: int = 0, *, quiet: bool = False, stereo: bool = False, melody: bool = False
) -> Path:
    """As ``MusicgenForConditionalGeneration.save_pretrained`` writes it.

    In a ``quiet`` model attention adds next to nothing, so that a faint residual is still faint at every norm.
    """
    torch.manual_seed(seed)
    text, codec = text_encoder(), lively_codec(seed, loud=stereo)
    decoder = {
        "hidden_size": D,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "ffn_dim": FF,
        "vocab_size": CARD,
        "pad_token_id": CARD,
        "bos_token_id": CARD,
    }
    if stereo:
        decoder |= {"num_codebooks": 8, "audio_channels": 2}
    parts = {
        "text_encoder": text.config.to_dict(),
        "audio_encoder": codec.config.to_dict(),
        "decoder": decoder,
    }
    model: Any
    if melody:
        model = MusicgenMelodyForConditionalGeneration(
            MusicgenMelodyConfig(**parts), text_encoder=text, audio_encoder=codec
        )
        randomised(model.audio_enc_to_dec_proj, seed + 2)
    else:
        model = MusicgenForConditionalGeneration(
            MusicgenConfig(**parts), text_encoder=text, audio_encoder=codec
        )
    randomised(model.decoder, seed)
    randomised(model.enc_to_dec_proj, seed + 1)
    for layer in model.decoder.model.decoder.layers if quiet else ():
        layer.self_attn.out_proj.weight.data.mul_(1e-3)
        layer.encoder_attn.out_proj.weight.data.mul_(1e-3)
    model.save_pretrained(folder)
    tokenizer_file(folder)
    return folder


def write_audiocraft(
    folder: Path, seed: int = 0, *, stereo: bool = False, melody: bool = False, sounds: bool = False
) -> Path:
    """As audiocraft exports its ``LMModel``, with what the files only name (T5, the codec) beside them.

    ``sounds`` is an AudioGen: 16 kHz, trained on 10 s.
    """
    from drawbar.musicgen.parity.audiocraft_model import import_audiocraft

    lm = import_audiocraft()
    from audiocraft.modules.codebooks_patterns import DelayedPatternProvider
    from audiocraft.modules.conditioners import ConditionFuser, ConditioningProvider

    torch.manual_seed(seed)
    places: dict[str, list[str]] = {"cross": [], "sum": [], "prepend": [], "input_interpolate": []}
    places["prepend" if melody else "cross"] = ["self_wav", "description"] if melody else ["description"]
    fuser = ConditionFuser(places)
    books, delays = (8, STEREO_DELAYS) if stereo else (4, (0, 1, 2, 3))
    pattern = DelayedPatternProvider(books, delays=list(delays))
    options: dict[str, Any] = dict(n_q=books, card=CARD, dim=D, num_heads=HEADS, hidden_scale=FF // D)
    options |= dict(norm_first=True, bias_proj=False, num_layers=LAYERS, activation="gelu", bias_ff=False)
    options |= dict(bias_attn=False, causal=True, custom=True, cross_attention=not melody)
    model = lm.LMModel(pattern, ConditioningProvider({}), fuser, **options)
    projection = nn.Linear(TEXT, D)
    randomised(model, seed)
    randomised(projection, seed + 1)
    state = model.state_dict()
    for name, tensor in projection.state_dict().items():
        state[f"condition_provider.conditioners.description.output_proj.{name}"] = tensor
    if melody:
        projection = nn.Linear(12, D)
        randomised(projection, seed + 2)
        for name, tensor in projection.state_dict().items():
            state[f"condition_provider.conditioners.self_wav.output_proj.{name}"] = tensor
        # Its Spectrogram keeps its window with the weights.
        state["condition_provider.conditioners.self_wav.chroma.spec.window"] = torch.hann_window(16_384)
    settings = STEREO_XP if stereo else XP
    if sounds:
        settings = settings.replace("segment_duration: 30", "segment_duration: 10")
        settings += "solver: audiogen\nsample_rate: 16000\n"
    if melody:
        settings = settings.replace(*MELODY_FUSER).replace(*MELODY_CONDITIONER)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(
        {"best_state": state, "xp.cfg": settings, "version": "1.3.0", "exported": True},
        folder / "state_dict.bin",
    )
    named = {"pretrained": "facebook/encodec_32khz", "version": "1.3.0", "exported": True}
    torch.save(named, folder / "compression_state_dict.bin")
    for part, whole in (
        ("t5", text_encoder()),
        ("codec", lively_codec(seed, loud=stereo, **AUDIOGEN if sounds else {})),
    ):
        (folder / part).mkdir()
        (folder / part / "config.json").write_text(json.dumps(whole.config.to_dict(), default=str))
        tensors = {
            n: t.clone().contiguous() for n, t in whole.state_dict().items() if "embed_tokens" not in n
        }
        save_file(tensors, folder / part / "model.safetensors")
    tokenizer_file(folder / "t5")
    return folder
