"""Seconds, or a number of inputs of each kind -> every finding, one line each, and how many inputs there were.

python -m tests.fuzz --inputs 3000 --only midi,preset
python -m tests.fuzz --seconds 3600 --from 100000
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
    options = parser.parse_args()
    os.environ.update(
        HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1", QT_QPA_PLATFORM="offscreen"
    )
    from tests.fuzz.guard import run
    from tests.fuzz.specimens import write_specimens
    from tests.fuzz.targets import TARGETS

    chosen = [t for t in TARGETS if not options.only or t.__name__ in options.only.split(",")]
    done: Counter[str] = Counter()
    found: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="drawbar-fuzz-") as folder:
        home = Path(folder, "whole")
        home.mkdir()
        write_specimens(home)
        for first in range(options.first, options.first + options.inputs, BATCH):
            for target in chosen:
                if time.monotonic() - begun > options.seconds:
                    break
                seeds = range(first, min(first + BATCH, options.first + options.inputs))
                started, name = time.monotonic(), target.__name__
                for finding in run(target, seeds, home, Path(folder, "work")):
                    done[name] += 1
                    if finding is not None:
                        found[name] += 1
                        if found[name] <= options.most:
                            print(f"{name} {finding.seed} {finding.kind}: {finding.words}", flush=True)
                seconds[name] += int(1000 * (time.monotonic() - started))
    for target in chosen:
        name = target.__name__
        rate = 60_000 * done[name] / max(1, seconds[name])
        print(f"{name:14} {done[name]:7,} inputs, {found[name]:4} findings, {rate:,.0f} a minute")
    print(f"{done.total():,} inputs, {found.total()} findings, {time.monotonic() - begun:.0f} s")
    return int(found.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
