"""The yardstick for codecs: librosa's mel filters, zero for equal sounds, finite gradients in silence."""

import math

import numpy as np
import pytest
import torch

from drawbar.audio_analysis.mel import EPS, log_mel, log_mel_distance, mel_filters


def test_the_filters_are_librosas_slaney_filters() -> None:
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=32_000, n_fft=1024, n_mels=80)
    np.testing.assert_allclose(mel_filters(), expected, atol=1e-6)
    assert (mel_filters().sum(axis=1) > 0).all()


def test_silence_sits_on_the_floor_and_has_a_finite_gradient() -> None:
    audio = torch.zeros(1, 3200, requires_grad=True)
    mel = log_mel(audio)
    assert mel.shape == (1, 80, 13)
    assert torch.allclose(mel, torch.full_like(mel, math.log10(EPS)), atol=1e-6)
    noise = torch.randn(1, 3200, generator=torch.Generator().manual_seed(1))
    log_mel_distance(audio, noise).backward()
    assert audio.grad is not None
    assert torch.isfinite(audio.grad).all()


def test_halving_the_amplitude_is_a_distance_of_log10_of_two() -> None:
    noise = torch.randn(2, 32_000, generator=torch.Generator().manual_seed(2)) * 0.2
    assert log_mel_distance(noise, noise) == 0
    assert log_mel_distance(noise, noise * 0.5).item() == pytest.approx(math.log10(2), abs=1e-3)


def test_leading_shapes_are_kept_and_lengths_may_differ() -> None:
    audio = torch.randn(2, 3, 5000, generator=torch.Generator().manual_seed(3))
    assert log_mel(audio).shape == (2, 3, 80, 1 + 5000 // 256)
    assert log_mel_distance(audio, audio[..., :4000]) == 0
    assert log_mel(torch.zeros(100)).shape == (80, 1)


def test_a_spectrum_measured_without_gradients_can_be_trained_on_afterwards() -> None:
    with torch.inference_mode():
        log_mel(torch.zeros(4000), 31_999)
    audio = torch.full((4000,), 0.1, requires_grad=True)
    log_mel(audio, 31_999).sum().backward()
    assert audio.grad is not None
