"""The composer's closed vocabulary -> a word tokenizer and a small T5 encoder, trained with the decoder."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, models, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from drawbar.bundled.recipe import DecoderSettings
from drawbar.corpus import PROMPT_WORDS
from drawbar.corpus.composer.prompt_rules import prompt_normalizer, prompt_splitter

_SPECIAL = ("<pad>", "</s>", "<unk>")


def make_tokenizer(folder: Path | None = None) -> PreTrainedTokenizerFast:
    """One token a word, what people type replaced by the composer's words; saved into ``folder`` when given.

    Words outside the vocabulary become ``<unk>``, which the prompt encoder drops.
    """
    vocabulary = {word: number for number, word in enumerate((*_SPECIAL, *PROMPT_WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = prompt_normalizer()
    tokenizer.pre_tokenizer = prompt_splitter()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=96,
    )
    if folder is not None:
        fast.save_pretrained(folder)
    return fast


def make_text_encoder(settings: DecoderSettings) -> T5EncoderModel:
    """A fresh encoder whose states are ``[B, L, d_model]``."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(_SPECIAL) + len(PROMPT_WORDS),
            d_model=settings.d_model,
            d_kv=settings.d_model // settings.heads,
            num_heads=settings.heads,
            d_ff=2 * settings.d_model,
            num_layers=settings.text_layers,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
