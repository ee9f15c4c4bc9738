"""What a study's stages wrote -> one self-contained HTML page: question, controls, effects, sounds, verdict.

Its words are in ``templates/page.html``. Nothing is fetched when the page is opened: style, drawings and sounds are
inside. Knows nothing of models.
"""

from collections.abc import Mapping
from pathlib import Path

from drawbar.files.json_object import JsonMapping
from drawbar.markup import Drawing, render
from drawbar.research.horizon.plots import Interval, curve, forest, scatter

_TEMPLATE = Path(__file__).with_name("templates") / "page.html"


def page(study: JsonMapping) -> str:
    """The parts that ``study.report.gathered`` reads, with ``labels`` by feature id -> the page."""
    power, null = study["instrument"]["power"], study["instrument"]["null"]
    claims = {"any claim": null["claims"], "above chance": null["above_chance"]}
    claims |= {f"beats {name}": found for name, found in null["beats"].items()}
    return render(
        _TEMPLATE,
        model=study["settings"]["model"],
        settings=study["settings"]["interventions"],
        gate=study["gate"],
        probes=study["probes"],
        layers=sorted({str(one["layer"]) for one in study["probes"]["sets"]}),
        corpus=_corpus(study),
        readouts=[_readout(study["probes"], horizon) for horizon in study["probes"]["horizons"]],
        features=[_feature(study, feature) for feature in study["probes"]["features"]],
        interventions=study["interventions"],
        acted=[_acted(one) for one in study["interventions"]["features"]],
        power_curve=curve(
            [(one["auroc"], *_interval(one["found"])) for one in power["curve"]],
            across="AUROC of the planted feature on held-out tracks",
            up="share found",
        ),
        power_rows=[
            (one["strength"], one["auroc"], one["shortlisted"]["value"], one["found"]["value"], one["found"]["trials"])
            for one in power["curve"]
        ],
        null=null,
        null_rows=[(name, *_interval(one)) for name, one in claims.items()],
        examples=study["examples"],
        stages=study["stages"],
    )  # fmt: skip


def _corpus(study: JsonMapping) -> list[tuple[str, str]]:
    tracks, positions = study["stages"]["tracks"]["facts"], study["stages"]["positions"]["facts"]
    shares = zip(study["probes"]["horizons"], study["probes"]["shares"], strict=True)
    return [
        ("corpus", study["settings"]["corpus"]),
        ("tracks", f"{tracks['tracks']} ({', '.join(f'{n} {s}' for s, n in tracks['splits'].items())})"),
        ("licences", ", ".join(tracks["licences"])),
        ("verified events", ", ".join(f"{n} {kind}" for kind, n in tracks["events"].items()) or "none"),
        ("refused", "; ".join(tracks.get("refused") or []) or "none"),
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


def _readout(probes: JsonMapping, horizon: str) -> dict[str, object]:
    those = [one for one in probes["sets"] if one["horizon"] == horizon]
    drawings: list[tuple[int, Drawing]] = []
    for layer in sorted({one["layer"] for one in those}):
        mine = [one for one in those if one["layer"] == layer]
        rows: list[Interval] = [(one["name"], *_interval(one["held"]), "own") for one in mine]
        for name, found in mine[0]["control_readouts"].items():
            rows.append((name, *_interval(found["held"]), "control"))
        caption = f"layer {layer}, {horizon}"
        drawings.append((layer, forest(rows, low=0.3, high=0.9, line=0.5, caption=caption)))
    table = [
        (
            f"layer {one['layer']}, {one['name']}",
            one["held"]["value"],
            one["margins"]["best_control"],
            *_interval(one["margins"]["best"]["held"]),
            one["calibration"]["brier"],
            one["calibration"]["brier_of_the_share"],
            one["calibration"]["error"],
        )
        for one in those
    ]
    return {"name": horizon, "drawings": drawings, "rows": table}


def _interval(found: Mapping[str, float]) -> tuple[float, float, float]:
    return found["value"], found["low"], found["high"]


def _feature(study: JsonMapping, feature: JsonMapping) -> dict[str, object]:
    gate = next(one for one in study["gate"]["features"] if one["id"] == feature["id"])
    rows = [
        (
            "✓" if one["passed"] else "✗",
            one["name"],
            one["value"],
            one["low"],
            f"{'>=' if one['name'] == 'selective' else '>'} {one['needed']:g}",
        )
        for one in gate["criteria"]
    ]
    return {
        "id": feature["id"],
        "label": study.get("labels", {}).get(feature["id"]) or "unnamed",
        "density": feature["density"],
        "auroc": [f"{h}: {found['held']['value']:.3f}" for h, found in feature["horizons"].items()],
        "acted_on": gate["acted_on"],
        "rows": rows,
    }


def _acted(one: JsonMapping) -> dict[str, object]:
    """What ablating and scaling up a feature did, beside the local feature and random ones."""
    drawings: list[tuple[str, Drawing]] = []
    rows: list[tuple[object, ...]] = []
    for way, effect in one["effects"].items():
        selective, quality = one["selectivity"][way], one["quality"][way]
        lost = [quality[name]["value"] for name in ("ce_0", "loudness_db", "onset_rate_hz")]
        rows.append((way, *_interval(effect), selective["p"], selective["p_against"], *lost))
        local = one["controls"]["local feature"][way]
        drawing = scatter(
            [(r["ce_0"], r["likeness"]) for r in one["controls"]["random features"][way]],
            (quality["ce_0"]["value"], effect["value"]),
            (local["ce_0"]["value"], local["likeness"]["value"]),
            across="change of cross-entropy (nats): quality lost",
            up="change of likeness",
        )
        drawings.append((way, drawing))
    return {"id": one["id"], "drawings": drawings, "rows": rows}
