"""What a study's stages wrote -> one self-contained HTML page: question, controls, effects, sounds, verdict.

Nothing is fetched when the page is opened: style, drawings and sounds are inside. Knows nothing of models.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from drawbar.research.horizon.plots import curve, forest, scatter

_STYLE = """
:root{--ink:#1d2126;--paper:#fbfaf7;--soft:#6a717a;--line:#d9d5cb;--own:#b4532a;--control:#7d8791;--local:#3d7a5c}
@media (prefers-color-scheme:dark){:root{--ink:#e6e3dc;--paper:#191b1e;--soft:#9aa1a9;--line:#3a3d42;--own:#e08a5e;
--control:#8a939c;--local:#74b694}}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:56rem;margin:2rem auto;
padding:0 1.2rem}
h1{font-size:1.7rem;line-height:1.2}h2{font-size:1.2rem;margin-top:2.4rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin-bottom:.3rem}table{border-collapse:collapse;font-size:.88rem;margin:.6rem 0}
td,th{padding:.2rem .7rem .2rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
td.n{text-align:right;font-variant-numeric:tabular-nums}.soft,figcaption{color:var(--soft);font-size:.88rem}
.verdict{border-left:5px solid var(--own);padding:.4rem 1rem;background:color-mix(in srgb,var(--own) 9%,transparent)}
.verdict b{font-size:1.25rem}svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--ink)}
svg .tick,svg .value{fill:var(--soft)}svg line.zero{stroke:var(--line)}svg line.own{stroke:var(--own);stroke-width:2}
svg line.control{stroke:var(--control);stroke-width:2}svg circle.own{fill:var(--own)}
svg circle.control{fill:var(--control)}
svg circle.local{fill:var(--local)}svg polyline.own{fill:none;stroke:var(--own);stroke-width:2}
svg .band{fill:var(--own);opacity:.15}figure{margin:.8rem 0}audio{width:18rem;height:2rem}
code{font-size:.82rem;overflow-wrap:anywhere}.no{color:var(--own)}
"""


def page(study: Mapping[str, Any]) -> str:
    """The parts that ``pipeline.horizon_report`` gathers -> the page."""
    body = [
        _top(study),
        _asked(study),
        _corpus(study),
        _readouts(study["probes"]),
        _features(study),
        _acting(study),
        _instrument(study["instrument"], study["gate"]),
        _sounds(study),
        _limits(),
        _digests(study["stages"]),
    ]
    title = "Do features foresee structure?"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>{lines}</table>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="n">{value:.3f}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="n">{value}</td>'
    return f"<td>{escape(str(value))}</td>"


def _top(study: Mapping[str, Any]) -> str:
    gate, model = study["gate"], study["settings"]["model"]
    return (
        f"<h1>Do features of the model “{escape(str(model))}” foresee that a motif returns?</h1>"
        f'<p class="verdict"><b>{escape(gate["verdict"])}</b><br>{escape(gate["text"])}</p>'
    )


def _asked(study: Mapping[str, Any]) -> str:
    probes = study["probes"]
    names = probes["horizons"]
    layers = ", ".join(sorted({str(one["layer"]) for one in probes["sets"]}))
    return (
        "<h2>What was asked</h2><p>From what the model holds at time <i>t</i> and nothing later: "
        "does a motif come back "
        f"within {escape(', '.join(names[:-1]))} or {escape(names[-1])} after <i>t</i>? Each horizon has labels of its "
        f"own. Asked of the residual and of every feature of layers {escape(layers)}, against every control, on "
        f"{probes['tracks']['held_out']} tracks that nothing was chosen or fitted on "
        f"({probes['tracks']['train']} to learn from, {probes['positions']} positions in all). A feature counts as a "
        "candidate if it beats every control there, says more of the far than of the near future, changes what returns "
        "when it is ablated or scaled up, does so more than random features do at the same quality, "
        "and can be listened "
        "to.</p>"
    )


def _corpus(study: Mapping[str, Any]) -> str:
    tracks, positions = study["stages"]["tracks"]["facts"], study["stages"]["positions"]["facts"]
    shares = zip(study["probes"]["horizons"], study["probes"]["shares"], strict=True)
    refused = tracks.get("refused") or []
    lines = [
        ("corpus", study["settings"]["corpus"]),
        ("tracks", f"{tracks['tracks']} ({', '.join(f'{n} {s}' for s, n in tracks['splits'].items())})"),
        ("licences", ", ".join(tracks["licences"])),
        ("verified events", ", ".join(f"{n} {kind}" for kind, n in tracks["events"].items()) or "none"),
        ("refused", "; ".join(refused) or "none"),
        (
            "positions with an event ahead",
            ", ".join(f"{name}: {100 * share:.0f} %" for name, share in shares),
        ),
        ("codec looks ahead", f"{positions['look_ahead_frames']} frames; positions are read that much later"),
        (
            "leak test",
            "audio cut at a position, in every track: the residual differs by at most "
            f"{positions['worst_difference_when_cut']:.1e} of its size",
        ),
    ]
    return "<h2>The corpus</h2>" + _table(("", ""), lines)


def _readouts(probes: Mapping[str, Any]) -> str:
    parts = [
        "<h2>What can be read, and what the controls can</h2><p class='soft'>AUROC on held-out "
        "tracks with 90 % intervals "
        "(tracks resampled); 0.5 is chance. Every control is a readout of its own, fitted in the "
        "same way. “Features” are "
        "the best few of the layer, chosen on training tracks; random directions, random features and the local-only "
        "features were chosen in the same way from as many.</p>"
    ]
    for horizon in probes["horizons"]:
        those = [one for one in probes["sets"] if one["horizon"] == horizon]
        parts.append(f"<h3>{escape(horizon)} ahead</h3>")
        for layer in sorted({one["layer"] for one in those}):
            mine = [one for one in those if one["layer"] == layer]
            rows = [(one["name"], *_interval(one["held"]), "own") for one in mine]
            rows += [
                (name, *_interval(found["held"]), "control")
                for name, found in mine[0]["control_readouts"].items()
            ]
            drawing = forest(rows, low=0.3, high=0.9, line=0.5, caption=f"layer {layer}, {horizon}")
            parts.append(f"<figure>{drawing}<figcaption>layer {layer}</figcaption></figure>")
        table = [
            (
                f"layer {one['layer']}, {one['name']}",
                one["held"]["value"],
                one["margins"]["best_control"],
                one["margins"]["best"]["held"]["value"],
                one["margins"]["best"]["held"]["low"],
                one["margins"]["best"]["held"]["high"],
                one["calibration"]["brier"],
                one["calibration"]["brier_of_the_share"],
                one["calibration"]["error"],
            )
            for one in those
        ]
        head = (
            "",
            "AUROC",
            "best control",
            "margin",
            "from",
            "to",
            "Brier",
            "... of the share",
            "calibration error",
        )
        parts.append(_table(head, table))
    return "".join(parts)


def _interval(found: Mapping[str, float]) -> tuple[float, float, float]:
    return found["value"], found["low"], found["high"]


def _features(study: Mapping[str, Any]) -> str:
    gate = {one["id"]: one for one in study["gate"]["features"]}
    parts = [
        "<h2>Single features and the gate</h2><p class='soft'>The shortlist was made on training "
        "tracks: the features that "
        "say most about the farthest horizon, those first that say less about the nearest. Bounds share out the error "
        "among all of them.</p>"
    ]
    for feature in study["probes"]["features"]:
        name = feature["id"]
        label = study.get("labels", {}).get(name) or "unnamed"
        rows = [
            (
                "✓" if one["passed"] else "✗",
                one["name"],
                one["value"],
                one["low"],
                f"> {one['needed']:g}" if one["name"] != "selective" else f">= {one['needed']:g}",
            )
            for one in gate[name]["criteria"]
        ]
        auroc = ", ".join(f"{h}: {found['held']['value']:.3f}" for h, found in feature["horizons"].items())
        parts.append(
            f"<h3>{escape(name)} · {escape(label)}</h3><p class='soft'>fires at {100 * feature['density']:.1f} % of "
            f"positions; AUROC alone {escape(auroc)}"
            f"{'' if gate[name]['acted_on'] else '; was not acted on (only the first of the shortlist are)'}</p>"
            + _table(("", "criterion", "value", "bound", "needed"), rows)
        )
    return "".join(parts)


def _acting(study: Mapping[str, Any]) -> str:
    found = study["interventions"]
    parts = [
        f"<h2>Acting on them</h2><p class='soft'>{len(found['tracks'])} beginnings of held-out "
        f"tracks, teacher-forced, then "
        f"{study['settings']['interventions']['seconds']:g} s generated with the same seeds under each condition: left "
        "alone, the feature ablated or scaled up, the same with the best local feature, and with "
        "random features as dense "
        f"and as strong ({found['clips']} clips). Recurrence is the detector's likeness between beginning and "
        "continuation.</p>"
    ]
    for one in found["features"]:
        parts.append(f"<h3>{escape(one['id'])}</h3>")
        rows: list[tuple[object, ...]] = []
        for way, effect in one["effects"].items():
            selective, quality = one["selectivity"][way], one["quality"][way]
            rows.append(
                (
                    way, effect["value"], effect["low"], effect["high"], selective["p"], selective["p_against"],
                    quality["ce_0"]["value"], quality["loudness_db"]["value"], quality["onset_rate_hz"]["value"],
                )
            )  # fmt: skip
            local = one["controls"]["local feature"][way]
            twins = [(r["ce_0"], r["likeness"]) for r in one["controls"]["random features"][way]]
            drawing = scatter(
                twins,
                (quality["ce_0"]["value"], effect["value"]),
                (local["ce_0"]["value"], local["likeness"]["value"]),
                across="change of cross-entropy (nats): quality lost",
                up="change of likeness",
            )
            parts.append(
                f"<figure>{drawing}<figcaption>{escape(way)}: change of recurrence against quality lost; the feature, "
                f"<span style='color:var(--local)'>the local feature</span> and random features</figcaption></figure>"
            )
        head = (
            "", "recurrence", "from", "to", "p, in its own sense", "p, in the other", "nats", "dB", "onsets/s",
        )  # fmt: skip
        parts.append(_table(head, rows))
    return "".join(parts)


def _instrument(instrument: Mapping[str, Any], gate: Mapping[str, Any]) -> str:
    power, null = instrument["power"], instrument["null"]
    points = [
        (one["auroc"], one["found"]["value"], one["found"]["low"], one["found"]["high"])
        for one in power["curve"]
    ]
    rows = [
        (
            one["strength"],
            one["auroc"],
            one["shortlisted"]["value"],
            one["found"]["value"],
            one["found"]["trials"],
        )
        for one in power["curve"]
    ]
    nulls = [("any claim", null["claims"]), ("above chance", null["above_chance"])]
    nulls += [(f"beats {name}", found) for name, found in null["beats"].items()]
    return (
        "<h2>Does the instrument work?</h2><h3>What it can see</h3><p class='soft'>The labels of the "
        "farthest horizon were "
        "written into one feature of this study’s own residuals, at known strength. Found means: named by layer and "
        f"number, and through all of the probes’ criteria.</p><figure>{_power(points)}"
        "<figcaption>share of planted features found, with 95 % intervals</figcaption></figure>"
        + _table(("strength (sd)", "AUROC it then has", "shortlisted", "found", "plantings"), rows)
        + f"<p>On this corpus a margin of <b>{gate['detectable']:.3f}</b> over the best control would have been "
        "found four times in five (from the spread of the shortlist’s margins between resamples).</p><h3>What "
        f"it claims where there is nothing</h3><p class='soft'>{null['repeats']} corpora of {null['tracks']} "
        f"tracks without recurrence, with other tracks’ labels; nominal is at most {null['alpha']:g} for each "
        "comparison.</p>"
        + _table(
            ("claim", "rate", "from", "to"),
            [(name, one["value"], one["low"], one["high"]) for name, one in nulls],
        )
    )


def _power(points: Sequence[tuple[float, float, float, float]]) -> str:
    return curve(points, across="AUROC of the planted feature on held-out tracks", up="share found")


def _sounds(study: Mapping[str, Any]) -> str:
    parts = [
        "<h2>Listen</h2><p class='soft'>The beginning is the same; what follows the border "
        f"({study['settings']['interventions']['prefix_s']:g} s) was generated.</p>"
    ]
    rows = []
    for one in study["examples"]:
        name = one["feature"] or "left alone"
        rows.append(
            f"<tr><td>{escape(one['track'])}</td><td>{escape(name)}</td><td>{escape(one['way'])}</td><td>"
            f'<audio controls preload="none" src="data:audio/mpeg;base64,{one["data"]}"></audio></td></tr>'
        )
    head = "<tr><th>track</th><th>feature</th><th>way</th><th></th></tr>"
    return "".join(parts) + f"<table>{head}{''.join(rows)}</table>"


def _limits() -> str:
    return (
        "<h2>What this cannot say</h2><p>A readout is linear: structure that is held in another form "
        "is not seen. Random "
        "tracks are resampled, the fitted readouts are not. A verdict is about this model, these "
        "features, this corpus and "
        "these horizons; “no evidence” is not evidence of absence below the size given above.</p>"
    )


def _digests(stages: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td><code>{escape(found['digest'])}</code></td><td class='soft'>"
        f"{escape(', '.join(f'{n} {v}' for n, v in found['versions'].items()))}</td></tr>"
        for name, found in stages.items()
    )
    return (
        "<h2>What it was made from</h2><p class='soft'>Each stage’s digest covers its inputs’ "
        "digests, its settings and "
        f"its version.</p><table><tr><th>stage</th><th>digest</th><th>versions</th></tr>{rows}</table>"
    )
