"""The same weights through transformers' ``MusicgenForConditionalGeneration`` -> logits and residuals to equal.

Filled from the checkpoint's own tensors where the folder has the Hugging Face layout; text encoder and codec are left
empty. Knows nothing of our network's code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.musicgen.checkpoint.raw_tensors import Origin
from drawbar.musicgen.checkpoint.weights import to_hf
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.parity.interface import Edit, Passed, Text, hooked, with_clock

_TABLE = "model.decoder.embed_positions.weights"


class TransformersReference:
    """See ``oracle.Oracle``. Float32, on ``device``."""

    name = "transformers"

    def __init__(
        self, decoder: Decoder, origin: Origin | None = None, device: torch.device | str = "cpu"
    ) -> None:
        from transformers import (
            EncodecConfig,
            MusicgenConfig,
            MusicgenForConditionalGeneration,
            MusicgenMelodyConfig,
            MusicgenMelodyForConditionalGeneration,
            T5Config,
        )

        own = origin if origin is not None and origin.layout == "hf" else None
        spec = decoder.spec
        settings = dict(own.settings) if own is not None else _settings(decoder)
        settings = {**settings, "dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
        with _quiet(), torch.device("meta"):
            parts: dict[str, Any] = {
                # Stand-ins: text states and tokens are handed over.
                "text_encoder": T5Config(d_model=spec.text_dim, num_layers=1, vocab_size=8).to_dict(),
                "audio_encoder": EncodecConfig(num_filters=2, upsampling_ratios=[2]).to_dict(),
                "decoder": settings,
            }
            model: Any
            if spec.melody_frames:
                model = MusicgenMelodyForConditionalGeneration(
                    MusicgenMelodyConfig(**parts, chroma_length=spec.melody_frames)
                )
            else:
                model = MusicgenForConditionalGeneration(MusicgenConfig(**parts))
        tensors = {n: t.to(device) for n, t in (to_hf(decoder) if own is None else own.tensors).items()}
        self._project = _projection(tensors)
        self.projects_itself = hasattr(model, "enc_to_dec_proj")
        """Whether transformers has a place for the projection; it has none where text and decoder are equally wide."""
        if self.projects_itself and self._project is not None:
            weight, bias = self._project
            model.enc_to_dec_proj.load_state_dict({"weight": weight, "bias": bias}, assign=True)
        if spec.melody_frames:
            weight, bias = (tensors[f"audio_enc_to_dec_proj.{part}"].float() for part in ("weight", "bias"))
            model.audio_enc_to_dec_proj.load_state_dict({"weight": weight, "bias": bias}, assign=True)
        self._melody_frames = spec.melody_frames
        state = {
            n.removeprefix("decoder."): t.float() for n, t in tensors.items() if n.startswith("decoder.")
        }
        state.pop(_TABLE, None)
        model.decoder.load_state_dict(state, assign=True)
        positions = model.decoder.model.decoder.embed_positions
        del positions.weights
        positions.make_weights(positions.num_positions, positions.embedding_dim)
        count = torch.arange(len(positions.weights))
        positions.weights = with_clock(positions.weights, count, spec.clock_periods).to(device)
        self.model = model.eval().requires_grad_(False)
        self._text_dim, self._device = spec.text_dim, torch.device(device)
        self._channels = int(model.config.decoder.audio_channels)

    @property
    def layers(self) -> nn.ModuleList:
        found: nn.ModuleList = self.model.decoder.model.decoder.layers
        return found

    def steps(self, tokens: Tensor) -> Tensor:
        """See Oracle: ``build_delay_pattern_mask`` of a complete clip."""
        batch, books, frames = tokens.shape
        pad = int(self.model.config.decoder.pad_token_id)
        begun = F.pad(tokens, (1, 0), value=pad).reshape(batch * books, frames + 1)
        _, steps = self.model.decoder.build_delay_pattern_mask(
            begun, pad, max_length=frames + books // self._channels
        )
        result: Tensor = steps.view(batch, books, -1)
        return result

    @torch.inference_mode()
    def run(
        self,
        steps: Tensor,
        text: Text | None = None,
        edits: Mapping[int, Edit] | None = None,
        melody: Tensor | None = None,
    ) -> Passed:
        from transformers.modeling_outputs import BaseModelOutput

        batch, books, length = steps.shape
        if text is None:
            text = torch.zeros(batch, 1, self._text_dim), torch.zeros(batch, 1)
        states, mask = (part.to(self._device) for part in text)
        if not self.projects_itself and self._project is not None:
            states = F.linear(states, *self._project)
        seen: dict[int, Tensor] = {}
        if melody is not None:
            # What its own ``_prepare_encoder_hidden_states_kwargs_for_generation`` puts before the steps.
            words = self.model.enc_to_dec_proj(states) if self.projects_itself else states
            tones = self.model.audio_enc_to_dec_proj(melody.to(self._device))
            before = torch.cat([tones, words * mask.to(words.dtype).unsqueeze(-1)], dim=1)
            with hooked(self.layers, edits, seen, before.shape[1]):
                out = self.model(
                    encoder_hidden_states=before,
                    decoder_input_ids=steps.to(self._device).reshape(batch * books, length),
                    use_cache=False,
                )
            logits = out.logits.view(batch, books, -1, out.logits.shape[-1])
            return Passed(logits[:, :, -length:], seen)
        with hooked(self.layers, edits, seen):
            out = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=states),
                attention_mask=mask.long(),
                decoder_input_ids=steps.to(self._device).reshape(batch * books, length),
                use_cache=False,
            )
        return Passed(out.logits.view(batch, books, length, -1), seen)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' remark that the padding token lies outside the vocabulary, as in every MusicGen."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _settings(decoder: Decoder) -> dict[str, object]:
    spec = decoder.spec
    return {
        "hidden_size": spec.d_model,
        "num_hidden_layers": spec.n_layers,
        "num_attention_heads": spec.n_heads,
        "ffn_dim": spec.d_ff,
        "vocab_size": spec.card,
        "num_codebooks": spec.n_q,
        "audio_channels": spec.channels,
        "pad_token_id": spec.card,
        "bos_token_id": spec.card,
    }


def _projection(tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    if "enc_to_dec_proj.weight" not in tensors:
        return None
    return tensors["enc_to_dec_proj.weight"].float(), tensors["enc_to_dec_proj.bias"].float()
