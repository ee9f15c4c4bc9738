"""Smoke test, window benchmark and the pictures of the documents."""
