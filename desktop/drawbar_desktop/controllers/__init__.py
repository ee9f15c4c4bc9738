"""Gestures -> engine and state, one controller per panel."""
