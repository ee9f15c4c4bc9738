"""Finds, labels, proves and plays the concepts inside music generators. Importing this loads neither torch nor Qt."""

__version__ = "0.1.0"

__all__ = ["__version__"]
