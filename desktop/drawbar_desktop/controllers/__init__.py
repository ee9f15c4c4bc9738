"""Gestures in a panel -> calls to the engine and changes of state; one controller per panel."""
