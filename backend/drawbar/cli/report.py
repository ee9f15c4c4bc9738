"""`drawbar report`: which features survive a filter, and whether labels say anything, as tables."""

import json
from pathlib import Path
from typing import Annotated

import typer

from drawbar.cli.options import JsonFlag
from drawbar.cli.output import out_json, say, table
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject

app = typer.Typer(no_args_is_help=True, help="What a build measured.")

Where = Annotated[
    str,
    typer.Argument(help="A run's folder, a bank's folder or an installed bank; empty: the embedded bank."),
]


@app.command("survivors")
def report_survivors(where: Where = "", as_json: JsonFlag = False) -> None:
    """The paper's filter (active in 1 % to 25 % of clips) and a rule on frames, over a grid of thresholds."""
    layers = _layers(where, "survivors")
    if as_json:
        out_json(layers)
        return
    table(
        ("layer", "features", "alive", "paper's filter", "token rule", "both"),
        [
            (name, t["features"], t["alive"], t["paper"], t["token_rule"], t["both"])
            for name, t in layers.items()
        ],
        title="Survivors. Paper: time-mean above 0 in 1 % to 25 % of 10 s clips. Token rule: 0.05 % to 10 % of frames.",
    )
    for name, found in layers.items():
        _grid(f"layer {name}: share of clips, from (rows) to (columns)", found["clip_grid"])
        _grid(f"layer {name}: share of frames, from (rows) to (columns)", found["token_grid"])
        if found["mean_grid"]:
            table(
                ("a clip counts from a time-mean of", "survivors of the paper's filter"),
                [(f"{row['least']:g} of p99", int(row["survivors"])) for row in found["mean_grid"]],
                title=f"layer {name}",
            )


def _grid(title: str, rows: list[dict[str, float]]) -> None:
    lows = sorted({row["low"] for row in rows})
    highs = sorted({row["high"] for row in rows})
    known = {(row["low"], row["high"]): int(row["survivors"]) for row in rows}
    table(
        ("", *(f"to {100 * high:g} %" for high in highs)),
        [(f"{100 * low:g} %", *(known[low, high] for high in highs)) for low in lows],
        title=title,
    )


@app.command("labels")
def report_labels(where: Where = "", as_json: JsonFlag = False) -> None:
    """Whether labels predict held-out activations better than labels dealt out at random."""
    layers = _layers(where, "labels")
    consistency = _layers(where, "consistency")
    if as_json:
        out_json({"labels": layers, "consistency": consistency})
        return
    rows: list[tuple[object, ...]] = []
    for name, authors in layers.items():
        for author, found in authors.items():
            rows.append((name, author, *_figures(found)))
        rows.append((name, "(sound alone)", *_figures(consistency[name])))
    table(
        ("layer", "by", "labels", "true, median", "shuffled, median", "AUROC true / shuffled"),
        rows,
        title="Held-out scores of labels chosen on training clips (before the threshold for showing them)",
    )
    say("AUROC 1: every true label scores above every shuffled one; 0.5: the labels say nothing")


def _figures(found: JsonObject | None) -> tuple[object, ...]:
    if found is None:
        return ("too few", None, None, None)
    return tuple(found[name] for name in ("labels", "true_median", "shuffled_median", "auroc"))


def _layers(where: str, what: str) -> JsonObject:
    """{layer: figures} from a bank's description, or from the bank inside a run."""
    from drawbar.bank import Bank, find_bank

    if where and (Path(where) / "bank").is_dir():
        folder = Path(where) / "bank"
    else:
        folder = (_unfinished(where) if where else None) or find_bank(where or "embedded")
    with Bank.open(folder) as bank:
        found = {name: layer[what] for name, layer in bank.info.quality.get("layers", {}).items()}
        name, rows = bank.info.name, bank.search(limit=bank.count() + 1)
        if found or what != "survivors":
            if not found:
                raise BadInputError(
                    f"the bank {name} does not say how its labels were scored; build it again"
                )
            return found
        # An older bank knows its published features only.
        import numpy as np

        from drawbar.features.survivors import survivors

        tables: JsonObject = {}
        for layer in bank.info.layers:
            ids = [row.id for row in rows if row.layer == layer]
            pages = [bank.feature(feature) for feature in ids]
            clip = np.array([page.clip_density for page in pages])
            token = np.array([page.density for page in pages])
            tables[str(layer)] = json.loads(json.dumps(vars(survivors(layer, clip, token))))
        say(f"{name} was built without this table: it is made of its published features")
        return tables


def _unfinished(where: str) -> Path | None:
    """Raises BadInputError for a run whose bank is not there yet."""
    folder = Path(where)
    if (folder / "settings.json").is_file() and not (folder / "bank").is_dir():
        raise BadInputError(f"{where} is a run without a bank yet; run `drawbar build` to its end first")
    return None
