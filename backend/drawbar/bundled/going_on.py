"""A model folder -> a run folder whose training goes on from it, on a machine that has only what was landed.

The optimiser's memory is not in a model folder and starts afresh; the weights are those of the running average. The
curve so far goes into the run's log, so that the next model's record has all of it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from drawbar.bundled.decoder_training import new_language
from drawbar.bundled.recipe import DecoderSettings
from drawbar.errors import BadInputError
from drawbar.files.reading import json_value
from drawbar.musicgen import load_model
from drawbar.musicgen.codec.bands import BandCodec


def go_on_from(model: Path, work: Path, settings: DecoderSettings) -> int:
    """Write ``work``'s codebooks, codec and decoder checkpoints from a model folder; returns the step it stands at.

    Raises BadInputError when ``work`` holds a training already, or when the model is not of this recipe.
    """
    places = {name: work / name / f"{name}.pt" for name in ("codec", "decoder")}
    if any(place.exists() for place in places.values()):
        raise BadInputError(f"{work} holds a training already: it goes on by itself, without --from")
    loaded = load_model(model)
    language = new_language(settings)
    if not isinstance(loaded.codec, BandCodec) or replace(loaded.spec, name="") != replace(
        language.decoder.spec, name=""
    ):
        raise BadInputError(
            f"{model} is not a model of this recipe ({loaded.spec}): train from the beginning"
        )
    language.decoder.load_state_dict(loaded.decoder.state_dict())
    tensors = {
        name.removeprefix("text_encoder."): value.float()
        for name, value in load_file(model / "model.safetensors").items()
        if name.startswith("text_encoder.")
    }
    language.text_encoder.load_state_dict(tensors, strict=False)
    done = json_value((model / "training.json").read_text())
    weights = language.modules().state_dict()
    for place in places.values():
        place.parent.mkdir(parents=True, exist_ok=True)
    codec = loaded.codec.state_dict()
    torch.save(codec, work / "codec" / "codebooks.pt")
    torch.save(
        {"codec": codec, "step": int(done["codec_steps"]), "spent_s": 60.0 * done["codec_minutes"]},
        places["codec"],
    )
    torch.save(
        {"weights": weights, "average": weights, "step": int(done["decoder_steps"]), "frames": int(done["frames"]),
         "spent_s": 60.0 * done["decoder_minutes"]}, places["decoder"],
    )  # fmt: skip
    curve = [json.dumps(point) for point in [*done["decoder_curve"], done["codec"]]]
    (work / "log.txt").write_text("".join(f"earlier  {point}\n" for point in curve))
    return int(done["decoder_steps"])
