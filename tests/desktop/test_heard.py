"""A take through PortAudio into a PulseAudio null sink: what its monitor records is the take.

Where the machine was too busy to play in time, every drop-out was counted and all between them is still the take.
"""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.desktop.sound_stage import Floats, SoundStage, find, missing, stretches

SECONDS, RATE, SINK_RATE = 4.0, 32_000, 44_100
# The rate that ALSA offers by default, so that the server need not resample; and a server that says when it ran dry.
pytestmark = pytest.mark.xdist_group("display and sound server")
ALSA = "pcm.!default { type pulse\n handle_underrun 1 }\nctl.!default { type pulse }\n"
PLAY = """
import sys
import soundfile
from drawbar.live import Player, open_output
output = open_output(None, 32_000, kind=sys.argv[2])
player = Player(lambda: output)
player.play(soundfile.read(sys.argv[1], dtype="float32")[0])
assert player.wait(120) and not output.failed, output.failed
sys.stdout.write(str(output.underruns))
player.close()
"""


def a_take() -> Floats:
    """Noise whose level never rests: no stretch of it is like another."""
    rng = np.random.default_rng(7)
    level = np.interp(
        np.arange(round(SECONDS * RATE)) / RATE, np.arange(0, 5, 0.25), rng.uniform(0.05, 0.2, 20)
    )
    return np.asarray(np.clip(rng.normal(0, 1, len(level)) * level, -0.7, 0.7), np.float32)


@pytest.mark.parametrize("kind", ["rtmixer", "sounddevice"])
def test_what_is_heard_is_the_take(tmp_path: Path, kind: str) -> None:
    if reason := missing():
        pytest.skip(reason)
    try:
        importlib.import_module(kind)
    except (ImportError, OSError) as error:
        pytest.skip(f"{kind} or PortAudio is not installed: {error}")
    take, file = a_take(), tmp_path / "take.wav"
    soundfile.write(file, take, RATE, subtype="FLOAT")
    (tmp_path / ".asoundrc").write_text(ALSA)
    with SoundStage(tmp_path, SINK_RATE) as sound:
        sound.record()
        played = subprocess.run(
            [sys.executable, "-c", PLAY, str(file), kind],
            env=sound.environment,
            capture_output=True,
            text=True,
        )
        sound.stop()
    if "no sound device" in played.stderr:
        pytest.skip("PortAudio does not see PulseAudio: apt install libasound2-plugins")
    assert played.returncode == 0, played.stderr
    # With silence around it, as it was played: a resampler rings before the first sample and after the last.
    expected = np.asarray(soxr.resample(np.pad(take, RATE // 100), RATE, SINK_RATE), np.float32)
    drops = int(played.stdout)
    parts = stretches(sound.heard, expected, SINK_RATE)
    # One drop-out may tear twice: where the device runs dry, and where the server swallows what came late.
    assert 1 <= len(parts) <= 1 + 2 * drops, (drops, parts)
    for part in parts:
        assert part.residual_db < -40, (drops, parts)
        assert part.gain == pytest.approx(1.0, abs=0.01)
    assert [part.start for part in parts] == sorted(part.start for part in parts)
    if not drops:
        begins, length = SINK_RATE // 100, len(take) * SINK_RATE // RATE
        # A server that had been suspended may take the first milliseconds while it wakes, however long the silence
        # before them, and tells nobody. The limiter looks 1.5 ms ahead: so long is the whisper before the take.
        swallowed = parts[0].start - begins
        assert -SINK_RATE // 500 < swallowed < SINK_RATE // 40, parts
        assert abs(length - swallowed - parts[0].length) < SINK_RATE // 500, parts


def test_the_comparison_finds_every_stretch_between_two_drop_outs() -> None:
    rng = np.random.default_rng(3)
    sound = rng.normal(0, 0.2, 96_000).astype(np.float32)
    heard = np.concatenate([np.zeros(900), sound[:30_000], np.zeros(700), sound[31_000:], np.zeros(50)])
    first, second = stretches(heard.astype(np.float32), sound, 48_000)
    assert (first.start, first.length, second.start, second.length) == (0, 30_000, 31_000, 65_000)
    assert max(first.residual_db, second.residual_db) < -60
    jumped = np.concatenate([sound[:30_000], sound[31_000:]])
    one, two = stretches(jumped, sound, 48_000)
    assert one.start == 0
    assert 30_000 - 480 <= one.length <= 30_000
    assert 31_000 <= two.start <= 31_000 + 480
    assert max(one.residual_db, two.residual_db) < -40
    wrong = heard.astype(np.float32)
    wrong[60_000:] *= -1
    assert max(part.residual_db for part in stretches(wrong, sound, 48_000)) > -10


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
