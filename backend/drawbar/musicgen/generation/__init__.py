"""A model and a prompt -> frames, one at a time: stream, sampling, captured graph."""
