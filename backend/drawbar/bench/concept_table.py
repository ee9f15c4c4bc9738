"""Every method's AUROCs -> what each reaches per concept, whether the goals are met, and what falls short and why."""

from collections.abc import Mapping, Sequence

import torch

from drawbar.bench.concept_units import Found
from drawbar.bench.figure import dot_plot
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.residuals.composed import SCOPES

CONTROL = "SAE, shuffled weights"
BASELINES = ("raw dimensions", "PCA", "random directions", CONTROL)
"""Unsupervised: what SAE features have to beat."""
METHODS = ("SAE", *BASELINES, "difference in means", "8 features", "dense probe")
_UNREAD = "no linear probe of any layer reaches 0.95"
SHORT_METHODS = ("SAE", "raw", "PCA", "rand.", "shuf.", "diff.", "8 f.", "probe")
GOALS = {"decodable": 0.95, "single": 0.90, "share": 0.80, "margin": 0.05, "few_gap": 0.03}


def summary(
    names: Sequence[str], found: Sequence[Found], ids: Mapping[str, Sequence[str]] | None = None
) -> JsonObject:
    """Plain values: per scope the concepts' table, the methods' means, the goals, and what falls short.

    ``ids`` gives the features of a source their names in a bank; otherwise they are layer/number.
    """
    return {
        "goals": GOALS,
        "scopes": {s: _scope(names, [one for one in found if one.scope == s], ids or {}) for s in SCOPES},
        "by_layer": _by_layer(found),
        "by_sae": _by_sae(names, found),
    }


def _best(
    found: Sequence[Found], method: str, concept: int, ids: Mapping[str, Sequence[str]]
) -> JsonObject | None:
    """The layer (and SAE) that was best on the training pieces, and what it gives on the others."""
    mine = [one for one in found if one.method == method and not bool(one.train[concept].isnan())]
    if not mine:
        return None
    best = max(mine, key=lambda one: float(one.train[concept]))
    unit = best.unit[concept]
    return {
        "layer": best.layer,
        "source": best.source,
        "unit": ids[best.source][unit] if best.source in ids and unit >= 0 else f"{best.layer}/{unit}",
        "sign": best.sign[concept],
        "train": round(float(best.train[concept]), 4),
        "held_out": round(float(best.held_out[concept]), 4),
    }


def _scope(names: Sequence[str], found: Sequence[Found], ids: Mapping[str, Sequence[str]]) -> JsonObject:
    methods = [method for method in METHODS if any(one.method == method for one in found)]
    concepts = {
        name: {method: _best(found, method, c, ids) for method in methods} for c, name in enumerate(names)
    }
    return {"concepts": concepts, **_verdict(concepts, methods), "short": _short(concepts, found, names)}


def _value(row: JsonMapping, method: str) -> float:
    cell = row.get(method)
    return float("nan") if cell is None else float(cell["held_out"])


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else None


def _decodable(concepts: Mapping[str, JsonMapping]) -> list[str]:
    return [name for name, row in concepts.items() if _value(row, "dense probe") >= GOALS["decodable"]]


def _verdict(concepts: Mapping[str, JsonMapping], methods: Sequence[str]) -> JsonObject:
    """Means over the concepts that the dense probe decodes, and the goals."""
    decodable = _decodable(concepts)
    means = {
        method: (
            sum(_value(concepts[name], method) for name in decodable) / len(decodable) if decodable else None
        )
        for method in methods
    }
    everywhere = {method: _mean([_value(row, method) for row in concepts.values()]) for method in methods}
    single = [name for name in decodable if _value(concepts[name], "SAE") >= GOALS["single"]]
    reached: JsonObject = {"share": None, "margin": None, "few_gap": None}
    if decodable:
        rivals = {m: means["SAE"] - means[m] for m in BASELINES if m in methods}  # type: ignore[operator]
        reached = {
            "share": len(single) / len(decodable),
            "margin": min(rivals.values()),
            "margins": rivals,
            "few_gap": means["dense probe"] - means["8 features"],  # type: ignore[operator]
        }
        reached["met"] = {
            "share": reached["share"] >= GOALS["share"],
            "margin": reached["margin"] >= GOALS["margin"],
            "few_gap": reached["few_gap"] <= GOALS["few_gap"],
        }
    return {"decodable": decodable, "means": means, "means_of_all": everywhere, "reached": reached}


def _short(
    concepts: Mapping[str, JsonMapping], found: Sequence[Found], names: Sequence[str]
) -> list[JsonObject]:
    """Concepts that no single feature reads although the dense probe does; then those that it does not read."""
    out = []
    for name in _decodable(concepts):
        row = concepts[name]
        if _value(row, "SAE") < GOALS["single"]:
            out.append(_line(name, row, _cause(row, found, list(names).index(name))))
    for name, row in concepts.items():
        if _value(row, "dense probe") < GOALS["decodable"]:
            out.append(_line(name, row, f"model: {_UNREAD}"))
    return out


def _line(name: str, row: JsonMapping, cause: str) -> JsonObject:
    kept = {method: _value(row, method) for method in ("SAE", "8 features", "dense probe") if row.get(method)}
    return {"concept": name, "cause": cause, **kept}


def _cause(row: JsonMapping, found: Sequence[Found], concept: int) -> str:
    """The likeliest reason, from what other layers, SAEs and readouts reach."""
    goal = GOALS["single"]
    sae_layers = {one.layer for one in found if one.method == "SAE"}
    probes = {one.layer: float(one.held_out[concept]) for one in found if one.method == "dense probe"}
    here = max((probes[layer] for layer in sae_layers if layer in probes), default=0.0)
    best_layer = max(probes, key=lambda layer: probes[layer])
    if here < GOALS["decodable"] <= probes[best_layer]:
        return f"layer: layer {best_layer} holds it, the SAEs' layers {sorted(sae_layers)} do not"
    others = [one for one in found if one.method == "SAE" and float(one.held_out[concept]) >= goal]
    if others:
        return f"choice: {others[0].source} reaches {float(others[0].held_out[concept]):.2f}, another looked better"
    baseline = max(_value(row, method) for method in BASELINES if row.get(method))
    few = _value(row, "8 features")
    if few >= _value(row, "dense probe") - GOALS["few_gap"]:
        return "k and SAE size: split over a few features, which take turns"
    if baseline > _value(row, "SAE"):
        return "training: a plain direction reads it better; the SAE spends its features elsewhere"
    return "SAE size: spread over many features"


def _by_layer(found: Sequence[Found]) -> list[JsonObject]:
    """Mean AUROC over all concepts of each method on each layer."""
    return [
        {
            "method": one.method,
            "source": one.source,
            "layer": one.layer,
            "scope": one.scope,
            "mean": round(float(one.held_out.nanmean()), 4),
        }
        for one in found
    ]


def _by_sae(names: Sequence[str], found: Sequence[Found]) -> list[JsonObject]:
    """Each SAE for itself, over the concepts that the dense probe decodes at its own layer."""
    out = []
    for one in found:
        if one.method != "SAE":
            continue
        probe = next(
            f for f in found if (f.method, f.layer, f.scope) == ("dense probe", one.layer, one.scope)
        )
        few = next(
            f for f in found if f.method == "8 features" and (f.source, f.scope) == (one.source, one.scope)
        )
        rows = [c for c in range(len(names)) if float(probe.held_out[c]) >= GOALS["decodable"]]
        if rows:
            mine = one.held_out[torch.tensor(rows)]
            out.append(
                {
                    "sae": one.source,
                    "layer": one.layer,
                    "scope": one.scope,
                    "concepts": len(rows),
                    "single": round(float(mine.mean()), 4),
                    "share": round(float((mine >= GOALS["single"]).float().mean()), 4),
                    "eight": round(float(few.held_out[torch.tensor(rows)].mean()), 4),
                    "probe": round(float(probe.held_out[torch.tensor(rows)].mean()), 4),
                }
            )
    return out


def table_rows(result: JsonMapping) -> dict[str, list[list[object]]]:
    """Tables for people: ``concepts``, ``goals``, ``saes`` and ``short``."""
    concepts: list[list[object]] = []
    goals: list[list[object]] = []
    short: list[list[object]] = []
    for scope, found in result["scopes"].items():
        for name in sorted(found["concepts"], key=lambda n: -_value(found["concepts"][n], "dense probe")):
            row = found["concepts"][name]
            place = row["SAE"]
            concepts.append(
                [
                    scope,
                    name,
                    *(_value(row, method) for method in METHODS),
                    place["unit"],
                ]
            )
        reached = found["reached"]
        unread = [line["concept"] for line in found["short"] if line["concept"] not in found["decodable"]]
        short.append([scope, f"{len(unread)} others", None, None, None, f"model: {_UNREAD}"])
        goals += [
            [scope, "concepts that the dense probe decodes", len(found["decodable"]), ">= 0.95 each"],
            [scope, "... that one SAE feature reads at >= 0.9", reached["share"], f">= {GOALS['share']}"],
            [scope, "... above the best unsupervised baseline", reached["margin"], f">= {GOALS['margin']}"],
            [scope, "... dense probe above 8 features", reached["few_gap"], f"<= {GOALS['few_gap']}"],
            *([scope, f"mean over them: {method}", mean, ""] for method, mean in found["means"].items()),
        ]
        for line in found["short"]:
            if line["concept"] not in found["decodable"]:
                continue
            short.append(
                [scope, line["concept"], line["SAE"], line["8 features"], line["dense probe"], line["cause"]]
            )
    saes: list[list[object]] = [
        [r["scope"], r["sae"], r["layer"], r["concepts"], r["single"], r["share"], r["eight"], r["probe"]]
        for r in result["by_sae"]
    ]
    return {"concepts": concepts, "goals": goals, "saes": saes, "short": short}


def plot(result: JsonMapping, scope: str = "frame", least: float = 0.75) -> str:
    """The concepts that the dense probe reads at ``least`` or better, one line each, as SVG."""
    found = result["scopes"][scope]["concepts"]
    order = sorted(found, key=lambda name: -_value(found[name], "dense probe"))
    lines = {
        name: {method: _value(found[name], method) for method in METHODS}
        for name in order
        if _value(found[name], "dense probe") >= least
    }
    title = f"Held-out AUROC of the best unit, per {scope}: {result['model']['name']}"
    return dot_plot(lines, METHODS, title=title, marks=(GOALS["single"], GOALS["decodable"]))


def markdown(result: JsonMapping, pictures: Mapping[str, str]) -> str:
    """The whole result as a page; ``pictures`` are the plots' file names by scope."""
    model, pieces = result["model"], result["pieces"]
    tables = table_rows(result)
    out = [
        f"# Which planted concepts single features find: {model['name']} {model['fingerprint'][:12]}",
        "",
        f"{pieces['train']} composed pieces of {pieces['seconds']:g} s to choose on, {pieces['held_out']} others to "
        "measure on; nothing was trained on either. Held-out AUROC; made by `drawbar bench concepts`.",
        "",
    ]
    for one in result["saes"]:
        out.append(f"- {one['name']}: layer {one['layer']}, {one['features']} features, k {one['k']}")
    for scope, found in result["scopes"].items():
        out += ["", f"## Per {scope}", "", f"![Held-out AUROC per {scope}]({pictures[scope]})", ""]
        out += _lines(("measure", "value", "goal"), [r[1:] for r in tables["goals"] if r[0] == scope])
        read = [r[1:] for r in tables["concepts"] if r[0] == scope and r[1] in found["decodable"]]
        out += ["", *_lines(("concept", *METHODS, "feature"), read)]
        missed = [r[1:] for r in tables["short"] if r[0] == scope]
        out += [
            "",
            "What falls short:",
            "",
            *_lines(("concept", "SAE", "8 features", "probe", "why"), missed),
        ]
    return "\n".join([*out, ""])


def _lines(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    def cell(value: object) -> str:
        if isinstance(value, float):
            return f"{value:.3f}" if value == value else ""
        return "" if value is None else str(value)

    body = [[cell(value) for value in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *body]]
