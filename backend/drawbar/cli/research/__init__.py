"""One file per command of a finished study."""
