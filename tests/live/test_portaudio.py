"""Sound reaches a real PortAudio device (a PulseAudio null sink), and its absence is told, not raised."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drawbar.errors import DeviceError, MissingDependencyError
from drawbar.live import NullOutput, list_devices, open_output

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
    for tool in ("pulseaudio", "pactl", "parec"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt install pulseaudio pulseaudio-utils")
    home = tmp_path_factory.mktemp("pulse")
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
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(np.argmax(spectrum) * SINK_RATE / len(heard) - 440) < 3


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
