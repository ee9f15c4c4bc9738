"""Composed music -> the embedded model and its bank: the recipe behind assets/, resumable."""
