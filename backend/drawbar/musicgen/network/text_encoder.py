"""Prompts -> text states [B, L, Dt] and a mask [B, L], by the T5 encoder that came with the model.

An empty prompt (or one without a known word) is null text: a row without a word. Each prompt is encoded by itself, so
its states do not depend on the others. Knows nothing of the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models
from torch import Tensor

from drawbar.errors import BadInputError, CheckpointError
from drawbar.musicgen.network.meta_init import blank
from drawbar.musicgen.network.t5 import T5Encoder, T5Settings
from drawbar.musicgen.spec import MOST_WORDS
from drawbar.musicgen.untrusted_files import compare


class TextEncoder:
    """A tokenizer and a T5 encoder; remembers the prompts it has encoded last."""

    def __init__(self, encoder: T5Encoder, tokenizer: Tokenizer, device: torch.device | str = "cpu") -> None:
        self.encoder = encoder.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.text_dim = encoder.settings.d_model
        self._device = torch.device(device)
        self._closed = isinstance(tokenizer.model, models.WordLevel)
        self._unknown = tokenizer.token_to_id("<unk>")
        self._seen: dict[str, Tensor] = {}

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that a closed vocabulary does not have; they are dropped."""
        if not self._closed:
            return []
        encoding = self.tokenizer.encode(prompt)
        return [
            prompt[a:b]
            for id, (a, b) in zip(encoding.ids, encoding.offsets, strict=True)
            if id == self._unknown
        ]

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str | None]) -> tuple[Tensor, Tensor]:
        """Prompts, B of them (None = null) -> states ``[B, L, Dt]`` and mask ``[B, L]``; L is at least 1.

        Raises BadInputError for a prompt that is too long.
        """
        rows = [self._states(prompt) for prompt in prompts]
        length = max(1, *(row.shape[0] for row in rows)) if rows else 1
        states = torch.zeros(len(rows), length, self.text_dim, device=self._device)
        mask = torch.zeros(len(rows), length, dtype=torch.bool, device=self._device)
        for place, row in enumerate(rows):
            states[place, : row.shape[0]] = row
            mask[place, : row.shape[0]] = True
        return states, mask

    def _states(self, prompt: str | None) -> Tensor:
        """One prompt -> ``[L, Dt]``; no rows for null text."""
        if prompt is None or not prompt.strip():
            return torch.zeros(0, self.text_dim, device=self._device)
        if prompt not in self._seen:
            encoding = self.tokenizer.encode(prompt)
            words = [
                id
                for id, special in zip(encoding.ids, encoding.special_tokens_mask, strict=True)
                if not special
            ]
            ids = encoding.ids
            if self._closed:
                ids = [id for id in ids if id != self._unknown]
                words = [id for id in words if id != self._unknown]
            if not words:
                return torch.zeros(0, self.text_dim, device=self._device)
            if len(ids) > MOST_WORDS:
                raise BadInputError(
                    f"the prompt has {len(ids)} tokens, at most {MOST_WORDS} are read: shorten it"
                )
            if len(self._seen) > 256:
                self._seen.clear()
            self._seen[prompt] = self.encoder(torch.tensor([ids], device=self._device))[0]
        return self._seen[prompt]


def load_text_encoder(
    folder: Path,
    config: Mapping[str, object],
    tensors: Mapping[str, Tensor],
    device: torch.device | str = "cpu",
) -> TextEncoder:
    """The ``text_encoder`` section of a configuration, its tensors (prefix removed) and the folder's tokenizer.

    Raises CheckpointError for another architecture than T5, missing tensors, or no tokenizer.
    """
    if config.get("model_type") != "t5":
        raise CheckpointError(
            f"the text encoder in {folder} is a {config.get('model_type')!r}, MusicGen's is a t5: "
            "the folder mixes two models; copy it again"
        )
    try:
        settings = T5Settings.read(config)
    except BadInputError as error:
        raise CheckpointError(
            f"the text encoder's configuration in {folder} does not describe a T5 ({error}): copy it again"
        ) from error
    encoder = blank(lambda: T5Encoder(settings))
    # Copied, so that no tensor still lies in the file.
    state = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    shared = state.get("shared.weight", state.get("encoder.embed_tokens.weight"))
    if shared is not None:
        state["shared.weight"] = state["encoder.embed_tokens.weight"] = shared
    compare(state, encoder.state_dict(), "text_encoder.", "the text encoder")
    encoder.load_state_dict(state, assign=True)
    encoder.encoder.embed_tokens = encoder.shared
    tokenizer = _tokenizer(folder)
    if tokenizer.get_vocab_size() > settings.vocab_size:
        raise CheckpointError(
            f"the tokenizer in {folder} has {tokenizer.get_vocab_size()} words, its T5 {settings.vocab_size}: "
            "the folder mixes two models; copy it again"
        )
    return TextEncoder(encoder, tokenizer, device)


def _tokenizer(folder: Path) -> Tokenizer:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise CheckpointError(
            f"{file} is missing: without it no prompt can be read; copy the whole folder again"
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise CheckpointError(f"{file} is damaged ({error}): copy it again") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
