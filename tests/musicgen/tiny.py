"""A folder to write into -> a small random MusicGen in the released Hugging Face layout, with T5 and EnCodec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import EncodecConfig, EncodecModel, T5Config, T5EncoderModel

from drawbar.musicgen.checkpoint.weights import save_hf
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.spec import ModelSpec

WORDS = ("slow", "fast", "piano", "drums", "in", "a", "minor", "with")

SPEC = ModelSpec(
    name="tiny",
    d_model=32,
    n_layers=3,
    n_heads=4,
    d_ff=64,
    card=32,
    text_dim=24,
    frame_rate_hz=50.0,
    context_frames=40,
)


def tokenizer_file(folder: Path) -> Path:
    """A closed, lower-cased vocabulary that ends every prompt with </s>, as T5's does."""
    vocabulary = {word: i for i, word in enumerate(("<pad>", "</s>", "<unk>", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def text_encoder() -> Any:
    """Random T5 of the size that SPEC asks for."""
    config = T5Config(
        vocab_size=3 + len(WORDS),
        d_model=SPEC.text_dim,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
    )
    return T5EncoderModel(config).eval()


def encodec(**changes: Any) -> Any:
    """Random EnCodec as released for 32 kHz: not causal, two LSTM layers, 640 samples a frame."""
    options: dict[str, Any] = dict(
        sampling_rate=32_000,
        audio_channels=1,
        normalize=False,
        use_causal_conv=False,
        num_filters=2,
        hidden_size=8,
        codebook_size=SPEC.card,
        upsampling_ratios=[8, 5, 4, 4],
        target_bandwidths=[1.0],
        num_lstm_layers=2,
        norm_type="weight_norm",
    )
    model: Any = EncodecModel(EncodecConfig(**{**options, **changes})).eval()
    for layer in model.quantizer.layers:
        layer.codebook.embed.copy_(torch.randn_like(layer.codebook.embed))
    return model


def write_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Writes the checkpoint in single precision and returns its folder."""
    torch.manual_seed(seed)
    decoder = Decoder(SPEC)
    for block in decoder.blocks:
        for norm in (block.self_norm, block.cross_norm, block.ff_norm):
            torch.nn.init.normal_(norm.bias, std=0.1)
    save_hf(folder, SPEC, decoder, text_encoder(), tokenizer_file(folder), encodec(), dtype=torch.float32)
    return folder
