"""A checkpoint, a prompt and a seed -> tokens, residuals and sound, steerable at every layer."""

from drawbar.musicgen.codec.interface import Codec, CodecStream
from drawbar.musicgen.generation.stream import Frame, Stream
from drawbar.musicgen.interfaces import Hold, Lanes, Observer, Steering, SteeringRun
from drawbar.musicgen.model import Model, load_model
from drawbar.musicgen.spec import ModelSpec

__all__ = [
    "Codec",
    "CodecStream",
    "Frame",
    "Hold",
    "Lanes",
    "Model",
    "ModelSpec",
    "Observer",
    "Steering",
    "SteeringRun",
    "Stream",
    "load_model",
]
