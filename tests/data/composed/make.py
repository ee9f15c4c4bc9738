"""The composer and FluidR3_GM (MIT) -> the short clips beside this file, with pieces and annotations.

Run `python tests/data/composed/make.py` on a machine with the soundfont. It writes about 0.3 MB.
"""

import json
from pathlib import Path

import soundfile

from drawbar.corpus import SAMPLE_RATE_HZ, annotate, compose, prompt_for, render_audio

SEEDS = (2006, 2017, 2092, 3464)
SECONDS = 6.0


def main() -> None:
    """Write NAME.ogg, NAME.json and NAME.npz per clip, and index.json."""
    here = Path(__file__).parent
    index = []
    for seed in SEEDS:
        piece = compose(seed, SECONDS, version=1)
        name = f"clip{seed}"
        (here / f"{name}.json").write_text(piece.to_json() + "\n")
        annotate(piece).save(here / f"{name}.npz")
        audio = render_audio(piece) * 0.8  # Vorbis overshoots
        soundfile.write(here / f"{name}.ogg", audio, SAMPLE_RATE_HZ, format="OGG", subtype="VORBIS")
        index.append({"name": name, "seed": seed, "prompt": prompt_for(piece)})
    (here / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
