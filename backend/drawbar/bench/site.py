"""Unlike corpora -> SAEs trained on each, tested on all, as if they named each layer: which are refused.

Those that name their own layer are never to be refused; of the others, as many as the streams let us tell.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drawbar.bench.clips import Progress
from drawbar.errors import BadInputError
from drawbar.musicgen import Model
from drawbar.pipeline.inputs.sources import open_source
from drawbar.pipeline.settings import BuildSettings
from drawbar.residuals import harvest
from drawbar.sae import SAE, SaeSettings, site_test
from drawbar.sae.train import train_sae

_CLIP_S = 10.0
_HELD_OUT = 0.27
_BATCH = 1024
_SAE = SaeSettings(d_sae=512, k=16, batch=_BATCH, log_every=50)

Residuals = dict[int, list[Tensor]]
"""layer -> one [N, D] a clip, in half precision."""


def run(
    model: Model,
    corpora: Sequence[str],
    *,
    layers: Sequence[int] | None = None,
    clips: int = 33,
    steps: int = 250,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train an SAE a corpus and layer, test each on every corpus's held-out clips; plain JSON values.

    Raises:
        BadInputError: a corpus that cannot be opened or holds fewer than four clips, or layers that there are not.
    """
    tell = progress or (lambda _what, _share: None)
    started = time.perf_counter()
    wanted = sorted(set(range(model.spec.n_layers) if layers is None else layers))
    if not wanted or not 0 <= wanted[0] <= wanted[-1] < model.spec.n_layers:
        raise BadInputError(f"layers {wanted}: {model.spec.name} has {model.spec.n_layers}, counted from 0")
    heard = []
    for number, corpus in enumerate(corpora):
        tell(f"residuals of {corpus}", 0.3 * number / len(corpora))
        heard.append(_residuals(model, corpus, wanted, clips, device))
    cases = []
    for number, corpus in enumerate(corpora):
        for place, layer in enumerate(wanted):
            done = (number + place / len(wanted)) / len(corpora)
            tell(f"SAE of layer {layer} on {corpus}", 0.3 + 0.7 * done)
            sae = _trained(heard[number][layer], layer, steps, device)
            for other, tested in zip(corpora, heard, strict=True):
                for said in wanted:
                    cases.append(
                        {"trained_on": corpus, "tested_on": other, **_case(sae, layer, said, tested)}
                    )
    return {
        "model": model.spec.name,
        "corpora": list(corpora),
        "layers": wanted,
        "steps": steps,
        "cases": cases,
        "wall_s": round(time.perf_counter() - started, 1),
    }


def rows(result: dict[str, Any]) -> list[list[object]]:
    """The confusion table: a line for each layer trained at, how many of its cases are refused where it names each."""
    table: list[list[object]] = []
    for layer in result["layers"]:
        cells: list[object] = [f"layer {layer}"]
        for said in result["layers"]:
            mine = [case for case in result["cases"] if (case["layer"], case["said"]) == (layer, said)]
            cells.append(f"{sum(case['refused'] for case in mine)} of {len(mine)}")
        table.append(cells)
    return table


def summary(result: dict[str, Any]) -> str:
    """One line: wrong refusals, and mismatches found next door and further away."""
    at = {0: [0, 0], 1: [0, 0], 2: [0, 0]}
    for case in result["cases"]:
        count = at[min(2, abs(case["layer"] - case["said"]))]
        count[0] += case["refused"]
        count[1] += 1
    least = min((c["probability"] for c in result["cases"] if c["layer"] == c["said"]), default=1.0)
    return (
        f"refused at home: {at[0][0]} of {at[0][1]} (least probability there: {least:.2f}); one layer off: "
        f"{at[1][0]} of {at[1][1]}; further off: {at[2][0]} of {at[2][1]}; {result['wall_s']:g} s"
    )


def _residuals(model: Model, corpus: str, layers: Sequence[int], clips: int, device: str) -> Residuals:
    """The first ten seconds or so of each track, more of each where there are fewer tracks than clips."""
    source = open_source(
        BuildSettings(corpus=corpus, out=Path(), clip_s=_CLIP_S, piece_s=_CLIP_S, device=device)
    )
    each = -(-clips // max(1, len(source.tracks)))
    tokens: list[Tensor] = []
    for track in range(len(source.tracks)):
        for number, excerpt in enumerate(source.excerpts(track, model.codec.sample_rate_hz)):
            if number == each or len(tokens) == clips:
                break
            audio = torch.from_numpy(excerpt.audio)[None, None].to(device)
            with torch.no_grad():
                tokens.append(model.codec.encode(audio)[0, :, : model.spec.context_frames].cpu())
    if len(tokens) < 4:
        raise BadInputError(f"corpus {corpus!r}: {len(tokens)} clips of {_CLIP_S:g} s; give at least four")
    found: Residuals = {layer: [] for layer in layers}
    for part in harvest(model, tokens, layers, batch=1):
        for layer in layers:
            found[layer].append(part.rows[layer].half().cpu())
    return found


def _held_out(clips: list[Tensor]) -> int:
    return max(1, round(_HELD_OUT * len(clips)))


def _trained(clips: list[Tensor], layer: int, steps: int, device: str) -> SAE:
    x = torch.cat(clips[: -_held_out(clips)])
    generator = torch.Generator().manual_seed(layer)
    settings = replace(_SAE, steps=steps)
    batches = (x[torch.randint(len(x), (_BATCH,), generator=generator)].float() for _ in range(steps + 50))
    return train_sae(batches, settings, layer=layer, device=device).sae


def _case(sae: SAE, layer: int, said: int, tested: Residuals) -> dict[str, Any]:
    moved = sae.empty_like()
    moved.load_state_dict(sae.state_dict())
    moved.layer = said
    near = {n: tested[n][-_held_out(tested[n]) :] for n in (said - 1, said, said + 1) if n in tested}
    found = site_test(moved, near)
    return {
        "layer": layer,
        "said": said,
        "best": found.best,
        "probability": round(found.probability[said], 6),
        "refused": not found.passed,
    }
