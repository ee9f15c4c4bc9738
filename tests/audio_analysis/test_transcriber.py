"""A network that hears what the test says, and the real one where it is installed -> notes and pitch classes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbar.audio_analysis import transcriber
from drawbar.audio_analysis.transcriber import Transcriber, has_transcriber
from drawbar.errors import BadInputError, MissingDependencyError


class EveryWindow:
    """Hears one A4 in every window of 172 frames, begun at frame 50 and held for 40."""

    def run(
        self, output_names: list[str], input_feed: dict[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        windows = next(iter(input_feed.values()))
        assert windows.shape[1:] == (43_844, 1)
        onset, sounding = np.zeros((2, len(windows), 172, 88), np.float32)
        onset[:, 50, 48], onset[:, 51, 48] = 0.9, 0.6  # the second frame is no second note
        sounding[:, 50:90, 48] = 0.8
        return [sounding, onset]


def test_notes_are_onsets_per_second_and_seconds_per_pitch_class() -> None:
    heard = Transcriber(EveryWindow()).notes(np.zeros(round(32_000 * 3 * 142 * 256 / 22_050), np.float32))
    seconds = 3 * 142 * 256 / 22_050
    assert heard.notes_per_s == pytest.approx(3 / seconds, rel=1e-3)
    assert heard.pitch_classes[9] == pytest.approx(3 * 40 * 256 / 22_050)
    assert heard.pitch_classes.sum() == heard.pitch_classes[9]


def test_audio_without_samples_is_refused() -> None:
    with pytest.raises(BadInputError, match="mono"):
        Transcriber(EveryWindow()).notes(np.zeros(0))


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcriber, "find_spec", lambda _name: None)
    assert not has_transcriber()
    with pytest.raises(MissingDependencyError, match="extra 'transcriber'"):
        Transcriber()


@pytest.mark.skipif(not has_transcriber(), reason="the extra 'transcriber' is not installed")
def test_the_real_network_hears_a_scale() -> None:
    time = np.arange(16_000) / 32_000
    scale = (0, 2, 4, 5, 7, 9, 11)
    tones = [
        np.exp(-3 * time) * sum(np.sin(2 * np.pi * 261.63 * 2 ** (s / 12) * n * time) / n for n in (1, 2, 3))
        for s in scale
    ]
    heard = Transcriber().notes((0.2 * np.concatenate(tones)).astype(np.float32))
    assert heard.notes_per_s == pytest.approx(2, abs=0.7)
    assert heard.pitch_classes[list(scale)].sum() > 0.9 * heard.pitch_classes.sum()
