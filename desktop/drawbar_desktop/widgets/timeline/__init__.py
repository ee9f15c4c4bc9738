"""The timeline: waveform, spectrogram, heat-map and automation lanes."""
