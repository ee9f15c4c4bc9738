"""Samples <-> tokens: the codec interface and its implementations."""
