"""Trials -> effects, ranks against random directions, usable ranges, verdicts, cards and the summary."""
