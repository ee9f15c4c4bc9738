"""Audio -> residuals -> sparse autoencoder -> a slider -> steered sound, in one file.

    python examples/one_file.py                     half a minute on two cores; writes plain.wav and steered.wav
    python examples/one_file.py --music FOLDER      your own recordings instead of music that the model plays

What an organist calls a drawbar is here one feature of the autoencoder: a direction in the model's residual
stream that fires when something particular sounds. Pushing along it while the model plays brings that something
out. Everything comes from the public names of `drawbar`; docs/api.md lists them.
"""

import argparse
from pathlib import Path

import soundfile
import torch
from torch import Tensor

import drawbar

PROMPTS = [
    "drums and bass",
    "piano in a minor",
    "strings",
    "organ and drums",
    "flute in c major",
    "guitar and bass",
]
LAYER = 3
"""The residual after this block of the model; the middle is a good place to look."""


def tokens_of_music(model: drawbar.Model, folder: Path | None, clips: int, seconds: float) -> list[Tensor]:
    """Music as the model knows it: codec tokens [K, T] of each clip."""
    if folder is None:  # the model's own music will do, for what is looked for is inside of the model
        prompts = [PROMPTS[n % len(PROMPTS)] for n in range(clips)]
        return list(model.generate(prompts, seeds=range(clips), seconds=seconds))
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in (".wav", ".flac", ".ogg", ".mp3")
    )
    found = []
    for path in files[:clips]:
        audio = drawbar.read_audio(path, model.codec.sample_rate_hz, limit_s=seconds)
        found.append(model.codec.encode(torch.from_numpy(audio)[None, None])[0])
    return found


def residuals_of(model: drawbar.Model, tokens: list[Tensor]) -> list[Tensor]:
    """What the model thinks while it hears each clip: one row a frame, [T, D]."""
    rows = []
    for batch in drawbar.harvest(model, [drawbar.Clip(clip) for clip in tokens], [LAYER]):
        rows += batch.rows[LAYER].split(list(batch.frames))
    return rows


def train(model: drawbar.Model, rows: list[Tensor], features: int, steps: int) -> drawbar.SAE:
    """A dictionary of directions, few of which are enough to write any residual."""
    settings = drawbar.SaeSettings(d_sae=features, k=16, batch=512, steps=steps, dead_after=50_000)
    batches = drawbar.MixedBatches(drawbar.MemoryRows(rows), settings.batch)
    done = drawbar.train_sae(batches, settings, layer=LAYER, fingerprint=model.fingerprint)
    print(f"reconstruction misses {drawbar.measure(done.sae, rows).fvu:.0%} of the residuals' variance")
    return done.sae


def slider_for(sae: drawbar.SAE, rows: list[Tensor]) -> tuple[int, drawbar.Direction]:
    """The feature that tells clips apart best: on in some of them, silent in the others."""
    with torch.no_grad():
        fires = [sae.encode(clip) for clip in rows]
    share = torch.stack([(clip > 0).float().mean(0) for clip in fires])  # [clips, features]
    feature = int(share.std(0).argmax())
    strengths = torch.cat(fires)[:, feature]
    scale = float(strengths[strengths > 0].quantile(0.99))  # amount 1: as strong as it naturally gets
    row = sae.W_dec[feature].detach()
    best = int(share[:, feature].argmax())
    print(f"feature {feature} fires in {share[best, feature]:.0%} of the frames of clip {best}, "
          f"in {share[:, feature].median():.0%} of a typical clip")  # fmt: skip
    return feature, drawbar.Direction(f"{LAYER}/{feature}", LAYER, row / row.norm(), scale)


def play(
    model: drawbar.Model, prompt: str, seconds: float, mixer: drawbar.Mixer | None, path: Path
) -> Tensor:
    """The same prompt and seed with or without the slider -> tokens [K, T], and a sound file."""
    tokens = model.generate(prompt, seeds=[1], seconds=seconds, steering=mixer)
    sound = model.codec.decode(tokens)[0, 0]
    soundfile.write(path, sound.clamp(-1, 1).numpy(), model.codec.sample_rate_hz)
    return tokens[0]


def main() -> None:
    """All of it, with a line about each step."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--music", type=Path, help="a folder of sound files; without it the model plays some")
    ask.add_argument("--clips", type=int, default=12)
    ask.add_argument("--seconds", type=float, default=6.0)
    ask.add_argument("--features", type=int, default=512)
    ask.add_argument("--steps", type=int, default=200)
    ask.add_argument(
        "--amount", type=float, default=2.0, help="where the slider stands; negative turns it down"
    )
    ask.add_argument("--prompt", default="piano in a minor")
    ask.add_argument("--out", type=Path, default=Path())
    given = ask.parse_args()

    model = drawbar.load_model("embedded")
    tokens = tokens_of_music(model, given.music, given.clips, given.seconds)
    rows = residuals_of(model, tokens)
    print(f"{len(rows)} clips, {sum(map(len, rows))} frames, residuals of width {rows[0].shape[1]}")
    sae = train(model, rows, given.features, given.steps)
    feature, direction = slider_for(sae, rows)

    mixer = drawbar.Mixer([direction], spec=model.spec, site=model.fingerprint)
    mixer.set(direction.id, given.amount)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, slider in (("plain", None), ("steered", mixer)):
        heard = play(model, given.prompt, given.seconds, slider, given.out / f"{name}.wav")
        with torch.no_grad():  # listen to what came out, without the slider
            fires = sae.encode(residuals_of(model, [heard])[0])[:, feature]
        print(f"{name}.wav: the feature fires in {(fires > 0).float().mean():.0%} of the frames")


if __name__ == "__main__":
    main()
