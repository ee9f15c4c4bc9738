"""This checkout -> a folder that runs on a bare machine, without Python or a network; then its smoke test.

    python packaging/freeze.py                       build packaging/dist/drawbar and test it
    python packaging/freeze.py --torch REQUIREMENT   with this PyTorch instead of the lock's CPU build
    python packaging/freeze.py --find-links FOLDER   where pip also looks for it
    python packaging/freeze.py test [FOLDER]         only the smoke test of a folder that was built

Standard library only. The app holds what requirements-freeze.lock says, but on Linux PyTorch's CPU build: CUDA's
libraries would make it four times as large, and their licence does not let us pass them on. Nothing under the AGPL
goes in; the smoke test looks for both.
"""

import argparse
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LOCK = HERE / "requirements-freeze.lock"
BUILD, DIST = HERE / "build", HERE / "dist"
PYTHON = BUILD / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
FORBIDDEN = ("essentia", "audiocraft", "encodec", "laion_clap", "nvidia", "triton")
"""Top-level modules that must not be inside: AGPL, CC-BY-NC, or NVIDIA's own licence."""
CUDA = re.compile(r"lib(cudart|cudnn|cublas|cufft|cusparse|cusolver|curand|nccl|nvrtc|torch_cuda)")
SMOKE_PROMPT = "slow piano in A minor with drums"


def say(text: str) -> None:
    """One line about what is happening now."""
    print(f"freeze: {text}", flush=True)


def main(arguments: list[str]) -> int:
    """Build, test, tell."""
    parser = argparse.ArgumentParser(prog="freeze.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("all", "test"), default="all")
    parser.add_argument("folder", nargs="?", type=Path, default=DIST / "drawbar")
    parser.add_argument("--torch", default="")
    parser.add_argument("--find-links", default="")
    given = parser.parse_args(arguments)
    if given.what == "all":
        environment(given.torch, given.find_links)
        build()
    return smoke(given.folder)


# --- building -----------------------------------------------------------------------------------------------


def pins(lock_text: str, without_cuda: bool) -> tuple[list[str], str]:
    """A lock -> its requirements as lines with hashes (PyTorch and CUDA left out if asked for), PyTorch's version."""
    lines = [
        line for line in lock_text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")
    ]
    torch = next((m[1] for line in lines if (m := re.match(r"torch==(\S+)", line))), "")
    cuda = re.compile(r"(torch|triton)==|nvidia-|cuda-")
    return [line for line in lines if not (without_cuda and cuda.match(line))], torch


def environment(torch: str, find_links: str) -> None:
    """A virtual environment with what the lock says and this checkout, made anew."""
    import run

    run.setup("build")
    lines, locked = pins(
        LOCK.read_text(encoding="utf-8"), without_cuda=bool(torch) or sys.platform == "linux"
    )
    torch = torch or (f"torch=={locked}+cpu" if sys.platform == "linux" else "")
    say(f"the environment in {BUILD.relative_to(ROOT)}, with {torch or 'the lock'}")
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir()
    requirements = BUILD / "requirements.txt"
    requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run.must([str(run.PYTHON), "-m", "venv", "--without-pip", str(BUILD / "venv")])
    # Without the project's own settings: their overrides would bring the lock's PyTorch back.
    install = [str(run.PYTHON), "-m", "uv", "pip", "install", "--no-config", "-q", "--python", str(PYTHON)]
    install.append("--no-deps")
    os.environ |= {k: v for k, v in run.pip_settings_for_uv().items() if k not in os.environ}
    run.must([*install, "--require-hashes", "-r", str(requirements)])
    if torch:
        run.must([*install, *(["--find-links", find_links] if find_links else []), torch])
    run.must([*install, "--no-build-isolation", "--no-index", str(ROOT)])


def build() -> None:
    """PyInstaller, then what stands beside the program."""
    import run

    say("packing (minutes)")
    os.environ["DRAWBAR_ROOT"] = str(ROOT)
    run.must([str(PYTHON), "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN",
              "--distpath", str(DIST), "--workpath", str(BUILD / "work"), str(HERE / "drawbar.spec")])  # fmt: skip
    for path in (
        HERE / "drawbar.desktop",
        HERE / "drawbar.svg",
        ROOT / "LICENSE",
        ROOT / "assets" / "NOTICES.md",
    ):
        shutil.copy(path, DIST / "drawbar")


# --- the smoke test -----------------------------------------------------------------------------------------


def modules_inside(program: Path) -> set[str]:
    """The top-level modules in the archive that PyInstaller appends to the program (asked of PyInstaller itself)."""
    code = (
        "import sys, json; from PyInstaller.archive.readers import CArchiveReader as R; r = R(sys.argv[1]);"
        "n = next(k for k in r.toc if k.endswith('.pyz'));"
        "print(json.dumps(sorted({m.split('.')[0] for m in r.open_embedded_archive(n).toc})))"
    )
    done = subprocess.run([str(PYTHON), "-c", code, str(program)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def smoke(folder: Path) -> int:
    """Run the frozen app with an empty home and an empty environment; 0 when everything holds."""
    program = folder / ("drawbar.exe" if os.name == "nt" else "drawbar")
    if not program.exists():
        say(f"{program} is not there: python packaging/freeze.py builds it")
        return 1
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    inside = folder / "_internal"
    bad = sorted({p.name for p in inside.iterdir() if p.name.split(".")[0].lower() in FORBIDDEN})
    bad += sorted({p.name for p in files if CUDA.match(p.name)})
    if PYTHON.exists():
        bad += sorted(modules_inside(program) & set(FORBIDDEN))
    results = [("nothing that may not be passed on", not bad, ", ".join(bad))]
    with tempfile.TemporaryDirectory() as home:
        clip, shot = Path(home, "clip.wav"), Path(home, "shot.png")
        for name, words, made in (
            ("says its commands", ["--help"], None),
            ("knows its bank", ["features", "search", "drums"], None),
            (
                "renders a clip",
                ["render", SMOKE_PROMPT, "-o", str(clip), "--seconds", "3", "--seed", "7"],
                clip,
            ),
            ("plays in its window and moves a slider", ["--smoke-test", str(shot)], shot),
        ):
            began = time.monotonic()
            done = _bare(program, words, Path(home))
            fine = done.returncode == 0 and (made is None or (made.exists() and made.stat().st_size > 1000))
            results.append(
                (f"{name} ({time.monotonic() - began:.1f} s)", fine, "" if fine else done.stderr[-800:])
            )
        results.append(("the clip is three seconds of sound", clip.exists() and _sounds(clip), ""))
    say(f"{sum(p.stat().st_size for p in files) / 1e6:.0f} MB in {len(files)} files")
    for name, fine, why in results:
        say(f"{'passed' if fine else 'FAILED'}  {name}{': ' + why if why else ''}")
    return int(not all(fine for _, fine, _ in results))


def _bare(program: Path, words: list[str], home: Path) -> "subprocess.CompletedProcess[str]":
    """Run it as on a machine that has nothing: no Python, no settings, no display."""
    bare = {"HOME": str(home), "PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8"}
    if os.name == "nt":
        bare |= {
            name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "USERPROFILE") if name in os.environ
        }
    return subprocess.run(
        [str(program), *words], cwd=home, env=bare, capture_output=True, text=True, check=False
    )


def _sounds(clip: Path) -> bool:
    with wave.open(str(clip)) as sound:
        count, width = sound.getnframes(), sound.getsampwidth()
        data = sound.readframes(count)
        length = count / sound.getframerate()
    loudest = max(
        abs(struct.unpack("<i", b"\0" + data[i : i + 3])[0]) for i in range(0, len(data) - 3, 3 * 50)
    )
    return bool(width == 3 and abs(length - 3) < 0.05 and loudest > 0.01 * 2**31)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main(sys.argv[1:]))
