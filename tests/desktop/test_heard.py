"""A take through PortAudio into a PulseAudio null sink: what its monitor records is the take, without a gap."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.desktop.sound_stage import Match, SoundStage, find, missing
from tests.desktop.tiny_assets import write_assets

SECONDS = 6.0
PLAY = """
import sys
from pathlib import Path
from drawbar.bank import Bank
from drawbar.live import Engine, TakeSettings, open_output
from drawbar.musicgen import load_model
assets, target, kind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
output = open_output(None, 32_000, kind=kind)
engine = Engine(load_model(assets / "model"), Bank.open(assets / "bank"), output)
engine.play(TakeSettings("", 7, {seconds}))
engine.wait(120)
engine.take.save(target)
print("underruns", engine.snapshot().underruns, "rate", output._device_rate)
engine.close()
"""


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assets(tmp_path_factory.mktemp("assets"))


def heard_match(assets: Path, folder: Path, kind: str) -> tuple[Match | None, str]:
    """Play a take and record it -> how it compares, and what the player said; None when it had to drop."""
    folder.mkdir()
    target = folder / "take.wav"
    with SoundStage(folder) as sound:
        sound.record()
        code = PLAY.format(seconds=SECONDS)
        played = subprocess.run(
            [sys.executable, "-c", code, str(assets), str(target), kind],
            env=sound.environment, capture_output=True, text=True,
        )  # fmt: skip
        sound.stop()
    if "no sound device" in played.stderr:
        pytest.skip("PortAudio does not see PulseAudio: apt install libasound2-plugins")
    assert played.returncode == 0, played.stderr
    take, rate = soundfile.read(target, dtype="float32")
    assert len(take) == SECONDS * rate
    if "underruns 0 " not in played.stdout or "underrun occurred" in played.stderr:
        return None, played.stdout
    expected = np.asarray(soxr.resample(take, rate, sound.rate), np.float32)
    return find(sound.heard, expected, sound.rate), played.stdout


@pytest.mark.parametrize("kind", ["rtmixer", "sounddevice"])
def test_what_is_heard_is_the_take(assets: Path, tmp_path: Path, kind: str) -> None:
    """The same samples after resampling, without a gap; a machine with more to do than processors may drop."""
    if reason := missing():
        pytest.skip(reason)
    try:
        importlib.import_module(kind)
    except (ImportError, OSError) as error:
        pytest.skip(f"{kind} or PortAudio is not installed: {error}")
    match, said = None, ""
    for attempt in range(3):
        match, said = heard_match(assets, tmp_path / str(attempt), kind)
        if match is not None and match.residual_db < -40 and match.gap_ms < 1:
            break
    else:
        load, processors = os.getloadavg()[0], os.cpu_count() or 1
        if load > processors:
            pytest.skip(f"this machine is too busy to play in real time (load {load:.0f}): {said} {match}")
    assert match is not None, said
    assert match.residual_db < -40
    assert match.gap_ms < 1
    assert match.gain == pytest.approx(1.0, abs=0.02)


def test_the_comparison_notices_a_gap_and_a_missing_block() -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.2, 96_000).astype(np.float32)
    heard = np.concatenate([np.zeros(5_000, np.float32), sound, np.zeros(5_000, np.float32)])
    exact = find(heard, sound, 48_000)
    assert (exact.lag, exact.gap_ms) == (5_000, 0.0)
    assert exact.residual_db < -60
    torn = heard.copy()
    torn[50_000:50_480] = 0.0
    assert find(torn, sound, 48_000).gap_ms == pytest.approx(10.0, abs=0.1)
    short = np.concatenate([heard[:50_000], heard[50_480:]])
    assert find(short, sound, 48_000).residual_db > -6
