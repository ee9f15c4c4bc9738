"""Colours, sizes and the Qt style sheet."""
