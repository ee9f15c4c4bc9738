"""Sheets that lie over the window: welcome, settings, export, blind test, making a slider."""
