"""The locked packages -> which of them have publicly known weaknesses that nobody has given a reason for.

Asks pip-audit, where it is installed (`pipx install pip-audit`) and its service answers: a machine without a network
passes, and says that it did not look.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
ACCEPTED: "dict[str, str]" = {}
"""A weakness's id -> why it does not touch Drawbar; every entry has a date."""


def main() -> int:
    """One line a weakness; the exit code says whether there is one without a reason."""
    program = shutil.which("pip-audit")
    if program is None:
        print("not looked at: pip-audit is not installed (pipx install pip-audit)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "found.json")
        words = [program, "--disable-pip", "--no-deps", "-r", str(LOCK), "-f", "json", "-o", str(out)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if not out.is_file():
            print(f"not looked at: {(done.stderr.strip() or 'no answer').splitlines()[-1][:200]}")
            return 0
        packages = json.loads(out.read_text(encoding="utf-8"))["dependencies"]
    found = [(package, one) for package in packages for one in package.get("vulns", [])]
    for package, one in found:
        reason = ACCEPTED.get(one["id"], f"fixed in {', '.join(one['fix_versions']) or 'no version yet'}")
        print(f"{package['name']} {package['version']}: {one['id']}: {reason}")
    print(f"{len(packages)} packages looked at")
    return int(any(one["id"] not in ACCEPTED for _, one in found))


if __name__ == "__main__":
    sys.exit(main())
