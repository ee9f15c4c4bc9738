"""A checkpoint, a prompt and a seed -> tokens, residuals and sound, steerable at every layer."""

from drawbar.musicgen.codec import Codec, CodecStream
from drawbar.musicgen.decoder import Model, load_model
from drawbar.musicgen.ports import Hold, Lanes, Observer, Steering, SteeringRun
from drawbar.musicgen.spec import ModelSpec
from drawbar.musicgen.stream import Frame, Stream

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
