"""Seconds, or a number of inputs of each kind -> every finding, one line each, and how many inputs there were.

python -m tests.fuzz --inputs 3000 --only midi,preset
python -m tests.fuzz --seconds 3600 --from 100000 --results runs/fuzz.jsonl --table docs/security.md
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

BATCH = 100


def main() -> int:
    """Run until there are enough; the exit code says whether anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000, help="of each kind")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", default="", help="kinds, with commas")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--most", type=int, default=12, help="findings of a kind that are told")
    parser.add_argument("--results", type=Path, help="a file that each run adds its counts to")
    parser.add_argument("--table", type=Path, help="a document whose table shows all that --results holds")
    options = parser.parse_args()
    os.environ.update(
        HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1", QT_QPA_PLATFORM="offscreen"
    )
    from tests.fuzz.guard import Finding, run
    from tests.fuzz.results import add, findings, table, write_table
    from tests.fuzz.specimens import write_specimens
    from tests.fuzz.targets import TARGETS, warm_up

    chosen = [t for t in TARGETS if not options.only or t.__name__ in options.only.split(",")]
    counts: dict[str, Counter[str]] = {target.__name__: Counter() for target in chosen}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="drawbar-fuzz-") as folder:
        home = Path(folder, "whole")
        home.mkdir()
        write_specimens(home)
        warm_up(home)
        for first in range(options.first, options.first + options.inputs, BATCH):
            for target in chosen:
                if time.monotonic() - begun > options.seconds:
                    break
                seeds = range(first, min(first + BATCH, options.first + options.inputs))
                name, now = target.__name__, Counter[str]()
                for outcome in run(target, seeds, home, Path(folder, "work")):
                    now[outcome.kind if isinstance(outcome, Finding) else outcome] += 1
                    if isinstance(outcome, Finding) and findings(counts[name] + now) <= options.most:
                        print(f"{name} {outcome.seed} {outcome.kind}: {outcome.words}", flush=True)
                counts[name] += now
                if options.results:
                    add(options.results, name, first, now)
    print(table(counts))
    if options.table and options.results:
        write_table(options.table, options.results)
    print(f"{time.monotonic() - begun:.0f} s")
    return int(any(findings(now) for now in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
