"""Widgets that several panels use: fader, meters, banner, sheet, value field, file dialogs."""
