"""Tracks -> do features foresee that a motif returns? Manifest, events, review, probes and report.

It stands on the evidence's statistics and knows nothing of the pipeline, the command line or the window.
"""
