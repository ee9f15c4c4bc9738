"""Blocks of samples -> the sound device: outputs, ring, limiter, player."""
