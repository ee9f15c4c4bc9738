"""One command -> everything in assets/: material, codec, tokens, decoder, model folder, detectors, bank.

The stage ``next`` writes the model as it stands to assets/next instead, so that another machine can go on from it
(``--from assets/next``) while the model in assets/model and its bank stay as they are.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import replace
from pathlib import Path

import torch

from drawbar.bundled.codec_training import codec_distance, train_codec
from drawbar.bundled.decoder_training import Language, train_decoder
from drawbar.bundled.export import export_bank, export_detectors, export_model
from drawbar.bundled.going_on import go_on_from
from drawbar.bundled.material import Material, render_material
from drawbar.bundled.recipe import Recipe, recipe_dict
from drawbar.bundled.tokens import encode_material
from drawbar.files.reading import json_value
from drawbar.paths import assets_dir

STAGES = ("material", "codec", "tokens", "decoder", "model", "detectors", "bank")


class Log:
    """Prints a line and keeps it in ``FOLDER/log.txt``, stamped with the minutes since the start."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "log.txt"
        self.began = time.monotonic()

    def __call__(self, line: str) -> None:
        """Says one line."""
        stamped = f"{(time.monotonic() - self.began) / 60:6.1f} min  {line}"
        print(stamped, flush=True)
        with self.file.open("a") as out:
            out.write(stamped + "\n")


def record(folder: Path, recipe: Recipe, log_lines: list[str]) -> dict[str, object]:
    """What the model was trained on, how and how long: shipped as ``training.json``."""

    def last(name: str) -> dict[str, object]:
        found = [
            json_value(line[line.index("{") :]) for line in log_lines if f'"{name}"' in line and "{" in line
        ]
        return found[-1] if found else {}

    codec, decoder = last("distance"), last("held_out")
    pieces = int(str(decoder.get("pieces", recipe.corpus.pieces)))
    curve: list[dict[str, object]] = []
    for line in log_lines:
        if '"held_out"' not in line:
            continue
        point = json_value(line[line.index("{") :])
        # A run that went on from a checkpoint, or began anew, replaces what stood behind it.
        curve = [before for before in curve if int(str(before["step"])) < point["step"]] + [point]
    return {
        "trained_on": "composed music (drawbar.corpus) played by FluidR3_GM",
        "hours_of_music": round(pieces * recipe.corpus.seconds / 3600, 2),
        "codec_steps": codec.get("step"),
        "codec_minutes": codec.get("minutes"),
        "decoder_steps": decoder.get("step"),
        "decoder_minutes": decoder.get("minutes"),
        "frames": decoder.get("frames"),
        "recipe": recipe_dict(recipe),
        "codec": codec,
        "decoder": decoder,
        "decoder_curve": curve,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, no accelerator"
        if not torch.cuda.is_available()
        else torch.cuda.get_device_name(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Runs the stages named on the command line (all by default); each goes on where it stopped."""
    parser = argparse.ArgumentParser(prog="python -m drawbar.bundled", description=__doc__)
    parser.add_argument(
        "stages", nargs="*", choices=[*STAGES, "next", []], help="default: all, in this order"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/embedded"), help="the run folder")
    parser.add_argument("--assets", type=Path, default=assets_dir(), help="where the results go")
    parser.add_argument("--pieces", type=int, help="composed pieces (default: the recipe's)")
    parser.add_argument("--from", dest="origin", type=Path, help="go on from this model folder (assets/next)")
    parser.add_argument("--codec-steps", type=int)
    parser.add_argument("--decoder-steps", type=int)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = Recipe()
    if args.pieces:
        recipe = replace(recipe, corpus=replace(recipe.corpus, pieces=args.pieces))
    if args.codec_steps:
        recipe = replace(recipe, codec=replace(recipe.codec, steps=args.codec_steps))
    if args.decoder_steps:
        recipe = replace(recipe, decoder=replace(recipe.decoder, steps=args.decoder_steps))
    if args.origin:
        go_on_from(args.origin, args.work, recipe.decoder)
    run(recipe, args.work, args.assets, args.stages or list(STAGES))


def run(recipe: Recipe, work: Path, assets: Path, stages: list[str]) -> None:
    """Runs the named stages in flow order; what an earlier stage left in ``work`` is loaded, not remade."""
    say = Log(work)
    material = Material(work / "material")
    tokens = work / "tokens"
    if "material" in stages:
        for done, total in render_material(material.folder, recipe.corpus):
            if done % 100 == 0 or done == total:
                say(f"material {done}/{total}")
    codec = train_codec(
        work / "codec",
        material,
        replace(recipe.codec, steps=recipe.codec.steps if "codec" in stages else 0),
        say,
    )
    if "tokens" in stages:
        encode_material(codec, material, tokens, say)
    if {"decoder", "model", "next"} & set(stages):
        steps = recipe.decoder.steps if "decoder" in stages else 0
        language: Language = train_decoder(
            work / "decoder", material, tokens, replace(recipe.decoder, steps=steps), say
        )
        for name in ("model", "next"):
            if name not in stages:
                continue
            distance = codec_distance(codec, material, material.seeds(held_out=True))
            say(
                f"codec log10-mel distance on {len(material.seeds(held_out=True))} held-out pieces: {distance:.4f}"
            )
            made = record(work, recipe, say.file.read_text().splitlines())
            export_model(assets / name, language, codec, made)
            say(f"model written to {assets / name}")
    if "detectors" in stages:
        export_detectors(assets / "detectors", codec, material, tokens, say)
    if "bank" in stages:
        bank = recipe.bank
        export_bank(assets / "bank", work / "bank", bank.pieces, bank.layers, say, sae=bank.sae)
