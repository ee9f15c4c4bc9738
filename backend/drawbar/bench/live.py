"""A model and a bank -> real-time margin, cost of steering, under-runs, slider-to-ear, start.

The machine's own limits are measured first. What is compared runs interleaved (A B B A) in one process, warm;
the median and the 99th percentile are over single frames.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.bank import Bank, BankInfo
from drawbar.bench import soak as soaking
from drawbar.bench.ear import clicks, drag, slider_to_ear
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.live import Engine, NullOutput, TakeSettings
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.codec.encodec import EncodecCodec
from drawbar.musicgen.spec import ModelSpec
from drawbar.steering import Direction, DirectionSource, Mixer, check_site, directions_from_bank

Progress = Callable[[str, float], object]
Times = NDArray[np.float64]
PROMPT = "piano in a minor with drums and bass"
FRAME_MS = 20.0
MOVE_HZ = 30.0
BLOCK = 25
"""Frames of one stream before the other has its turn."""
DEPTHS_S = (1, 5, 15, 30)
"""How much of the past a frame looks back on, where its cost by depth is measured."""
QUICK = {"seconds": 5.0, "frames": 60, "moves": 4, "drag_s": 2.0}


def run(
    model: Model,
    bank: Bank | None = None,
    *,
    seconds: float = 60.0,
    sliders: int = 8,
    twin: bool = False,
    frames: int = 300,
    moves: int = 100,
    move_amount: float = 2.0,
    safety_s: float = 0.5,
    look_ahead: int | None = None,
    drag_s: float = 10.0,
    quick: bool = False,
    progress: Progress | None = None,
) -> JsonObject:
    """Measure everything; ``seconds`` is the length of the live run, ``twin`` whether that run has a
    bypass twin; ``look_ahead`` has an EnCodec wait for fewer frames than is exact (`drawbar bench codec` prints
    the error); ``safety_s`` is generated ahead while moves are timed, one at a time and dragged for ``drag_s``.

    ``quick`` leaves out what is compared with (no rollback), and takes less of everything: at most 40 s on a quiet
    machine. Without a bank the sliders are random directions. Raises BadInputError for fewer than 1 slider or 50
    frames.
    """
    if quick:
        seconds, frames, moves = QUICK["seconds"], int(QUICK["frames"]), int(QUICK["moves"])
        drag_s = QUICK["drag_s"]
    if sliders < 1 or frames < 50 or seconds <= 0:
        raise BadInputError(
            f"{sliders} sliders, {frames} frames, {seconds} s: use at least 1, 50 and a positive time"
        )
    tell = progress or (lambda _what, _share: None)
    if look_ahead is not None:
        if not isinstance(model.codec, EncodecCodec):
            raise BadInputError(
                f"look_ahead {look_ahead}: the codec of {model.spec.name} has no such setting"
            )
        model.codec.look_ahead = look_ahead
    desk = _Desk(model, bank, sliders)
    tell("measuring the machine", 0.0)
    result: JsonObject = {"machine": machine(model.device), "model": model.spec.name, "sliders": sliders}
    result["look_ahead_ms"] = round(1000 * model.codec.look_ahead / model.spec.frame_rate_hz)
    result["features"] = list(desk.ids)
    tell("measuring frames", 0.05)
    result["frame"] = _frame_times(model, desk, frames, twin=False)
    tell("measuring frames with the twin", 0.15)
    result["frame_with_twin"] = _frame_times(model, desk, frames, twin=True)
    tell("measuring frames by depth", 0.2)
    result["depth"] = _by_depth(model, desk, frames)
    tell("measuring what steering costs", 0.25)
    result["steering"] = _steering_cost(model, desk, frames)
    tell("measuring the start", 0.35)
    result["start"] = _start(model, desk)
    tell(f"playing {seconds:g} s", 0.4)
    result["live"] = _play(model, desk, seconds, twin)
    result["slider_to_ear"], result["dragged"] = [], []
    for number, rollback in enumerate((True,) if quick else (True, False)):
        options: JsonObject = {"amount": move_amount, "rollback": rollback, "safety_s": safety_s}
        share = 0.5 + 0.25 * number
        tell(f"moving sliders, rollback {'on' if rollback else 'off'}", share)
        result["slider_to_ear"].append(
            slider_to_ear(model, desk.source(), desk.ids, PROMPT, moves=moves, **options)
        )
        tell("dragging a slider", share + 0.2)
        result["dragged"].append(drag(model, desk.source(), desk.ids[0], PROMPT, seconds=drag_s, **options))
    return result


def machine(device: torch.device | str = "cpu") -> JsonObject:
    """The limits of the machine: memory bandwidth, matrix product, the smallest operation."""
    place = torch.device(device)
    source = torch.ones(32 << 20, device=place)
    target = torch.empty_like(source)
    square = torch.ones(1024, 1024, device=place)
    small = torch.ones(1, device=place)
    copy_s = _best(lambda: target.copy_(source), 7, place)
    gemm_s = _best(lambda: square @ square, 9, place)
    launch_s = _best(lambda: [small.add_(1) for _ in range(1000)], 5, place) / 1000
    return {
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "bandwidth_gb_s": round(2 * source.numel() * 4 / copy_s / 1e9, 1),
        "gemm_gflop_s": round(2 * 1024**3 / gemm_s / 1e9, 1),
        "launch_us": round(1e6 * launch_s, 2),
    }


def _best(work: Callable[[], object], times: int, place: torch.device) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        if place.type == "cuda":
            torch.cuda.synchronize(place)
        found.append(time.perf_counter() - began)
    return min(found)


class _Desk:
    """The sliders of a benchmark: the bank's best features, or random directions."""

    def __init__(self, model: Model, bank: Bank | None, sliders: int) -> None:
        self.model, self.bank = model, bank
        if bank is not None:
            check_site(bank, model)
            self.ids = tuple(row.id for row in bank.search(limit=sliders))
            self.directions = directions_from_bank(bank, list(self.ids))
        else:
            self.directions = _random_directions(model.spec, sliders)
            self.ids = tuple(d.id for d in self.directions)

    def mixer(self, amount: float) -> Mixer:
        """A mixer with every slider at an amount."""
        mixer = Mixer(self.directions, spec=self.model.spec, site=self.model.fingerprint)
        for id in self.ids:
            mixer.set(id, amount)
        return mixer

    def source(self) -> DirectionSource:
        """A bank for the engine: the real one, or one of the random directions."""
        return self.bank if self.bank is not None else _RandomBank(self.model, self.directions)


def _random_directions(spec: ModelSpec, count: int) -> list[Direction]:
    rng = torch.Generator().manual_seed(1)
    layers = sorted({spec.n_layers // 2, max(0, spec.n_layers // 2 - 1)})
    found = []
    for n in range(count):
        vector = torch.randn(spec.d_model, generator=rng)
        vector = vector / vector.norm()
        layer = layers[n % len(layers)]
        found.append(Direction(f"{layer}/{n}", layer, vector, 3.0, encoder=vector, threshold=0.5))
    return found


class _RandomBank:
    """Just enough of a bank for the engine."""

    def __init__(self, model: Model, directions: Sequence[Direction]) -> None:
        self._rows = {d.id: d for d in directions}
        layers = tuple(sorted({d.layer for d in directions}))
        self._zeros = {layer: np.zeros(model.spec.d_model, np.float32) for layer in layers}
        spec = model.spec
        self.info = BankInfo("random directions", spec.name, model.fingerprint, layers, spec.d_model)

    def vectors(self, ids: Sequence[str]) -> JsonObject:
        rows = np.stack([self._rows[id].vector.numpy() for id in ids])
        ones = np.ones(len(ids), np.float32)
        arrays = {"W_dec": rows, "W_enc": rows, "b_enc": 0 * ones, "b_dec": self._zeros}
        return {**arrays, "scale": 3 * ones, "threshold": 0.5 * ones}


class _Player:
    """A stream and its codec, stepped frame by frame with a watch in hand."""

    def __init__(self, model: Model, steering: Mixer | None, frames: int, twin: bool, past: int = 0) -> None:
        """``past`` frames of random tokens come before."""
        spec = model.spec
        seconds = (past + frames + 2 * BLOCK) / spec.frame_rate_hz
        prefix = torch.randint(spec.card, (spec.n_q, past), generator=torch.Generator().manual_seed(3))
        self._stream = model.stream(
            PROMPT, seed=7, seconds=seconds, steering=steering, twin=twin, prefix=prefix if past else None
        )
        self._stream.__enter__()
        self._codec = model.codec.stream(2 if twin else 1)
        self.steps: list[float] = []
        self.decodes: list[float] = []

    def go(self, count: int, keep: bool = True) -> None:
        """The next ``count`` frames."""
        for _ in range(count):
            began = time.perf_counter()
            frame = next(self._stream)
            stepped = time.perf_counter()
            twin = [] if frame.twin_tokens is None else [frame.twin_tokens]
            self._codec.push(torch.stack([frame.tokens, *twin])[..., None]).cpu()
            ended = time.perf_counter()
            if keep:
                self.steps.append(stepped - began)
                self.decodes.append(ended - stepped)

    def close(self) -> None:
        self._stream.__exit__(None, None, None)


def _ms(values: Sequence[float] | Times, quantile: float) -> float:
    return round(1000 * float(np.quantile(np.asarray(values), quantile)), 3)


def _frame_times(model: Model, desk: _Desk, frames: int, twin: bool) -> JsonObject:
    player = _Player(model, desk.mixer(0.5), frames, twin)
    player.go(BLOCK, keep=False)
    player.go(frames)
    player.close()
    both = np.add(player.steps, player.decodes)
    return {
        "step_ms": _ms(player.steps, 0.5),
        "step_p99_ms": _ms(player.steps, 0.99),
        "codec_ms": _ms(player.decodes, 0.5),
        "codec_p99_ms": _ms(player.decodes, 0.99),
        "p99_ms": _ms(both, 0.99),
        "margin": round(FRAME_MS / _ms(both, 0.99), 2),
        "margin_at_median": round(FRAME_MS / _ms(both, 0.5), 2),
    }


def _by_depth(model: Model, desk: _Desk, frames: int) -> list[JsonObject]:
    """Step and codec by how much past there is; depths that the model's context does not hold are left out."""
    spec = model.spec
    found: list[JsonObject] = []
    most = spec.context_frames - frames - 2 * BLOCK
    for depth_s in DEPTHS_S:
        past = min(round(depth_s * spec.frame_rate_hz), most)
        if found and past <= found[-1]["past_frames"]:
            break
        row: JsonObject = {"past_frames": past, "depth_s": round(past / spec.frame_rate_hz, 1)}
        for name, twin in (("plain", False), ("twin", True)):
            player = _Player(model, desk.mixer(0.5), frames, twin, max(0, past))
            player.go(BLOCK, keep=False)
            player.go(frames)
            player.close()
            both = np.add(player.steps, player.decodes)
            row[f"{name}_p50_ms"], row[f"{name}_p99_ms"] = _ms(both, 0.5), _ms(both, 0.99)
        found.append(row)
    return found


def _steering_cost(model: Model, desk: _Desk, frames: int) -> JsonObject:
    plain, steered = _Player(model, None, frames, False), _Player(model, desk.mixer(0.5), frames, False)
    for player in (plain, steered):
        player.go(BLOCK, keep=False)
    blocks = max(1, frames // (2 * BLOCK))
    ratios = []
    for _ in range(blocks):
        for player in (plain, steered, steered, plain):
            player.go(BLOCK if len(player.steps) + BLOCK <= frames else 0)
        ratios.append(np.median(steered.steps[-2 * BLOCK :]) / np.median(plain.steps[-2 * BLOCK :]))
    plain.close()
    steered.close()
    return {
        "plain_ms": _ms(plain.steps, 0.5),
        "steered_ms": _ms(steered.steps, 0.5),
        "ratio": round(float(np.median(ratios)), 3),
    }


def _start(model: Model, desk: _Desk) -> JsonObject:
    """Seconds to the first sample from loading (imports done; embedded model only) and from play."""
    clock = time.perf_counter
    began = clock()
    loaded = model
    if model.spec.name == "embedded":
        loaded = load_model("embedded", str(model.device))
    ready = clock()
    output = NullOutput(int(model.spec.sample_rate_hz))
    with Engine(loaded, desk.source(), output) as engine:
        pressed = clock()
        engine.play(TakeSettings(PROMPT, 3, 0.5))
        engine.wait(60)
        first = output.started_at_s if output.started_at_s is not None else float("nan")
    found = {"play_to_sound_s": round(first - pressed, 3)}
    if loaded is not model:
        found["load_to_sound_s"] = round(ready - began + first - pressed, 3)
    return found


def _play(model: Model, desk: _Desk, seconds: float, twin: bool) -> JsonObject:
    """Play on the null output while every slider moves at random, as a hand on the window would move it."""
    output = NullOutput(int(model.spec.sample_rate_hz))
    over = threading.Event()
    leads: list[float] = []
    with Engine(model, desk.source(), output) as engine:
        for id in desk.ids:
            engine.add_feature(id)

        def move() -> None:
            rng = random.Random(5)
            while not over.wait(1 / MOVE_HZ):
                engine.set_amount(rng.choice(desk.ids), round(rng.uniform(-1, 1), 3))
                snapshot = engine.snapshot()
                leads.append(snapshot.latency_ms)

        hand = threading.Thread(target=move, daemon=True)
        hand.start()
        engine.play(TakeSettings(PROMPT, 11, seconds, amounts=dict.fromkeys(desk.ids, 0.0), twin=twin))
        engine.wait(4 * seconds + 60)
        over.set()
        hand.join()
        snapshot, take, playback = engine.snapshot(), engine.take, engine.playback
    return {
        "seconds": seconds,
        "twin": twin,
        "underruns": snapshot.underruns,
        "missed_ms": round(1000 * output.missed_samples / output.sample_rate_hz, 1),
        "real_time_factor": round(snapshot.real_time_factor, 2),
        "rewinds": len(take.rewinds) if take is not None else 0,
        "estimated_latency_ms": round(float(np.median(leads)), 1) if leads else None,
        "finished": take is not None and take.complete,
        "splices": clicks(take.audio, playback.splices) if take and playback else None,
        "message": snapshot.message,
    }


def soak(
    model: Model,
    bank: Bank | None = None,
    *,
    seconds: float = 600.0,
    sliders: int = 8,
    twin: bool = False,
    progress: Progress | None = None,
    minute: Callable[[str], object] = lambda _line: None,
) -> JsonObject:
    """Endless play beside a busy window: see `drawbar.bench.soak`. Raises BadInputError for less than 2 s."""
    desk = _Desk(model, bank, sliders)
    tell = progress or (lambda _what, _share: None)
    found = soaking.play(
        model, desk.source(), desk.ids, PROMPT, seconds=seconds, twin=twin, tell=tell, minute=minute
    )
    return {"machine": machine(model.device), "model": model.spec.name, "sliders": sliders, **found}


soak_rows = soaking.rows


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    limits, plain, both = result["machine"], result["frame"], result["frame_with_twin"]
    live, start = result["live"], result["start"]
    found: list[tuple[str, object, str]] = [
        ("machine", f"{limits['device']}, {limits['threads']} threads", ""),
        ("memory bandwidth", f"{limits['bandwidth_gb_s']} GB/s", ""),
        ("matrix product, float32", f"{limits['gemm_gflop_s']} GFLOP/s", ""),
        ("smallest operation", f"{limits['launch_us']} us", ""),
        ("step, p50 / p99", f"{plain['step_ms']} / {plain['step_p99_ms']} ms", ""),
        ("codec, p50 / p99", f"{plain['codec_ms']} / {plain['codec_p99_ms']} ms", ""),
        (f"20 ms / p99(step + codec), {result['sliders']} sliders", plain["margin"], ">= 2"),
        ("... at the median", plain["margin_at_median"], ""),
        (
            "... with the bypass twin, p99 / median",
            f"{both['margin']} / {both['margin_at_median']}",
            ">= 1.5",
        ),
        *(
            (
                f"frame {row['depth_s']:g} s deep, plain / twin: p50 (p99)",
                f"{row['plain_p50_ms']} ({row['plain_p99_ms']}) / {row['twin_p50_ms']} ({row['twin_p99_ms']}) ms",
                "p99 <= 4 ms",
            )
            for row in result["depth"]
        ),
        (f"step with {result['sliders']} sliders / without", result["steering"]["ratio"], "<= 1.02"),
        ("play to first sound", f"{start['play_to_sound_s']} s", ""),
    ]
    if "load_to_sound_s" in start:
        found.append(("cold start to first sound", f"{start['load_to_sound_s']} s", "<= 5 s"))
    found += [
        (f"under-runs in {live['seconds']:g} s of moves", live["underruns"], "0"),
        ("... real-time factor", live["real_time_factor"], ""),
        ("... rewinds", live["rewinds"], ""),
    ]
    for ear in result["slider_to_ear"]:
        found.append(
            (
                f"slider to ear, {_with(ear)}: p50 / p99 of {ear['heard']} heard of {ear['moves']}",
                f"{ear['p50_ms']} / {ear['p99_ms']} ms, {ear['underruns']} under-runs",
                "<= 120 ms" if ear["rollback"] else "",
            )
        )
    for dragged in result["dragged"]:
        found.append(
            (
                f"dragged {dragged['seconds']:g} s at 30 Hz, {_with(dragged)}: move to its frame, p50 / p99",
                f"{dragged['onset']['p50_ms']} / {dragged['onset']['p99_ms']} ms, "
                f"{dragged['underruns']} under-runs",
                "<= 120 ms" if dragged["rollback"] else "",
            )
        )
        age = dragged["age"]
        found.append(
            ("... age of the setting heard, ramp included", f"{age['p50_ms']} / {age['p99_ms']} ms", "")
        )
    for name, splices in (("moved", live["splices"]), ("dragged", result["dragged"][0]["splices"])):
        if splices:
            found.append(
                (
                    f"largest step at {splices['joints']} joints / 99.9 % of all steps, {name}",
                    f"{splices['worst_of_usual']}, {splices['above']} above",
                    "<= 1",
                )
            )
    return found


def _with(measured: JsonMapping) -> str:
    held = f"{measured['buffer_ms']} ms in the output, {measured['safety_ms']:g} ms ahead"
    return f"{held}, rollback {'on' if measured['rollback'] else 'off'}"
