"""60 unlike files -> an installed bank with one command, killed twice, compared with an undisturbed run.

``python -m tests.pipeline.mixed_run WORK`` (minutes; the embedded model). Prints what was found as JSON.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from drawbar.bank import Bank
from tests.pipeline.mixed_folder import write_mixed_folder
from tests.pipeline.test_killed import rows, tensors

RUN = """
corpus = "{corpus}"
out = "{out}"
layers = [2, 3]
name = "sixty files"
min_firings = 50

[sae]
d_sae = 512
k = 16
batch = 2048
steps = 150
save_every = 20
"""
KILLS = ("residuals:", "sae layer 3:")
"""The command is killed when it begins to report these."""


def command(work: Path, name: str) -> list[str]:
    """The one command."""
    config = work / f"{name}.toml"
    config.write_text(RUN.format(corpus=work / "mixed", out=work / name))
    code = "import sys; from drawbar.cli import main; sys.exit(main())"
    return [sys.executable, "-c", code, "build", str(config), "--install"]


def run(work: Path, name: str, kills: tuple[str, ...] = ()) -> tuple[str, int]:
    """Start the command until it ends by itself; its last line on stdout, and how often it was killed."""
    home = work / f"home-{name}"
    environment = os.environ | {"DRAWBAR_HOME": str(home)}
    killed = 0
    for when in (*kills, None):
        process = subprocess.Popen(
            command(work, name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr:
            print(f"[{name}] {line.rstrip()}", file=sys.stderr)
            if when is not None and line.startswith(when):
                process.send_signal(signal.SIGKILL)
                killed += 1
                break
        shown = process.stdout.read()
        code = process.wait()
        if when is None:
            assert code == 0, code
            return shown.strip().splitlines()[-1], killed
    raise AssertionError


def main(work: Path) -> None:
    """Both runs, and what differs."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "mixed").is_dir():
        write_mixed_folder(work / "mixed")
    started = time.perf_counter()
    whole, _ = run(work, "whole")
    seconds = time.perf_counter() - started
    broken, kills = run(work, "killed", KILLS)
    wanted, found = tensors(work / "whole"), tensors(work / "killed")
    result = json.loads((work / "killed" / "result.json").read_text())
    with Bank.open(Path(broken), edits=work / "edits") as bank:
        features, first = bank.count(), bank.search(limit=1)[0]
    report = {
        "kills": kills,
        "files": len(wanted),
        "files that differ": sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n)),
        "database rows": len(rows(work / "whole")),
        "database equal": rows(work / "whole") == rows(work / "killed"),
        "installed": [Path(whole).name, Path(broken).name],
        "features": features,
        "first": [first.id, first.label],
        "clips": result["clips"],
        "left out": [name for name, _ in result["failed"]],
        "metrics": result["metrics"],
        "seconds undisturbed": round(seconds),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
