"""The same weights through audiocraft's ``LMModel`` -> the logits and residuals ours must equal.

The oracle: slow, full-sequence, with forward hooks on ``transformer.layers[n]``. Needs the ``audiocraft`` extra; what
audiocraft imports but this path never runs (xformers, spacy) is stood in for. Knows nothing of our network's code.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from drawbar.errors import MissingDependencyError
from drawbar.musicgen.network import Decoder
from drawbar.musicgen.weights import to_audiocraft

__all__ = ["Reference", "import_audiocraft"]

Text = tuple[Tensor, Tensor]


def import_audiocraft() -> Any:
    """The module ``audiocraft.models.lm``. Raises MissingDependencyError where the extra is not installed."""
    if importlib.util.find_spec("audiocraft") is None:
        raise MissingDependencyError(
            "the reference engine needs audiocraft: run `python3 packaging/run.py setup --all`, or install the "
            "`audiocraft` extra from packaging/requirements.lock"
        )
    absent = [name for name in ("xformers", "spacy") if importlib.util.find_spec(name) is None]
    names = [name for top in absent for name in ((top, "xformers.ops") if top == "xformers" else (top,))]
    stand_ins = {name: types.ModuleType(name) for name in names if name not in sys.modules}
    for name, module in stand_ins.items():
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    if "xformers" in stand_ins:
        vars(stand_ins["xformers"])["ops"] = stand_ins["xformers.ops"]
        # The one operation of it on this path; torch's own does the same.
        vars(stand_ins["xformers.ops"])["unbind"] = torch.unbind
    sys.modules.update(stand_ins)
    # audiocraft imports laion_clap if it can, and that asks the Hub for tokenizers at import: not here.
    clap_absent = "laion_clap" not in sys.modules
    if clap_absent:
        cast(dict[str, Any], sys.modules)["laion_clap"] = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from audiocraft.models import lm
    finally:
        # Others that look for these packages must not find the stand-ins.
        for name in (*stand_ins, *(["laion_clap"] if clap_absent else [])):
            del sys.modules[name]
    return lm


class Reference:
    """audiocraft's language model, filled with a decoder's weights (float32, CPU)."""

    def __init__(self, decoder: Decoder) -> None:
        lm = import_audiocraft()
        from audiocraft.modules.codebooks_patterns import DelayedPatternProvider
        from audiocraft.modules.conditioners import ConditionFuser, ConditioningProvider

        spec = decoder.spec
        fuser = ConditionFuser({"cross": ["description"], "sum": [], "prepend": [], "input_interpolate": []})
        self._decoder = decoder
        self.model = lm.LMModel(
            DelayedPatternProvider(spec.n_q, delays=list(spec.delays)),
            ConditioningProvider({}),
            fuser,
            n_q=spec.n_q,
            card=spec.card,
            dim=spec.d_model,
            num_heads=spec.n_heads,
            hidden_scale=spec.d_ff / spec.d_model,
            norm_first=True,
            bias_proj=False,
            num_layers=spec.n_layers,
            dropout=0.0,
            activation="gelu",
            bias_ff=False,
            bias_attn=False,
            causal=True,
            custom=True,
            cross_attention=True,
        )
        state = {
            n: t.float() for n, t in to_audiocraft(decoder).items() if not n.startswith("condition_provider.")
        }
        self.model.load_state_dict(state)
        self.model.eval()

    @torch.no_grad()
    def logits(
        self, tokens: Tensor, text: Text | None = None, add: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """Tokens ``[B, K, T]`` and text states with mask -> logits ``[B, K, T, card]``, NaN past the valid steps.

        ``add`` maps layers to vectors ``[D]`` that a hook adds to their residual (steering).
        """
        handles = [
            self._layers[layer].register_forward_hook(_adding(vector))
            for layer, vector in (add or {}).items()
        ]
        try:
            output = self.model.compute_predictions(tokens, [], self._conditions(tokens.shape[0], text))
        finally:
            for handle in handles:
                handle.remove()
        result: Tensor = output.logits
        return result

    @torch.no_grad()
    def residuals(
        self, tokens: Tensor, text: Text | None = None, layers: Sequence[int] = ()
    ) -> dict[int, Tensor]:
        """Tokens ``[B, K, T]`` -> layer -> what ``transformer.layers[layer]`` puts out, ``[B, T + 1, D]``."""
        seen: dict[int, Tensor] = {}
        handles = [self._layers[layer].register_forward_hook(_keeping(seen, layer)) for layer in layers]
        try:
            self.model.compute_predictions(tokens, [], self._conditions(tokens.shape[0], text))
        finally:
            for handle in handles:
                handle.remove()
        return seen

    @property
    def _layers(self) -> Any:
        return self.model.transformer.layers

    def _conditions(self, batch: int, text: Text | None) -> dict[str, Text]:
        """The condition tensors as audiocraft's T5 conditioner hands them over: projected, then masked."""
        if text is None:
            text = torch.zeros(batch, 1, self._decoder.spec.text_dim), torch.zeros(batch, 1)
        states, mask = text
        return {"description": (self._decoder.text_proj(states) * mask.unsqueeze(-1).to(states.dtype), mask)}


def _adding(vector: Tensor) -> Any:
    return lambda module, inputs, output: output + vector


def _keeping(seen: dict[int, Tensor], layer: int) -> Any:
    def keep(module: Any, inputs: Any, output: Tensor) -> None:
        seen[layer] = output.detach()

    return keep
