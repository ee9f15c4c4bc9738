"""Sound reaches a real PortAudio device (a PulseAudio null sink), and its absence is told, not raised."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drawbar.errors import DeviceError, MissingDependencyError
from drawbar.live import NullOutput, audio_out, list_devices, open_output
from drawbar.live.audio_out.portaudio import WARM_S
from drawbar.live.audio_out.ring import Floats
from drawbar.live.audio_out.rtmixer import RtmixerOutput
from drawbar.live.audio_out.sounddevice import BLOCK_S, SoundDeviceOutput

pytestmark = pytest.mark.xdist_group("display and sound server")
SINK_RATE = 48_000
PLAY = """
import sys, threading
import numpy as np
from drawbar.live import open_output
output = open_output(None, 32_000, kind=sys.argv[1])
assert output.reason == "" and output.name, output
sine = (0.5 * np.sin(2 * np.pi * 440 * np.arange(64_000) / 32_000)).astype(np.float32)
for _ in range(2):
    output.start()
    done = 0
    while done < len(sine):
        count = min(640, output.available(), len(sine) - done)
        done += output.write(sine[done : done + count])
        threading.Event().wait(0 if output.queued() < 6_400 else 0.005)
    output.finish()
    while output.queued() and not output.failed:
        threading.Event().wait(0.005)
    assert output.played() == len(sine), output.played()
    output.stop()
assert not output.failed, output.failed
output.close()
print("latency", output.latency_s, "underruns", output.underruns)
"""


def skip_without_portaudio(name: str) -> None:
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:
        pytest.skip(f"{name} or PortAudio is not installed: {error}")


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with pulse_server(tmp_path_factory.mktemp("pulse")) as environment:
        yield environment


@contextmanager
def pulse_server(home: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio with a null sink -> the environment of programs that play into it."""
    for tool in ("pulseaudio", "pactl", "parec"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt install pulseaudio pulseaudio-utils")
    socket = home / "native"
    env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PULSE_SERVER": f"unix:{socket}"}
    env.pop("PULSE_RUNTIME_PATH", None)
    modules = [
        f"module-null-sink sink_name=drawbar rate={SINK_RATE}",
        f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
    ]
    arguments = [f"--load={module}" for module in modules]
    daemon = subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", *arguments],
        env={k: v for k, v in env.items() if k != "PULSE_SERVER"},
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(400):
            if subprocess.run(["pactl", "info"], env=env, capture_output=True, check=False).returncode == 0:
                break
            if daemon.poll() is not None:
                pytest.skip(f"pulseaudio does not start here (exit code {daemon.returncode})")
            threading.Event().wait(0.05)
        else:
            pytest.skip("pulseaudio does not answer here")
        yield env
    finally:
        daemon.terminate()
        daemon.wait()


@pytest.mark.parametrize("kind", ["rtmixer", "sounddevice"])
def test_a_sine_arrives_at_the_sound_card(pulse: dict[str, str], tmp_path: Path, kind: str) -> None:
    skip_without_portaudio(kind)
    recording = tmp_path / "heard.raw"
    with recording.open("wb") as out:
        recorder = subprocess.Popen(
            ["parec", "-d", "drawbar.monitor", "--format=float32le", f"--rate={SINK_RATE}", "--channels=1"],
            stdout=out,
            env=pulse,
        )
        try:
            played = subprocess.run(
                [sys.executable, "-c", PLAY, kind], env=pulse, capture_output=True, text=True, check=False
            )
        finally:
            recorder.terminate()
            recorder.wait()
    if "no sound device" in played.stderr:
        pytest.skip("PortAudio does not see PulseAudio: apt install libasound2-plugins")
    assert played.returncode == 0, played.stderr
    heard = np.frombuffer(recording.read_bytes()[: recording.stat().st_size // 4 * 4], np.float32)
    sounding = heard[np.abs(heard) > 1e-3]
    assert len(sounding) > SINK_RATE
    size = 1 << len(heard).bit_length()
    assert abs(np.argmax(np.abs(np.fft.rfft(heard, size))) * SINK_RATE / size - 440) < 3


ROUNDS = """
import sys, threading
import numpy as np
from drawbar.live import open_output
output = open_output(None, 32_000, kind=sys.argv[1])
block = np.full(640, 0.1, np.float32)
for number in range(500):
    output.start()
    for _ in range(8):
        output.write(block)
    if number % 50 == 0:
        threading.Event().wait(0.4)
    if number % 7 == 0:
        output.finish()
    output.queued()
    output.stop()
    assert not output.failed and not output.queued(), (number, output.failed)
output.close()
"""
GONE = """
import subprocess, sys, threading
import numpy as np
from drawbar.errors import DeviceError
from drawbar.live import open_output
output = open_output(None, 32_000, kind=sys.argv[1])
block = np.full(640, 0.1, np.float32)
output.start()
for _ in range(20):
    output.write(block)
threading.Event().wait(0.3)
subprocess.run(["pactl", "exit"], check=True)
while not output.failed:
    output.write(block)
    output.queued()
    threading.Event().wait(0.01)
assert "unplugged" in output.failed, output.failed
output.stop()
for _ in range(20):
    try:
        output.start()
    except DeviceError:
        pass
    else:
        raise SystemExit("it started on a device that is gone")
    output.write(block)
    output.queued()
    output.stop()
output.close()
"""


def driven(code: str, kind: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code, kind],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    if "no sound device" in done.stderr:
        pytest.skip("PortAudio does not see PulseAudio: apt install libasound2-plugins")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rtmixer", "sounddevice"])
def test_five_hundred_starts_and_stops_end_as_they_began(pulse: dict[str, str], kind: str) -> None:
    skip_without_portaudio(kind)
    driven(ROUNDS, kind, pulse)


@pytest.mark.parametrize("kind", ["rtmixer", "sounddevice"])
def test_a_device_that_disappears_is_told_and_a_start_on_it_is_refused(tmp_path: Path, kind: str) -> None:
    skip_without_portaudio(kind)
    with pulse_server(tmp_path) as environment:
        driven(GONE, kind, environment)


def test_no_output_touches_the_insides_of_a_library() -> None:
    for source in Path(audio_out.__file__).parent.glob("*.py"):
        inside = [
            node.attr
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and not node.attr.endswith("__")
            and not (isinstance(node.value, ast.Name) and node.value.id == "self")
        ]
        assert not inside, f"{source.name}: {inside}"


class Card:
    """A sound device that takes 10 ms for 10 ms and remembers; `late` blocks come after it ran dry."""

    time = 0.0

    def __init__(self, **_: object) -> None:
        self.latency, self.stopped, self.active = 0.05, True, False
        self.blocks: list[float] = []
        self.ends: list[str] = []
        self.late: set[int] = set()
        self.write_available = 320
        self.heard = threading.Event()

    def start(self) -> None:
        self.stopped = False

    def write(self, block: Floats) -> bool:
        level = float(np.abs(block).max())
        self.blocks.append(level)
        self.heard.wait(0.001)
        return len([one for one in self.blocks if one]) in self.late and level > 0

    def stop(self) -> None:
        self.ends.append("played out")
        self.stopped = True

    def abort(self) -> None:
        self.ends.append("cut")
        self.stopped = True

    def close(self, ignore_errors: bool = True) -> None:
        self.stopped = True


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    found = Card()
    device = {"index": 0, "name": "card", "default_samplerate": 32_000.0, "max_output_channels": 2}
    library = SimpleNamespace(
        query_devices=lambda *_: device, OutputStream=lambda **_: found, PortAudioError=RuntimeError
    )
    monkeypatch.setattr("drawbar.live.audio_out.portaudio._sounddevice", lambda: library)
    return found


def test_a_stream_that_does_not_start_is_never_touched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio would cancel a thread that it has joined, whoever has its number now."""
    touched: list[str] = []

    class Mixer(Card):
        fails, actions = 1, ()

        def start(self) -> None:
            if Mixer.fails:
                Mixer.fails -= 1
                self.abort = self.stop = self.close = lambda *_, **__: touched.append("ended")  # type: ignore[method-assign]
                raise RuntimeError("Wait timed out")
            super().start()

    made: list[Mixer] = []

    def make(**_: object) -> Mixer:
        made.append(Mixer())
        return made[-1]

    library = SimpleNamespace(Mixer=make, RingBuffer=Ringed)
    device = {"index": 0, "name": "card", "default_samplerate": 32_000.0, "max_output_channels": 2}
    sounds = SimpleNamespace(query_devices=lambda *_: device, PortAudioError=RuntimeError)
    monkeypatch.setattr("drawbar.live.audio_out.portaudio._sounddevice", lambda: sounds)
    monkeypatch.setitem(sys.modules, "rtmixer", library)
    output = RtmixerOutput()
    output.start()
    assert [card.stopped for card in made] == [True, False]
    output.stop()
    Mixer.fails = 2
    with pytest.raises(DeviceError, match="card does not start: Wait timed out"):
        output.start()
    output.start()
    output.close()
    assert [card.ends for card in made] == [[], ["cut"], [], [], ["cut"]]
    assert not touched


class Ringed:
    """A ring that nothing is written to."""

    write_available = read_available = 0

    def __init__(self, *_: int) -> None: ...


def sound_out(output: SoundDeviceOutput, seconds: float) -> None:
    """Write a sound and wait until it has left the queue."""
    output.start()
    output.write(np.full(round(32_000 * seconds), 0.5, np.float32))


def test_a_device_gets_silence_first_and_plays_what_it_holds_at_the_end(card: Card) -> None:
    output = SoundDeviceOutput()
    sound_out(output, 0.2)
    output.finish()
    while output.queued():
        card.heard.wait(0.001)
    output.stop()
    first = next(place for place, level in enumerate(card.blocks) if level)
    assert first == round(WARM_S / BLOCK_S)
    assert len([level for level in card.blocks if level]) == 20
    assert card.ends == ["played out"]
    output.close()


def test_a_sound_that_is_stopped_is_cut(card: Card) -> None:
    output = SoundDeviceOutput()
    sound_out(output, 0.4)
    output.stop()
    assert card.ends == ["cut"]


def test_what_the_device_says_it_missed_is_an_under_run(card: Card) -> None:
    card.late, card.latency = {4, 9}, 1e6
    output = SoundDeviceOutput()
    sound_out(output, 0.2)
    output.finish()
    while output.queued():
        card.heard.wait(0.001)
    output.stop()
    assert output.underruns == 2


def test_a_thread_that_comes_after_the_device_must_be_dry_counts_it(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(np.arange(0.0, 1e6, 60.0))  # a minute passes between two looks at the clock
    monkeypatch.setattr(
        "drawbar.live.audio_out.sounddevice.time", SimpleNamespace(monotonic=lambda: next(now))
    )
    output = SoundDeviceOutput()
    sound_out(output, 0.2)
    output.finish()
    while output.queued():
        card.heard.wait(0.001)
    output.stop()
    assert output.underruns == 20


def test_without_portaudio_the_null_output_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    output = open_output()
    assert isinstance(output, NullOutput)
    assert "apt install libportaudio2" in output.reason
    assert list_devices() == []
    with pytest.raises(MissingDependencyError):
        open_output(kind="rtmixer")


def test_two_threads_that_find_no_portaudio_at_once_are_both_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second waits for the first one's import, which fails: it was given half a module."""
    half = (
        "import sys\nstage = sys.stage\nstage.reached.set()\nstage.go.wait(60)\nraise OSError('no library')\n"
    )
    (tmp_path / "sounddevice.py").write_text(half)
    stage = SimpleNamespace(reached=threading.Event(), go=threading.Event())
    monkeypatch.setattr(sys, "stage", stage, raising=False)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    told: list[str] = []

    def ask() -> None:
        try:
            told.extend(list_devices() or ["none"])
        except Exception as error:
            told.append(repr(error))

    first, second = (threading.Thread(target=ask) for _ in range(2))
    first.start()
    assert stage.reached.wait(60)
    second.start()
    while not _inside(second, "_sounddevice"):
        pass
    stage.go.set()
    for one in (first, second):
        one.join(60)
    assert told == ["none", "none"]


def _inside(thread: threading.Thread, function: str) -> bool:
    """Whether a thread is in a function, or in what that calls."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and frame.f_code.co_name != function:
        frame = frame.f_back
    return frame is not None or not thread.is_alive()


def test_an_unknown_device_falls_back_and_is_named() -> None:
    skip_without_portaudio("sounddevice")
    output = open_output("no such headset")
    assert isinstance(output, NullOutput)
    assert "no such headset" in output.reason
    with pytest.raises(DeviceError, match="no such headset"):
        open_output("no such headset", kind="rtmixer")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DeviceError, match="tape"):
        open_output(kind="tape")
