"""A model and a prompt -> tokens, one frame at a time: the stream, the sampling, the captured CUDA graph."""
