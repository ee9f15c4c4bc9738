"""The timeline at the foot: waveform, spectrogram, activations and automation under one playhead."""
