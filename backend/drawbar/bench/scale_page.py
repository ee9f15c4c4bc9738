"""Measured runs and the arithmetic of larger sites -> docs/scale.md."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from drawbar.bench.scale import TOLERANCE
from drawbar.bench.scale_model import SITES, Site, Work, hours, saturates_at
from drawbar.files.json_object import JsonObject

_HEAD = """# Scale

Made by `{command}`; do not edit. How to run on several machines: [cluster.md](cluster.md).

## Measured here

{where}. The stages of `drawbar build` on {corpus}, embedded model, an SAE of {steps} steps, one thread for
each process; seconds of wall clock,
medians of {rounds} interleaved rounds. The start of Ray itself (`connect`) stands apart: it is paid once a run.
"""
_SIMULATED = """
The simulation (`pipeline/cluster/simulation.py`) gets what one worker measured: each part's seconds, the start
of a process and
the driver's share of a stage. What it says of more workers, and what they took:
"""
_MODEL = """
## 1,000 hours of audio

Arithmetic put through the same simulation, not a measurement: MusicGen-medium ({weights:.1f} G weights read a
position), {layers} layers,
{saes} SAEs of {features} features trained on {positions:.0f} M positions {passes:g} times (the paper's grid),
residuals in half precision.
What a machine sustains is assumed: {sites}.
"""
_END = """
"Waits for" compares computing with the store's bandwidth. Labels run on the driver: they are what more workers
do not shorten (Amdahl), and the first thing to spread where they show.

## What saturates first

The store: residuals of {layers} layers are {row_kb:.0f} kB a position, {per_hour:.1f} GB an hour of audio,
written once and read once for
the activations and {saes} times for the grid. Workers beyond these numbers wait for it:

{saturation}

GPUs come next, for the SAEs of the grid: there are {saes}, so more than {saes} GPUs have nothing to train. The
network between workers is not
used for data.

## One million hours

- Residuals are not kept: {million_tb:.0f} TB at {layers} layers. `residuals = "stream"` computes them while
  the SAEs train, all of a seed
  in one pass, and again for the activations.
- Activations (4 bytes a pair, k = {k}) are {pairs_tb:.0f} TB a layer: tables by partition, of which a profile
  reads one at a time.
- The labels must become a map over partitions with a reduce in a fixed order; today they are the driver's.
- One SAE on one GPU holds up to about 10^5 features at width {width}; beyond, its features are split over the
  GPUs of a machine (tensor
  parallel: each holds F / n rows, the top k of n times k candidates decide).
- Search: feature tables by partition (`drawbar bank table`, `drawbar features search --table`), every part
  answering alone;
  measured on 10 M rows in docs/LOG.md.
"""


def page(measured: JsonObject, command: str, where: str, work: Work | None = None) -> str:
    """The whole document."""
    work = work or Work()
    runs, points = measured["runs"], measured["points"]
    rounds = sum(run["workers"] == 0 for run in runs)
    text = _HEAD.format(
        command=command, where=where, corpus=measured["pieces"], steps=measured["sae_steps"], rounds=rounds
    )
    text += "\n" + _measured(runs)
    text += "\n" + "".join(f"- {name}: {value:.2f}\n" for name, value in measured["ratios"].items())
    text += _SIMULATED + "\n" + _points(points)
    worst = max((abs(point["off"]) for point in points), default=0.0)
    verdict = "within" if worst <= TOLERANCE else "**not** within"
    text += f"\nThe sums are {verdict} {TOLERANCE:.0%} (worst: {worst:.1%}).\n"
    text += _MODEL.format(
        weights=work.weights / 1e9,
        layers=work.layers,
        saes=work.saes,
        features=work.features,
        positions=work.sae_positions / 1e6,
        passes=work.passes,
        sites="; ".join(
            f"{site.name}: {_flop(site.flop_per_s)} a worker, store {site.store_bytes_per_s / 1e9:g} GB/s, "
            f"{site.dollars_per_worker_hour:g} $/h a worker"
            for site in SITES
        ),
    )
    text += "\n" + _sites(work)
    row = 2.0 * work.width * work.layers
    million = replace(work, hours=1e6)
    return text + _END.format(
        layers=work.layers,
        row_kb=row / 1e3,
        per_hour=row * 3600 * 50 / 1e9,
        saes=work.saes,
        saturation=_saturation(work),
        million_tb=million.positions * row / 1e12,
        pairs_tb=million.positions * 4.0 * work.k / 1e12,
        k=work.k,
        width=work.width,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _measured(runs: Sequence[JsonObject]) -> str:
    stages = list(runs[0]["stages"])
    rows: list[list[object]] = []
    for workers in sorted({run["workers"] for run in runs}):
        mine = [run for run in runs if run["workers"] == workers]
        middle = sorted(mine, key=lambda run: sum(run["stages"].values()))[len(mine) // 2]
        name = "plain" if workers == 0 else f"{workers} worker{'s' * (workers > 1)}"
        times = [f"{middle['stages'][stage]:.1f}" for stage in stages]
        connect = f"{middle['connect_s']:.1f}" if workers else "-"
        rows.append([name, *times, f"{sum(middle['stages'].values()):.1f}", connect])
    return _table(["", *stages, "sum", "connect"], rows)


def _points(points: Sequence[JsonObject]) -> str:
    rows = []
    for point in points:
        for stage, (seen, said) in point["stages"].items():
            rows.append([point["workers"], stage, f"{seen:.1f}", f"{said:.1f}", ""])
        rows.append(
            [
                point["workers"],
                "**sum**",
                f"{point['measured_s']:.1f}",
                f"{point['simulated_s']:.1f}",
                f"{point['off']:+.1%}",
            ]
        )
    return _table(["workers", "stage", "measured s", "simulated s", "off"], rows)


def _sites(work: Work) -> str:
    rows: list[list[object]] = []
    for site in SITES:
        found = hours(work, site)
        total = sum(one.hours for one in found)
        dollars = total * site.workers * site.dollars_per_worker_hour
        rows += [[site.name, one.stage, f"{one.hours:.2g}", one.bound] for one in found]
        rows.append([site.name, "**sum**", f"**{total:.3g}**", f"{dollars:,.0f} $"])
    return _table(["site", "stage", "hours", "waits for"], rows)


def _saturation(work: Work) -> str:
    def least(site: Site) -> list[object]:
        found = saturates_at(work, site)
        return [site.name, *(f"{found[stage]:,.1f}" for stage in found)]

    stages = list(saturates_at(work, SITES[0]))
    return _table(["at a store and workers of", *stages], [least(site) for site in SITES])


def _flop(value: float) -> str:
    return f"{value / 1e12:g} TFLOP/s" if value >= 1e12 else f"{value / 1e9:g} GFLOP/s"
