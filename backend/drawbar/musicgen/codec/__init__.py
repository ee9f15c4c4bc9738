"""Samples <-> tokens: the codec interface, EnCodec (whole clips and streaming) and the spectral codec."""
