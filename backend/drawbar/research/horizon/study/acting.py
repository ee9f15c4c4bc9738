"""A study's shortlist, bank and held-out tracks -> beginnings, conditions, and what was generated in each of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from drawbar.bank import Bank
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.json_object import JsonObject
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import mono
from drawbar.research.horizon.events import Event, Track
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.gate import foresees, passed
from drawbar.research.horizon.interventions import BYPASS, Condition, InterventionSettings, conditions
from drawbar.research.horizon.rows import Rows
from drawbar.research.horizon.study.positions import audio_of
from drawbar.research.horizon.study.settings import HorizonSettings
from drawbar.research.horizon.twins import Acted, twin

Doubles = NDArray[np.float64]


def beginnings(
    tracks: Sequence[Track], events: Sequence[Event], settings: HorizonSettings, model: Model
) -> tuple[torch.Tensor, list[str]]:
    """The first seconds of held-out tracks, those first whose motif is heard in them -> tokens [B, K, P], their tracks.

    Raises BadInputError where fewer than two held-out tracks are long enough.
    """
    how = settings.interventions
    heard = {e.track for e in events if e.kind != "none" and e.motif.end_s <= how.prefix_s}
    able = [t for t in tracks if t.split != "train" and t.duration_s >= how.prefix_s]
    able.sort(key=lambda track: track.id not in heard)
    if len(able) < 2:
        raise BadInputError(f"{len(able)} held-out tracks last {how.prefix_s:g} s: two are needed to act on")
    rate = model.codec.sample_rate_hz
    frames = round(how.prefix_s * model.codec.frame_rate_hz)
    found = []
    for track in able[: how.prefixes]:
        audio = audio_of(track, settings, rate)[: frames * model.codec.samples_per_frame]
        with torch.inference_mode():
            found.append(model.codec.encode(torch.from_numpy(audio.copy())[None, None])[0, :, :frames].cpu())
    return torch.stack(found), [track.id for track in able[: how.prefixes]]


def acted_of(bank: Bank, units: Units, column: int) -> Acted:
    """A bank's feature, ready to be acted on."""
    id = units.ids[column]
    rows = bank.vectors([id])
    decoder = np.asarray(rows["W_dec"][0], np.float32)
    return Acted(
        id,
        units.layer,
        units.encoder[column],
        float(units.bias[column]),
        float(units.threshold[column]),
        decoder / max(float(np.linalg.norm(decoder)), 1e-12),
        float(rows["scale"][0]),
    )


def acted_on(probes: JsonObject, settings: HorizonSettings) -> list[JsonObject]:
    """Features of the shortlist to act on: those that foresee (up to ``most``), and at least ``features`` of it."""
    how, least = settings.interventions, settings.probes.least_margin
    ordered = sorted(probes["features"], key=lambda one: not passed(foresees(one, least_margin=least)))
    foreseeing = sum(passed(foresees(one, least_margin=least)) for one in ordered)
    return ordered[: max(how.features, min(foreseeing, how.most))]


def planned(
    features: Sequence[JsonObject],
    probes: JsonObject,
    rows: Rows,
    units: Sequence[Units],
    bank: Bank,
    how: InterventionSettings,
) -> list[Condition]:
    """Features, each with the best local feature of its layer and its random twins -> every condition."""
    by_layer = {one.layer: one for one in units}
    chosen = []
    for place, feature in enumerate(features):
        at = by_layer[feature["layer"]]
        column = {int(index): c for c, index in enumerate(at.index)}
        candidate = acted_of(bank, at, column[feature["index"]])
        near = next(r for r in probes["local"][str(at.layer)] if r["index"] != feature["index"])
        local = acted_of(bank, at, column[near["index"]])
        seeds = [how.seed + 10_000 * (place + 1) + n for n in range(how.twins)]
        twins = [twin(candidate, rows.residuals[at.layer], seed) for seed in seeds]
        chosen.append((candidate, local, twins))
    return conditions(chosen)


def save_condition(path: Path, tokens: torch.Tensor, found: Doubles) -> None:
    """Keep a condition's clips, whole or not at all."""
    with atomic(path) as part:
        save_file({"tokens": tokens.numpy().astype(np.uint16), "outcomes": np.ascontiguousarray(found)}, part)


def read_condition(path: Path) -> tuple[torch.Tensor, Doubles] | None:
    """What ``save_condition`` kept; None where it is not (wholly) there."""
    try:
        with safe_open(path, framework="numpy") as file:
            tokens = torch.from_numpy(file.get_tensor("tokens").astype(np.int64))
            return tokens, file.get_tensor("outcomes")
    except (OSError, SafetensorError):
        return None


def write_examples(
    folder: Path, all_: Sequence[Condition], names: Sequence[str], model: Model, how: InterventionSettings
) -> list[JsonObject]:
    """Clips to listen to: a few beginnings, left alone and acted on, as MP3 files of the folder."""
    rate = model.codec.sample_rate_hz
    found = []
    for condition in all_:
        if condition.role not in (BYPASS, "feature"):
            continue
        kept = read_condition(folder / f"{condition.name}.safetensors")
        if kept is None:
            raise BadInputError(f"{folder / condition.name} is gone; run the study again")
        for clip in range(min(how.examples, len(names))):
            with torch.inference_mode():
                audio = mono(model.codec.decode(kept[0][clip][None]))[0, 0].float().cpu().numpy()
            file = f"{condition.name}.{clip}.mp3"
            with atomic(folder / file) as part:
                soundfile.write(part, audio, rate, format="MP3", subtype="MPEG_LAYER_III")
            made = audio[round(how.prefix_s * rate) :]
            found.append(
                {
                    "file": file,
                    "feature": condition.candidate,
                    "way": condition.way or BYPASS,
                    "track": names[clip],
                    "silent": bool(float(np.sqrt(np.mean(made**2))) < 1e-3),
                }
            )
    return found
