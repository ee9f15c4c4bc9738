"""A model and its SAEs -> which of the composer's concepts single features find, against every baseline.

Composed pieces that nothing was trained on, real codec tokens, per frame and per clip. Units, signs, layers and
SAEs are chosen on one half of the pieces, AUROCs are reported on the other.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from drawbar.bank import Bank, FeatureRow
from drawbar.bench import concept_control as control
from drawbar.bench import concept_units as units
from drawbar.bench.clips import Progress
from drawbar.bench.concept_table import CONTROL, markdown, plot, summary, table_rows
from drawbar.bench.concept_units import Found
from drawbar.corpus import CONCEPTS
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_text
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import json_value
from drawbar.musicgen import Model
from drawbar.residuals.composed import SCOPES, Rows, Sampling, Tokens, composed_tokens, sample_rows
from drawbar.sae import SAE, SaeSettings, load_sae

rows = table_rows


@dataclass(frozen=True)
class Judged:
    """An SAE to judge."""

    name: str
    sae: SAE
    settings: SaeSettings
    """How it was trained, as far as its files say; the control is trained the same way."""
    ids: tuple[str, ...] = ()
    """What a bank calls its features; empty outside of banks."""


def from_folders(folders: Sequence[Path], fingerprint: str) -> list[Judged]:
    """SAEs in SAELens' layout, several per layer if wanted. Raises SiteMismatchError for another model's."""
    out = []
    for folder in folders:
        sae = load_sae(folder, fingerprint=fingerprint)
        out.append(Judged(_name(folder), sae, _settings(_recorded(folder), sae)))
    return out


def from_bank(bank: Bank, fingerprint: str) -> list[Judged]:
    """A bank's published features, layer by layer, as SAEs. Raises SiteMismatchError for another model's bank."""
    bank.require_site(fingerprint)
    rows_by_layer: dict[int, list[FeatureRow]] = {}
    for row in bank.search(limit=bank.count() + 1):
        rows_by_layer.setdefault(row.layer, []).append(row)
    recorded = dict(bank.info.sae_settings)
    out = []
    for layer, found in sorted(rows_by_layer.items()):
        found.sort(key=lambda row: row.index)
        vectors = bank.vectors([row.id for row in found])
        k = min(int(recorded.get("k", 32)), len(found))
        cuts = recorded.get("activation", "topk") != "topk"  # each feature fires above its own threshold
        width = vectors["W_dec"].shape[1]
        sae = SAE(width, len(found), k, layer=layer, fingerprint=fingerprint, thresholds=cuts)
        with torch.no_grad():
            sae.W_enc.copy_(torch.from_numpy(vectors["W_enc"]).T)
            sae.W_dec.copy_(torch.from_numpy(vectors["W_dec"]))
            sae.b_enc.copy_(torch.from_numpy(vectors["b_enc"]))
            sae.b_dec.copy_(torch.from_numpy(vectors["b_dec"][layer]))
            if sae.threshold is not None:
                sae.threshold.copy_(torch.from_numpy(vectors["threshold"]))
        ids = tuple(row.id for row in found)
        out.append(Judged(f"bank layer {layer}", sae.requires_grad_(False), _settings(recorded, sae), ids))
    return out


def run(
    model: Model,
    judged: Sequence[Judged],
    *,
    pieces: int = 400,
    seconds: float = 12.0,
    layers: Sequence[int] | None = None,
    control_steps: int = 300,
    control_layers: int = 2,
    sampling: Sampling | None = None,
    soundfont: str | Path | None = None,
    progress: Progress | None = None,
) -> JsonObject:
    """Measure everything; plain JSON values.

    Args:
        model: a loaded model.
        judged: the SAEs; at least one.
        pieces: composed pieces, both splits together.
        seconds: length of each.
        layers: where baselines and probes look (all of the model's by default; the SAEs' are added).
        control_steps: the control SAE is trained as the judged one, but at most so many steps; 0 leaves it out.
        control_layers: how many of the SAEs' layers get a control, the middle ones first.
        sampling: frames, splits and clips.
        soundfont: a General MIDI soundfont.
        progress: told what is done and the share of it.

    Raises:
        BadInputError: no SAE, a layer that the model does not have, too few pieces, no soundfont.
    """
    tell = progress or (lambda _what, _share: None)
    started = time.monotonic()
    depth = int(model.spec.n_layers)
    wanted = sorted({*(range(depth) if layers is None else layers), *(one.sae.layer for one in judged)})
    if not judged or not 0 <= wanted[0] <= wanted[-1] < depth:
        raise BadInputError(f"{len(judged)} SAEs, layers {wanted}: give an SAE and layers of 0..{depth - 1}")
    how = sampling or Sampling()
    tokens = list(
        composed_tokens(
            model,
            pieces,
            seconds,
            soundfont=soundfont,
            told=lambda done: tell(f"composing and encoding piece {done} of {pieces}", 0.25 * done / pieces),
        )
    )
    tell("residuals", 0.25)
    train, test, columns = sample_rows(tokens, model, wanted, how)
    found: list[Found] = []
    for number, layer in enumerate(wanted):
        tell(f"baselines and probes, layer {layer}", 0.4 + 0.3 * number / len(wanted))
        found += _baselines(layer, train, test, _count(judged, layer))
    for number, one in enumerate(judged):
        tell(f"features of {one.name}", 0.7 + 0.1 * number / len(judged))
        found += units.features("SAE", one.name, one.sae, train, test, few=True)
    cut = round(how.train_share * len(tokens))
    found += _controls(model, judged, tokens, how, (control_steps, control_layers), tell)
    names = [CONCEPTS[c] for c in columns]
    head: JsonObject = {
        "model": {"name": model.spec.name, "fingerprint": model.fingerprint},
        "saes": [_described(one) for one in judged],
        "layers": wanted,
        "pieces": {"train": cut, "held_out": len(tokens) - cut, "seconds": seconds},
        "sampling": dataclasses.asdict(how),
        "control": {
            "steps": control_steps,
            "layers": sorted({one.layer for one in found if one.method == CONTROL}),
        },
        "left_out": [name for name in CONCEPTS if name not in names],
    }
    body = summary(names, found, {one.name: one.ids for one in judged if one.ids})
    return head | body | {"wall_s": round(time.monotonic() - started, 1)}


def write_report(result: JsonMapping, page: Path) -> list[Path]:
    """A page, and beside it one plot a scope: ``concepts.md``, ``concepts-frame.svg``, ``concepts-clip.svg``."""
    page.parent.mkdir(parents=True, exist_ok=True)
    pictures = {scope: page.with_name(f"{page.stem}-{scope}.svg") for scope in SCOPES}
    for scope, path in pictures.items():
        write_text(path, plot(result, scope))
    write_text(page, markdown(result, {s: path.name for s, path in pictures.items()}))
    return [page, *pictures.values()]


def _baselines(layer: int, train: Rows, test: Rows, count: int) -> list[Found]:
    matrices = control.baselines(train, layer, count)
    found: list[Found] = []
    for scope in SCOPES:
        found += [units.directions(name, layer, m, train, test, scope) for name, m in matrices.items()]
        found.append(units.differences(layer, train, test, scope))
        found.append(units.dense(layer, train, test, scope))
    return found


def _controls(
    model: Model,
    judged: Sequence[Judged],
    tokens: Sequence[Tokens],
    sampling: Sampling,
    effort: tuple[int, int],
    tell: Progress,
) -> list[Found]:
    """SAEs trained like the judged ones on a model of shuffled weights; effort is (steps, layers) at most."""
    first = {one.sae.layer: one for one in reversed(judged)}
    middle = int(model.spec.n_layers) // 2
    chosen = sorted(first, key=lambda layer: (abs(layer - middle), layer))[: effort[1] if effort[0] else 0]
    if not chosen:
        return []
    other = control.shuffled_model(model)
    train, test, _ = sample_rows(tokens, other, chosen, sampling)
    own = tokens[: round(sampling.train_share * len(tokens))]
    found: list[Found] = []
    for number, layer in enumerate(chosen):
        tell(f"control: an SAE on shuffled weights, layer {layer}", 0.8 + 0.2 * number / len(chosen))
        settings = first[layer].settings
        short = dataclasses.replace(settings, steps=min(effort[0], settings.steps))
        sae = control.trained_on(other, own, layer, short)
        found += units.features(CONTROL, f"shuffled layer {layer}", sae, train, test, few=False)
    return found


def _count(judged: Sequence[Judged], layer: int) -> int:
    """As many random directions as the layer's largest SAE has features (or the largest of all)."""
    here = [one.sae.d_sae for one in judged if one.sae.layer == layer]
    return max(here or [one.sae.d_sae for one in judged])


def _name(folder: Path) -> str:
    return f"{folder.resolve().parent.name}/{folder.resolve().name}"


def _recorded(folder: Path) -> JsonMapping:
    """The settings in an SAE folder's metadata; none for files of others."""
    config = json_value((folder / "cfg.json").read_text(encoding="utf-8"))
    found = config.get("metadata", {}).get("drawbar", {}).get("settings", {})
    return found if isinstance(found, dict) else {}


def _settings(recorded: JsonMapping, sae: SAE) -> SaeSettings:
    """What is recorded and still means something; without a record the SAE's own shape."""
    known = {field.name for field in dataclasses.fields(SaeSettings)}
    kept = {key: value for key, value in recorded.items() if key in known and value is not None}
    return SaeSettings(**({"d_sae": sae.d_sae, "k": sae.k} | kept)).at_width(sae.d_model)


def _described(one: Judged) -> JsonObject:
    return {
        "name": one.name,
        "layer": one.sae.layer,
        "features": one.sae.d_sae,
        "k": one.sae.k,
        "steps": one.settings.steps,
        "batch": one.settings.batch,
    }
