"""Sheets that lie over the window: settings, export, blind test, welcome."""
