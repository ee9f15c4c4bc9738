"""A checkpoint, a prompt and a seed -> tokens, residuals and sound, steerable at every layer."""

from drawbar.musicgen.generation.stream import Stream
from drawbar.musicgen.model import Model, load_model

__all__ = ["Model", "Stream", "load_model"]
