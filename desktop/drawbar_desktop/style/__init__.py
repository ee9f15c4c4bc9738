"""Colours, sizes, fonts, icons and the Qt style sheet."""
