"""pyproject.toml -> four locks of one resolution: everything, what plays, what freezes it, what installs them.

    python packaging/run.py lock                      keep every version that still fits
    python packaging/run.py lock --upgrade            take the newest of everything
    python packaging/run.py lock --upgrade NAME ...   take the newest of these

One universal resolution (Linux, macOS, Windows; Python 3.11 and 3.12) with the overrides of [tool.uv],
exported four times: the same versions, fewer lines. They carry hashes and no address of any index, so that
they work behind whatever index pip is configured for. Knows nothing of installing.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FULL = HERE / "requirements.lock"
# file -> what it says of itself, and what uv export is asked for
EXPORTS = {
    FULL: (
        "Every extra, the test tools, and what installs them.",
        "--all-extras --group dev --group build --group freeze",
    ),
    HERE / "requirements-play.lock": ("What playing needs, and what installs it.", "--no-dev --group build"),
    HERE / "requirements-freeze.lock": (
        "What the frozen app holds, and what freezes it.",
        "--extra midi --no-dev --group build --group freeze",
    ),
    HERE / "requirements-build.lock": ("What installs the rest.", "--only-group build"),
}
EXPORT = "export --quiet --frozen --no-emit-project --no-annotate --no-header --format requirements.txt"
MADE_BY = "# Made by `python packaging/run.py lock` from pyproject.toml; do not edit."
EVERYWHERE = "sys_platform == 'darwin' or sys_platform == 'linux' or sys_platform == 'win32'"


def kept_versions(lock_text: str, upgrade: list[str] | None) -> list[str]:
    """Pins of an earlier lock that still bind; ``upgrade``: None for none, [] for all, else names."""
    if upgrade == []:
        return []
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9][a-z0-9.-]*)==([^\s;\\]+)", lock_text, re.MULTILINE):
        versions.setdefault(name, []).append(version)
    freed = {name.lower().replace("_", "-") for name in upgrade or []}
    kept = {name: found for name, found in versions.items() if name not in freed}
    # A name that is locked twice has markers; repeating them here would split the resolution further.
    return [f"{name}=={v[0]}" if len(v) == 1 else f"{name}>={v[0]},<={v[-1]}" for name, v in kept.items()]


def simplify(lock_text: str) -> str:
    """Drop the marker that names every platform we lock for, and keep the rest as uv wrote it."""
    return lock_text.replace(f" ; {EVERYWHERE}", "")


def main(arguments: list[str]) -> None:
    """Write both locks beside this file; ``arguments`` is what follows ``run.py lock``."""
    upgrade = arguments[1:] if arguments[:1] == ["--upgrade"] else None
    if arguments and upgrade is None:
        sys.exit(f"lock: {arguments[0]!r} is not an option; use --upgrade [NAME ...]")
    keep = kept_versions(FULL.read_text() if FULL.exists() else "", upgrade)
    constraints = "".join(f'    "{pin}",\n' for pin in keep)
    project = (ROOT / "pyproject.toml").read_text()
    project = project.replace("[tool.uv]\n", f"[tool.uv]\nconstraint-dependencies = [\n{constraints}]\n", 1)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UV_INDEX")}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(project)
        for name in ("README.md", "LICENSE"):
            shutil.copy(ROOT / name, folder)

        def call(*words: str) -> str:
            command = [sys.executable, "-m", "uv", *words, "--no-config", "--python", sys.executable]
            done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(
                    f"lock: uv {words[0]} failed (above); loosen the bound, or free it with --upgrade NAME"
                )
            return done.stdout

        call("lock", "--quiet")
        for path, (what, words) in EXPORTS.items():
            text = simplify(call(*EXPORT.split(), *words.split()))
            path.write_text(f"# {what}\n{MADE_BY}\n{text}")
            print(f"lock: {len(re.findall('^[a-z0-9]', text, re.MULTILINE))} requirements in {path.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
