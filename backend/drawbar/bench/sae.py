"""SAE sizes -> activations trained per second, ours and SAELens' own training step, interleaved in one run.

SAELens lives in a Python of its own (it is not a dependency); a small worker there runs its trainer on the same
batches. Without one, only ours is measured.
"""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from drawbar.bench.clips import Progress
from drawbar.bench.saelens_worker import __file__ as _WORKER
from drawbar.errors import BadInputError, MissingDependencyError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import json_value
from drawbar.sae import SaeSettings
from drawbar.sae.step import Training

GOAL_CPU, GOAL_CUDA = 4.0, 20.0
_BATCHES = 8  # different ones; the last is held out
_BYTES = 1 << 30


def synthetic(width: int, features: int, k: int, batch: int, count: int, seed: int = 0) -> Tensor:
    """Sparse sums of random directions with some noise, [count, batch, width], of mean norm sqrt(width)."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.nn.functional.normalize(torch.randn(features, width, generator=generator), dim=1)
    out = torch.empty(count, batch, width)
    for number in range(count):
        which = torch.randint(0, features, (batch, k), generator=generator)
        amount = torch.rand(batch, k, generator=generator) + 0.5
        rows = torch.nn.functional.embedding_bag(which, truth, per_sample_weights=amount, mode="sum")
        out[number] = rows + 0.1 * torch.randn(batch, width, generator=generator)
    scale: Tensor = width**0.5 / out.norm(dim=2).mean()
    return out * scale


def run(
    *,
    width: int = 256,
    features: int = 2048,
    k: int = 32,
    batch: int = 4096,
    steps: int = 10,
    rounds: int = 3,
    warm_up: int = 3,
    saelens_python: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> JsonObject:
    """``rounds`` times ours, theirs, theirs, ours, ``steps`` steps each; plain JSON values.

    Raises:
        BadInputError: sizes that do not fit.
        MissingDependencyError: ``saelens_python`` has no SAELens that works.
    """
    tell = progress or (lambda _what, _share: None)
    if min(steps, rounds, warm_up) < 1 or 4 * _BATCHES * batch * width > _BYTES:
        raise BadInputError(
            f"steps={steps}, rounds={rounds}, warm_up={warm_up}: at least 1 each; {_BATCHES} batches of "
            f"{batch} x {width} must fit in 1 GiB"
        )
    data = synthetic(width, features, k, batch, _BATCHES).to(device)
    total = warm_up + 2 * rounds * steps
    settings = SaeSettings(d_sae=features, k=k, batch=batch, steps=total, lr=1e-3, decay=0.0)
    ours, theirs = _Ours(data, settings, device), None
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    try:
        if saelens_python is not None:
            tell("starting SAELens", 0.0)
            theirs = _Theirs(saelens_python, data, settings, device)
        for number in range(rounds + 1):
            tell(f"round {number} of {rounds}", number / (rounds + 1))
            count = steps if number else warm_up
            for who in (ours, theirs, theirs, ours) if number else (ours, theirs):
                if who is not None:
                    spent = who.steps(count)
                    if number:
                        times["ours" if who is ours else "theirs"].append(spent / count)
        fvu = {"ours": ours.fvu(), "theirs": None if theirs is None else theirs.fvu()}
    finally:
        if theirs is not None:
            theirs.close()
    rates = {who: batch / statistics.median(found) for who, found in times.items() if found}
    return {
        "shape": {"width": width, "features": features, "k": k, "batch": batch},
        "device": device,
        "threads": torch.get_num_threads(),
        "steps": total,
        "activations_per_s": rates,
        "spread": {who: max(found) / min(found) for who, found in times.items() if found},
        "ratio": rates["ours"] / rates["theirs"] if "theirs" in rates else None,
        "goal": GOAL_CUDA if device.startswith("cuda") else GOAL_CPU,
        "fvu": fvu,
        "saelens": None if theirs is None else theirs.version,
        "note": "" if theirs is not None else "SAELens was not measured: give --saelens-python",
    }


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    shape = result["shape"]
    lines: list[tuple[str, object, str]] = [
        ("shape", f"{shape['width']} -> {shape['features']}, k {shape['k']}, batch {shape['batch']}", ""),
        ("device, threads", f"{result['device']}, {result['threads']}", ""),
        ("ours, activations/s", round(result["activations_per_s"]["ours"]), ""),
        ("ours, fvu of a held-out batch", result["fvu"]["ours"], ""),
    ]
    if result["ratio"] is None:
        return [*lines, ("SAELens", "not measured", "give --saelens-python")]
    return [
        *lines,
        (f"SAELens {result['saelens']}, activations/s", round(result["activations_per_s"]["theirs"]), ""),
        (f"SAELens, fvu after the same {result['steps']} steps", result["fvu"]["theirs"], ""),
        ("ours / SAELens", result["ratio"], f">= {result['goal']:g}"),
    ]


class _Ours:
    def __init__(self, data: Tensor, settings: SaeSettings, device: str) -> None:
        self._data, self._at, self._device = data, 0, device
        self._run = Training.start(data[0], settings, 0, "", device)

    def steps(self, count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            self._run.step_on(self._data[self._at % (_BATCHES - 1)] * self._run.scale, log=False)
            self._at += 1
        if self._device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - started

    @torch.no_grad()
    def fvu(self) -> float:
        x = self._data[-1]
        sae = self._run.sae.folded(self._run.scale)
        return float((x - sae(x)).square().sum() / (x - x.mean(0)).square().sum())


class _Theirs:
    """SAELens in its own process; it sleeps on a pipe while ours runs."""

    def __init__(self, python: Path, data: Tensor, settings: SaeSettings, device: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        save_file({"batches": data.cpu().contiguous()}, folder / "data.safetensors")
        config = {
            "data": str(folder / "data.safetensors"),
            "d_model": data.shape[2],
            "d_sae": settings.d_sae,
            "k": settings.k,
            "batch": settings.batch,
            "steps": settings.steps,
            "lr": settings.peak_lr,
            "warm_up": max(1, round(settings.warmup * settings.steps)),
            "aux_coefficient": settings.aux_coefficient,
            "dead_after": settings.dead_after,
            "device": device,
            "threads": torch.get_num_threads(),
            "seed": settings.seed,
        }
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        self._errors = (folder / "errors.txt").open("w+", encoding="utf-8")
        command = [str(python), "-I", str(_WORKER), str(folder / "config.json")]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
            )
        except OSError as error:
            self._errors.close()
            self._folder.cleanup()
            raise MissingDependencyError(
                f"{python} does not run ({error}); name the Python of an environment with sae-lens"
            ) from error
        try:
            self.version = str(self._answer()["version"])
        except MissingDependencyError:
            self.close()
            raise

    def _answer(self) -> JsonObject:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                found: JsonObject = json_value(line)
                return found
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:] or ["it said nothing"]
        raise MissingDependencyError(
            f"SAELens stopped: {last[0]}; make an environment with `uv venv E` and "
            "`uv pip install --python E/bin/python sae-lens`, and name its Python"
        )

    def _ask(self, line: str) -> JsonObject:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        return self._answer()

    def steps(self, count: int) -> float:
        return float(self._ask(f"steps {count}")["seconds"])

    def fvu(self) -> float:
        return float(self._ask("fvu")["fvu"])

    def close(self) -> None:
        """End the process and remove its files."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
        self._folder.cleanup()
