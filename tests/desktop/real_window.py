"""The first ten minutes in a real window: Xvfb, xdotool and a null sink -> what a user saw and heard, judged.

    python tests/desktop/real_window.py OUT_FOLDER

Not collected by pytest: it needs xvfb, xdotool and pulseaudio, and the embedded model at real-time speed. Pictures
of every step and the recording are left in OUT_FOLDER; the result is printed as JSON, exit code 1 when a bar is missed.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.desktop.sound_stage import SoundStage, stretches

SIZE = (1440, 900)
DISPLAY = ":77"
PATIENCE_S = float(os.environ.get("DRAWBAR_PATIENCE_S", "180"))
PROMPT = "slow piano in A minor"
RATE = 32_000

# Where things are in a window of this size, asked of the same widgets on Qt's offscreen platform.
PLACES = """
import json, sys
from PySide6.QtCore import QPoint
from drawbar_desktop.app import App, make_application
from tests.desktop.fakes import fake_load
a = make_application(["places"]); app = App(fake_load()); app.load_now()
w = app.window; w.resize(WIDTH, HEIGHT); w.show(); a.processEvents()
app.rack_actions.add(app.library.row(0).id); a.processEvents(); a.processEvents()
def at(widget, x=None, y=None):
    p = QPoint(widget.width() // 2 if x is None else round(x), widget.height() // 2 if y is None else round(y))
    p = widget.mapTo(w, p); return [p.x(), p.y()]
s = next(iter(w.rack.strips.values())).slider
found = {"prompt": at(w.transport.prompt, 60), "floor": at(w.status)}
found |= {"zero": at(s, s._centre_x(), s.y_of(0)), "top": at(s, s._centre_x(), s.y_of(1.2))}
w.side.show_tab(2); a.processEvents()
found["take"] = at(w.side.takes, None, 95)
sys.stdout.write(json.dumps(found)); sys.stdout.flush(); import os; os._exit(0)
"""


def call(*words: str) -> str:
    """A tool's answer."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def wait_for(what: str, done: Callable[[], object], limit_s: float = PATIENCE_S) -> float:
    """Until something is so -> seconds it took."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > limit_s:
            raise SystemExit(f"{what}: not within {limit_s:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - began


class Session:
    """One user in front of one screen."""

    def __init__(self, out: Path, home: Path, sound: SoundStage) -> None:
        self.out, self.home, self.sound = out, home, sound
        self.environment = {
            **sound.environment, "DISPLAY": DISPLAY, "DRAWBAR_HOME": str(home), "QT_QPA_PLATFORM": "xcb",
        }  # fmt: skip
        code = PLACES.replace("WIDTH", str(SIZE[0])).replace("HEIGHT", str(SIZE[1]))
        root = Path(__file__).resolve().parents[2]
        places = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(root)},
        ).stdout  # fmt: skip
        self.places: dict[str, list[int]] = json.loads(places)
        self.program: subprocess.Popen[bytes] | None = None

    # -- hands ----------------------------------------------------------------------------------------

    def start(self) -> float:
        """Start Drawbar -> when its window was there."""
        log = (self.out / "drawbar.log").open("ab")
        command = os.environ.get("DRAWBAR_PROGRAM", f"{sys.executable} -m drawbar_desktop").split()
        self.began = time.monotonic()
        self.program = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        wait_for("the window", lambda: self.windows() or self.program_ended())
        shown = time.monotonic()
        window = self.windows()[-1]
        self.x("windowmove", window, "0", "0")
        self.x("windowsize", window, *map(str, SIZE))
        self.x("windowfocus", window)
        return shown

    def program_ended(self) -> bool:
        """Raises when it has."""
        if self.program is not None and self.program.poll() is not None:
            raise SystemExit(f"Drawbar ended with {self.program.returncode}: see {self.out / 'drawbar.log'}")
        return False

    def windows(self) -> list[str]:
        """Ids of Drawbar's visible windows."""
        words = ["xdotool", "search", "--onlyvisible", "--name", "^Drawbar$"]
        return subprocess.run(words, capture_output=True, text=True, env=self.environment).stdout.split()

    def x(self, *words: str) -> None:
        """A hand on mouse or keyboard."""
        subprocess.run(["xdotool", *words], check=True, env=self.environment, capture_output=True)

    def keys(self, *names: str) -> None:
        """Press keys."""
        self.x("key", *names)

    def click(self, place: str) -> None:
        """Click a known place."""
        self.x("mousemove", *map(str, self.places[place]), "click", "1")

    def picture(self, name: str) -> None:
        """What is on the screen."""
        sys.stderr.write(f"{time.monotonic() - self.began:6.1f} s  {name}\n")
        code = ("import sys; from PySide6.QtGui import QGuiApplication as A; a = A([]);"
                "a.primaryScreen().grabWindow(0).save(sys.argv[1])")  # fmt: skip
        target = str(self.out / f"{name}.png")
        subprocess.run([sys.executable, "-c", code, target], env=self.environment, check=False)

    # -- what Drawbar wrote ---------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """As they are on disk."""
        try:
            return dict(json.loads((self.home / "settings.json").read_text()))
        except (OSError, ValueError):
            return {}

    def takes(self) -> list[Path]:
        """Finished ones, oldest first."""
        return sorted((self.home / "takes").glob("2*/take.wav"))

    def quit(self) -> None:
        """As a user does."""
        self.keys("ctrl+q")
        assert self.program is not None
        self.program.wait(60)


def tokens_of(take: Path) -> "NDArray[np.uint16]":
    """The tokens `[K, T]` of a take's record."""
    stored = json.loads(take.with_suffix(".json").read_text())["tokens"]
    raw = zlib.decompress(base64.b64decode(stored["zlib_u16"]))
    return np.frombuffer(raw, "<u2").reshape(stored["shape"])


def walk(user: Session) -> dict[str, Any]:
    """From the first start to the recalled take -> what was found."""
    sound = user.sound
    result: dict[str, Any] = {}
    silence = len(sound.heard)
    shown = user.start()
    result["window_s"] = round(shown - user.began, 2)
    user.click("prompt")
    user.x("type", "--delay", "8", PROMPT)
    user.keys("Return")
    wait_for("sound", lambda: sound.first_sound(silence) or user.program_ended())
    heard_at = sound.first_sound(silence)
    assert heard_at is not None
    result["sound_s_after_window"] = round(heard_at - shown, 2)
    user.picture("1-playing")
    user.x("mousemove", *map(str, user.places["floor"]), "click", "1")
    user.keys("slash")
    user.x("type", "--delay", "40", "drum")
    time.sleep(0.4)
    user.picture("2-search")
    user.keys("Down", "Return")
    wait_for("the strip", lambda: user.settings().get("rack"))
    user.picture("3-added")
    x, zero, top = user.places["zero"][0], user.places["zero"][1], user.places["top"][1]
    user.x("mousemove", str(x), str(zero), "mousedown", "1")
    for step in range(1, 13):
        user.x("mousemove", str(x), str(round(zero + (top - zero) * step / 12)))
    time.sleep(1.2)
    while user.settings()["rack"][0]["amount"] < 0.9 and top > zero - 200:
        top -= 8
        user.x("mousemove", str(x), str(top))
        time.sleep(1.2)
    user.x("mouseup", "1")
    pulled = time.monotonic()
    result["slider"] = {k: user.settings()["rack"][0].get(k) for k in ("id", "label", "amount")}
    time.sleep(max(0.0, 7.0 - (time.monotonic() - pulled)))
    user.picture("4-pulled")
    user.keys("Escape", "b")
    bypassed = time.monotonic()
    time.sleep(3.5)
    user.picture("5-bypassed")
    user.keys("b")
    back = time.monotonic()
    time.sleep(1.0)
    user.keys("a")
    time.sleep(1.5)
    user.keys("a")
    wait_for("the take on disk", lambda: len(user.takes()) == 1)
    time.sleep(1.0)
    user.picture("6-done")
    user.keys("ctrl+s")
    time.sleep(0.8)
    user.picture("7-export")
    user.keys("Return")
    folder = Path(user.environment["HOME"])
    wait_for("the exported file", lambda: [*folder.glob("drawbar-*.json")], 30)
    exported = next(folder.glob("drawbar-*.wav"))
    take = user.takes()[0]
    result["export"] = exported.name
    result["export_is_the_take"] = bool(
        np.allclose(soundfile.read(exported)[0], soundfile.read(take)[0], atol=1e-6)
    )
    sound.stop()
    result |= judge(user, take, (pulled, bypassed, back))
    user.quit()
    user.start()
    time.sleep(1.0)
    user.keys("ctrl+3")
    time.sleep(0.5)
    user.click("take")
    time.sleep(0.3)
    user.keys("r")
    time.sleep(0.5)
    user.picture("8-recalled")
    user.keys("Escape")
    user.x("mousemove", *map(str, user.places["floor"]), "click", "1")
    user.keys("shift+space")
    wait_for("the recalled take", lambda: len(user.takes()) == 2 or user.program_ended())
    time.sleep(0.5)
    user.picture("9-again")
    first, second = user.takes()
    one, two = (soundfile.read(path, dtype="float32")[0] for path in (first, second))
    result["recalled_s"] = round(len(two) / RATE, 2)
    result["recalled_bit_exactly"] = bool(
        np.array_equal(one, two) and np.array_equal(tokens_of(first), tokens_of(second))
    )
    user.quit()
    return result


def limited(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the take is at the window's output: under the true-peak ceiling."""
    from drawbar.live.audio_out.limiter import Monitor

    monitor = Monitor(RATE)
    return np.concatenate([monitor.process(np.asarray(audio, np.float32)), monitor.flush()])


def judge(user: Session, take: Path, moments: tuple[float, float, float]) -> dict[str, Any]:
    """The recording against the take and its unsteered twin."""
    from drawbar.audio_analysis import Detectors
    from drawbar.paths import assets_dir

    sound = user.sound
    soundfile.write(user.out / "heard.wav", sound.heard, sound.rate)
    audio, twin = (soundfile.read(take.with_name(n), dtype="float32")[0] for n in ("take.wav", "twin.wav"))
    record = json.loads(take.with_suffix(".json").read_text())
    ratio = sound.rate / RATE
    expected = np.asarray(soxr.resample(limited(audio), RATE, sound.rate), np.float32)
    first = record["bypass"][0][0] if record.get("bypass") else len(audio)
    untouched = expected[: round(min(first, len(audio)) * ratio) - sound.rate // 10]
    begins = int(np.argmax(np.abs(sound.heard) > 1e-3)) - sound.rate // 20
    parts = stretches(sound.heard[begins : begins + len(untouched)], untouched, sound.rate, 0.4)
    long = [part for part in parts if part.length >= sound.rate // 5]
    pulled, bypassed, back = (sound.at(m) - begins for m in moments)
    steered = sound.heard[begins + pulled + 2 * sound.rate : begins + bypassed]
    judges = Detectors.load(assets_dir() / "detectors")
    span = slice(int((pulled + 2 * sound.rate) / ratio), int(bypassed / ratio))
    number = judges.names.index("drums")
    with_it = judges.logits(soxr.resample(steered, sound.rate, RATE))[..., number].mean()
    without = judges.logits(twin[span])[..., number].mean()
    middle = slice(bypassed + sound.rate, back - sound.rate // 2)
    still = np.asarray(soxr.resample(limited(twin), RATE, sound.rate), np.float32)
    others = stretches(sound.heard[begins:][middle], still[bypassed : back + sound.rate], sound.rate)
    other = max(others, key=lambda part: part.length)
    return {
        "heard_against_take": {
            "seconds": round(len(untouched) / sound.rate, 1),
            "stretches_s": [round(part.length / sound.rate, 2) for part in parts],
            "worst_residual_db": round(max((part.residual_db for part in long), default=99.0), 1),
            "found_share": round(sum(part.length for part in long) / len(untouched), 3),
        },
        "drums_nats_steered": round(float(with_it), 2),
        "drums_nats_unsteered": round(float(without), 2),
        "bypass_is_the_twin": {
            "residual_db": round(other.residual_db, 1), "gain": round(other.gain, 3),
            "seconds": round(other.length / sound.rate, 2),
        },
        "take_s": round(len(audio) / RATE, 2),
    }  # fmt: skip


def main(out: Path) -> int:
    """Set the stage, walk, judge, clear away."""
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="drawbar-user-"))
    os.environ["DISPLAY"] = DISPLAY
    screen = subprocess.Popen(["Xvfb", DISPLAY, "-screen", "0", "1440x900x24"], stderr=subprocess.DEVNULL)
    user: Session | None = None
    try:
        wait_for(
            "Xvfb",
            lambda: not subprocess.run(["xdotool", "getdisplaygeometry"], capture_output=True).returncode,
        )
        with SoundStage(folder) as sound:
            sound.record()
            user = Session(out, folder / "drawbar", sound)
            result = walk(user)
    finally:
        if user is not None and user.program is not None and user.program.poll() is None:
            user.program.send_signal(signal.SIGTERM)
            user.program.wait()
        screen.terminate()
    bars: dict[str, bool] = {
        "sound within 5 s of the window": result["sound_s_after_window"] <= 5.0,
        "what is heard is the take": result["heard_against_take"]["worst_residual_db"]
        < -20  # the limiter works between samples
        and result["heard_against_take"]["found_share"] > 0.9,
        "no gaps": len(result["heard_against_take"]["stretches_s"]) == 1,
        "more drums": result["drums_nats_steered"] > result["drums_nats_unsteered"] + 0.5,
        "bypass is the twin": result["bypass_is_the_twin"]["residual_db"] < -20
        and result["bypass_is_the_twin"]["seconds"] > 0.5,
        "the export is the take": result["export_is_the_take"],
        "recalled bit-exactly": result["recalled_bit_exactly"],
    }
    sys.stdout.write(json.dumps({**result, "bars": bars}, indent=1, default=bool) + "\n")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
