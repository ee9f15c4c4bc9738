"""Ours against audiocraft and transformers, as a report."""
