"""A finished study's folder -> its page, in one file. Raises for a study that is not finished."""

import base64
from pathlib import Path
from typing import Any

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_text
from drawbar.files.reading import json_value
from drawbar.research.horizon.page import page
from drawbar.research.horizon.study.run import STAGES


def write_report(run: Path, out: Path | None = None, *, labels: dict[str, str] | None = None) -> Path:
    """Write ``report.html`` into the run's folder, or to ``out``. Raises BadInputError for an unfinished study."""
    study = gathered(run) | {"labels": labels or {}}
    path = out or run / "report.html"
    write_text(path, page(study))
    return path


def gathered(run: Path) -> dict[str, object]:
    """What the stages wrote, by name; sounds as base64."""
    folders = {name: run / f"{number}-{name}" for number, name in enumerate(STAGES, 1)}
    stages: dict[str, object] = {}
    for name, folder in folders.items():
        manifest = _json(folder / "manifest.json", run)
        stages[name] = {part: manifest[part] for part in ("digest", "versions", "facts")}
    examples = []
    for one in _json(folders["interventions"] / "examples.json", run):
        sound = (folders["interventions"] / one["file"]).read_bytes()
        examples.append(one | {"data": base64.b64encode(sound).decode("ascii")})
    return {
        "settings": _json(run / "settings.json", run),
        "stages": stages,
        "probes": _json(folders["probes"] / "probes.json", run),
        "instrument": _json(folders["instrument"] / "instrument.json", run),
        "interventions": _json(folders["interventions"] / "interventions.json", run),
        "gate": _json(folders["gate"] / "gate.json", run),
        "examples": examples,
    }


def _json(path: Path, run: Path) -> Any:
    try:
        return json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{run} holds no finished study ({path.name} of {path.parent.name} is missing or damaged): run "
            "`drawbar study horizon` with its settings to the end"
        ) from error
