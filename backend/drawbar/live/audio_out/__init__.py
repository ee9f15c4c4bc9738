"""Blocks of samples -> the sound device: ring buffer, limiter, the player thread and the outputs."""
