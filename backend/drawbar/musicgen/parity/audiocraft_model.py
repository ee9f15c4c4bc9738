"""The same weights through audiocraft's ``LMModel`` -> the logits and residuals ours must equal.

Slow, with forward hooks on ``transformer.layers[n]``. Filled from the checkpoint's own tensors where the folder has
audiocraft's layout. Needs the ``audiocraft`` extra; what audiocraft imports but this path never runs (xformers, spacy)
is stood in for. Knows nothing of our network's code.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
import warnings
from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.errors import MissingDependencyError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen.checkpoint.raw_tensors import Origin
from drawbar.musicgen.checkpoint.weights import to_audiocraft
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.parity.interface import Edit, Passed, Text, hooked, with_clock

_MELODY = "condition_provider.conditioners.self_wav.output_proj"
_TEXT = "condition_provider.conditioners.description.output_proj"


def has_audiocraft() -> bool:
    return importlib.util.find_spec("audiocraft") is not None


def import_audiocraft() -> Any:
    """The module ``audiocraft.models.lm``. Raises MissingDependencyError where the extra is not installed."""
    if not has_audiocraft():
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
        cast(JsonObject, sys.modules)["laion_clap"] = None
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
    """audiocraft's language model (see ``oracle.Oracle``), float32, on ``device``."""

    name = "audiocraft"

    def __init__(
        self, decoder: Decoder, origin: Origin | None = None, device: torch.device | str = "cpu"
    ) -> None:
        lm = import_audiocraft()
        from audiocraft.modules.codebooks_patterns import DelayedPatternProvider
        from audiocraft.modules.conditioners import ConditionFuser, ConditioningProvider

        own = origin if origin is not None and origin.layout == "audiocraft" else None
        sizes = _sizes(decoder) if own is None else own.settings
        read = ["self_wav", "description"] if decoder.spec.melody_frames else ["description"]
        places: dict[str, list[str]] = {"cross": [], "sum": [], "prepend": [], "input_interpolate": []}
        places["prepend" if decoder.spec.melody_frames else "cross"] = read
        fuser = ConditionFuser(places)
        # Without delays of the file's own, audiocraft delays every codebook by one more than the one before.
        self.pattern = DelayedPatternProvider(sizes["n_q"], delays=sizes.get("delays"))
        with torch.device("meta"):
            self.model = lm.LMModel(
                self.pattern,
                ConditioningProvider({}),
                fuser,
                n_q=sizes["n_q"],
                card=sizes["card"],
                dim=sizes["dim"],
                num_heads=sizes["num_heads"],
                hidden_scale=sizes["hidden_scale"],
                norm_first=True,
                bias_proj=False,
                num_layers=sizes["num_layers"],
                dropout=0.0,
                activation="gelu",
                bias_ff=False,
                bias_attn=False,
                causal=True,
                custom=True,
                cross_attention=not decoder.spec.melody_frames,
            )
        tensors = {
            n: t.float().to(device)
            for n, t in (to_audiocraft(decoder) if own is None else own.tensors).items()
        }
        self._melody = (
            (tensors[f"{_MELODY}.weight"], tensors[f"{_MELODY}.bias"]) if decoder.spec.melody_frames else None
        )
        self._project = tensors[f"{_TEXT}.weight"], tensors[f"{_TEXT}.bias"]
        state = {n: t for n, t in tensors.items() if not n.startswith("condition_provider.")}
        self.model.load_state_dict(state, assign=True)
        self.model.eval().requires_grad_(False)
        if decoder.spec.clock_periods:
            self.model.transformer.register_forward_pre_hook(_clock(decoder.spec.clock_periods))
        self.n_q, self.card = int(sizes["n_q"]), int(sizes["card"])
        self.device = torch.device(device)

    @property
    def layers(self) -> nn.ModuleList:
        found: nn.ModuleList = self.model.transformer.layers
        return found

    def steps(self, tokens: Tensor) -> Tensor:
        pattern = self.pattern.get_pattern(tokens.shape[2])
        steps: Tensor = pattern.build_pattern_sequence(tokens, self.card)[0]
        return steps

    @torch.inference_mode()
    def run(
        self,
        steps: Tensor,
        text: Text | None = None,
        edits: Mapping[int, Edit] | None = None,
        melody: Tensor | None = None,
    ) -> Passed:
        """See Oracle. Padded text is *not* masked by audiocraft: give rows of one length, or null ones."""
        seen: dict[int, Tensor] = {}
        conditions = self.conditions(steps.shape[0], text, melody)
        before = 0 if melody is None else sum(states.shape[1] for states, _ in conditions.values())
        with hooked(self.layers, edits, seen, before):
            logits = self.model(steps.to(self.device), [], conditions)
        return Passed(logits, seen)

    @torch.inference_mode()
    def logits(
        self, tokens: Tensor, text: Text | None = None, add: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """Tokens ``[B, K, T]`` -> logits ``[B, K, T, card]`` as audiocraft realigns them, NaN past the valid steps.

        ``add`` maps layers to vectors ``[D]`` that a hook adds to their residual (steering).
        """
        edits = {layer: _adding(vector) for layer, vector in (add or {}).items()}
        with hooked(self.layers, edits, {}):
            output = self.model.compute_predictions(tokens, [], self.conditions(tokens.shape[0], text))
        result: Tensor = output.logits
        return result

    def conditions(self, batch: int, text: Text | None, melody: Tensor | None = None) -> dict[str, Text]:
        """The condition tensors as audiocraft's T5 conditioner hands them over: projected, then masked."""
        if text is None:
            text = torch.zeros(batch, 1, self._project[0].shape[1]), torch.zeros(batch, 1)
        states, mask = text[0].to(self.device), text[1].to(self.device)
        projected = F.linear(states, *self._project) * mask.unsqueeze(-1).to(states.dtype)
        found = {"description": (projected, mask)}
        if melody is not None and self._melody is not None:
            # In audiocraft's own order: what is prepended last stands first.
            tones = F.linear(melody.to(self.device), *self._melody)
            found["self_wav"] = tones, torch.ones_like(tones[..., 0])
        return found


def _sizes(decoder: Decoder) -> JsonMapping:
    spec = decoder.spec
    return {
        "n_q": spec.n_q,
        "delays": [book // spec.channels for book in range(spec.n_q)],
        "card": spec.card,
        "dim": spec.d_model,
        "num_heads": spec.n_heads,
        "num_layers": spec.n_layers,
        "hidden_scale": spec.d_ff / spec.d_model,
    }


def _clock(periods: tuple[int, ...]) -> Any:
    """A hook that adds what a clock's positions differ by from those that the transformer adds itself."""

    def add(transformer: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        from audiocraft.modules.transformer import create_sin_embedding

        x, *others = inputs
        first = transformer._streaming_state.get("offsets", torch.zeros(len(x), dtype=torch.long))
        at = torch.arange(x.shape[1], device=x.device) + first.to(x.device)[:, None]
        plain = create_sin_embedding(at[..., None], x.shape[2], max_period=transformer.max_period)
        return (x + (with_clock(plain, at, periods) - plain), *others)

    return add


def _adding(vector: Tensor) -> Edit:
    return lambda x: x + vector
