"""What the window needs of the machine: loading, downloads, MIDI ports, logs, display."""
