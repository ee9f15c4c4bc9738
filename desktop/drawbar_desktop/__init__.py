"""Gestures of a musician -> calls into the engine, and what it plays -> what is seen."""

__all__: list[str] = []
