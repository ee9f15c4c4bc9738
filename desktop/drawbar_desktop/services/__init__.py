"""What the window needs of the machine: loading models, downloads, MIDI ports, logs, the display."""
