"""The first ten minutes in a real window: Xvfb, xdotool, PortAudio into a null sink; prints what was heard.

    python tests/desktop/real_window.py OUT_FOLDER

Not collected by pytest: it needs xvfb, xdotool and pulseaudio, and the embedded model at real-time speed. What is
recorded from the null sink's monitor is compared with the take that the history holds.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

DISPLAY = ":77"
PATIENCE_S = float(os.environ.get("DRAWBAR_PATIENCE_S", "180"))


def tool(*words: str) -> str:
    """xdotool or pactl."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def wait_for(what: str, done: object, limit_s: float = PATIENCE_S) -> float:
    """Until something is so -> seconds it took."""
    began = time.monotonic()
    while not done():  # type: ignore[operator]
        if time.monotonic() - began > limit_s:
            raise SystemExit(f"{what}: not within {limit_s:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


def windows() -> list[str]:
    found = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--name", "^Drawbar$"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.split()


def picture(folder: Path, name: str) -> None:
    """What is on the virtual screen, grabbed by a small program of its own."""
    code = (
        "import sys; from PySide6.QtGui import QGuiApplication as A; a = A([]);"
        "a.primaryScreen().grabWindow(0).save(sys.argv[1])"
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    subprocess.run([sys.executable, "-c", code, str(folder / f"{name}.png")], env=environment, check=False)


def lag_and_error(heard: np.ndarray, take: np.ndarray) -> tuple[int, float]:  # type: ignore[type-arg]
    """Where the take stands in the recording, and what is left of it there (relative to its level)."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(take))))
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(take, size)), size)
    lag = int(np.argmax(cross[: len(heard)]))
    part = heard[lag : lag + len(take)]
    take = take[: len(part)]
    gain = float(part @ take) / max(1e-12, float(take @ take))
    left = float(np.linalg.norm(part - gain * take))
    return lag, left / max(1e-12, float(np.linalg.norm(gain * take)))


def main(folder: Path) -> int:
    """Drive it and judge."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="drawbar-home-"))
    environment = {**os.environ, "DISPLAY": DISPLAY, "DRAWBAR_HOME": str(home), "PULSE_SINK": "drawbar"}
    os.environ["DISPLAY"] = DISPLAY
    environment.pop("QT_QPA_PLATFORM", None)
    children = [subprocess.Popen(["Xvfb", DISPLAY, "-screen", "0", "1440x900x24"], stderr=subprocess.DEVNULL)]
    subprocess.run(["pulseaudio", "--start", "--exit-idle-time=-1"], check=False, capture_output=True)
    module = tool("pactl", "load-module", "module-null-sink", "sink_name=drawbar", "rate=48000")
    tool("pactl", "set-default-sink", "drawbar")
    result: dict[str, object] = {}
    try:
        wait_for(
            "Xvfb",
            lambda: subprocess.run(["xdotool", "getdisplaygeometry"], capture_output=True).returncode == 0,
        )
        recording = folder / "heard.wav"
        children.append(
            subprocess.Popen(
                ["parec", "-d", "drawbar.monitor", "--rate=32000", "--channels=1", "--format=s16le",
                 "--file-format=wav", str(recording)]
            )
        )  # fmt: skip
        children.append(subprocess.Popen([sys.executable, "-m", "drawbar_desktop"], env=environment))
        result["window_s"] = round(wait_for("the window", lambda: bool(windows())), 1)
        shown = time.monotonic()
        window = windows()[-1]
        tool("xdotool", "windowsize", window, "1440", "900")
        settings = home / "settings.json"
        wait_for("loading", lambda: settings.exists() and '"welcomed": true' in settings.read_text())
        time.sleep(1.0)
        picture(folder, "welcome")
        tool(
            "xdotool", "mousemove", "720", "885"
        )  # without a window manager the keys go where the pointer is
        tool("xdotool", "key", "Escape")
        time.sleep(0.5)
        press = ["xdotool", "key"]
        tool(*press, "space")
        takes = home / "takes"
        wait_for(
            "sound",
            lambda: (
                any(takes.glob(".recording-*/audio.f32"))
                and any(f.stat().st_size > 16_000 for f in takes.glob(".recording-*/audio.f32"))
            ),
        )
        result["sound_s_after_window"] = round(time.monotonic() - shown, 1)
        tool(*press, "slash")
        tool("xdotool", "type", "--delay", "60", "drum")
        time.sleep(0.5)
        picture(folder, "search")
        tool(*press, "Down", "Return")
        time.sleep(0.8)
        picture(folder, "added")
        tool("xdotool", "mousemove", "400", "350", "mousedown", "1")
        for y in range(350, 270, -8):
            tool("xdotool", "mousemove", "400", str(y))
        tool("xdotool", "mouseup", "1")
        time.sleep(4.0)
        picture(folder, "pulled")
        tool("xdotool", "mousemove", "680", "900")
        tool(*press, "Escape", "b")
        time.sleep(1.5)
        tool(*press, "b")
        time.sleep(1.0)
        tool(*press, "a")
        time.sleep(1.0)
        tool(*press, "a")
        time.sleep(1.0)
        tool(*press, "space")
        wait_for("the take on disk", lambda: any(takes.glob("2*/take.wav")))
        time.sleep(1.0)
        picture(folder, "done")
        (take,) = takes.glob("2*/take.wav")
        audio, rate = soundfile.read(take, dtype="float32")
        record = json.loads(take.with_suffix(".json").read_text())
        amounts = {k: v[-1][1] for k, v in record["automation"].get("lanes", {}).items()}
        result |= {"take_s": round(len(audio) / rate, 2), "last_amounts": amounts}
        children[1].send_signal(signal.SIGINT)
        time.sleep(1.0)
        heard, _ = soundfile.read(recording, dtype="float32")
        first = next(iter(record["bypass"]), [len(audio)])[0]
        part = audio[: max(rate, min(first, len(audio)))]
        lag, error = lag_and_error(heard, part)
        result |= {
            "heard_peak": float(np.abs(heard).max()), "compared_s": round(len(part) / rate, 2),
            "residual_of_heard_against_take": round(error, 4), "starts_at_s": round(lag / rate, 2),
        }  # fmt: skip
        children[2].send_signal(signal.SIGTERM)
    finally:
        for child in reversed(children):
            if child.poll() is None:
                child.terminate()
        subprocess.run(["pactl", "unload-module", module], check=False)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
