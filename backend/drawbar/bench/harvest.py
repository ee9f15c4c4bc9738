"""A model -> what taking residuals costs beside a bare teacher-forced forward, and the bytes that are kept.

Both run to the same depth on the same tokens, interleaved. What is kept are (activation, feature) pairs, against
dense half-precision residuals.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from drawbar.bench.clips import Progress
from drawbar.bench.decoder import spec_of
from drawbar.errors import BadInputError
from drawbar.features.pairs import encode_pairs, write_pairs
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen import Model
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.delay import to_steps
from drawbar.musicgen.network.step import Stepper
from drawbar.residuals import harvest
from drawbar.sae import SAE

GOAL_CPU, GOAL_CUDA, GOAL_BYTES = 1.10, 1.15, 0.20


def random_model(shape: str, device: str = "cpu") -> Model:
    """A released shape with random weights, without codec and text (speed does not depend on the values)."""
    spec = spec_of(shape)
    with torch.device(device):
        decoder = Decoder(spec).eval().requires_grad_(False)
    return Model(spec, decoder, None, None)  # type: ignore[arg-type]


@torch.inference_mode()
def run(
    model: Model,
    *,
    count: int = 5,
    clips: int = 8,
    frames: int = 500,
    batch: int = 4,
    rounds: int = 3,
    features: int = 0,
    k: int = 0,
    progress: Progress | None = None,
) -> JsonObject:
    """``rounds`` times bare, harvest, harvest, bare over ``clips`` clips of random tokens; plain JSON values.

    ``count`` layers, evenly spread, the last one among them. ``features`` and ``k`` are the SAEs' (0: 8 and 32
    times the width; k 32 below a width of 1024, else the paper's 100).

    Raises:
        BadInputError: sizes that do not fit.
    """
    tell = progress or (lambda _what, _share: None)
    spec = model.spec
    if not 1 <= count <= spec.n_layers or min(clips, frames, batch, rounds) < 1:
        raise BadInputError(
            f"{count} layers of {spec.n_layers}, {clips} clips of {frames} frames: too few or many"
        )
    wide = spec.d_model >= 1024
    features, k = features or spec.d_model * (32 if wide else 8), k or (100 if wide else 32)
    layers = sorted({round((spec.n_layers - 1) * (n + 1) / count) for n in range(count)})
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, spec.card, (clips, spec.n_q, frames), generator=generator)
    stepper = Stepper(model.decoder)

    def bare() -> None:
        for part in torch.split(tokens, batch):
            steps = to_steps(part.to(model.device), spec.delays, spec.card, valid_only=True)
            stepper.forward(steps, None, None, last=layers[-1])

    def taken() -> None:
        for _ in harvest(model, tokens, layers, batch=batch):
            pass

    times: dict[Callable[[], None], list[float]] = {bare: [], taken: []}
    for number in range(rounds + 1):
        tell(f"round {number} of {rounds}", number / (rounds + 2))
        for what in (bare, taken, taken, bare) if number else (bare, taken):
            spent = _timed(what, model.device)
            if number:
                times[what].append(spent)
    tell("bytes kept", (rounds + 1) / (rounds + 2))
    one = next(harvest(model, tokens[:1], layers, batch=1)).rows
    kept = {layer: _kept(rows_, features, k) for layer, rows_ in one.items()}
    medians = {"bare_s": statistics.median(times[bare]), "harvest_s": statistics.median(times[taken])}
    positions = clips * frames
    return {
        "model": spec.name,
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "layers": layers,
        **medians,
        "spread": max(times[bare]) / min(times[bare]),
        "ratio": medians["harvest_s"] / medians["bare_s"],
        "frames_per_s": positions / medians["harvest_s"],
        "goal": GOAL_CUDA if str(model.device).startswith("cuda") else GOAL_CPU,
        "sae": {"features": features, "k": k},
        "bytes_per_token": sum(kept.values()),
        "dense_bytes_per_token": 2 * spec.d_model * len(layers),
        "share_of_dense": sum(kept.values()) / (2 * spec.d_model * len(layers)),
        "goal_share": GOAL_BYTES,
    }


def _timed(what: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    what()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _kept(rows: torch.Tensor, features: int, k: int) -> float:
    """Bytes per token of the file that the pairs stage writes, headers included."""
    sae = SAE(rows.shape[1], features, k)
    sae.initialise(torch.Generator().manual_seed(0), rows.cpu().mean(0))
    values, indices = encode_pairs(sae, rows.cpu())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.safetensors"
        write_pairs(path, values, indices, [len(rows)], features)
        return path.stat().st_size / len(rows)


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    sae = result["sae"]
    return [
        ("model, device, threads", f"{result['model']}, {result['device']}, {result['threads']}", ""),
        ("layers", ", ".join(map(str, result["layers"])), ""),
        ("harvest / bare forward to the same depth", result["ratio"], f"<= {result['goal']:g}"),
        ("frames harvested per second", round(result["frames_per_s"]), ""),
        (f"bytes kept per token and layer (k {sae['k']} of {sae['features']})",
         round(result["bytes_per_token"] / len(result["layers"]), 1), ""),
        ("... of dense half precision", result["share_of_dense"], f"<= {result['goal_share']:g}"),
    ]  # fmt: skip
