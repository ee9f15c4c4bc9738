"""A model, a bank or an engine -> measured figures and the rows of a table; one file per benchmark.

Each has ``run``, which measures and returns plain JSON values, and ``rows``: (measure, value, goal) lines of a table.
"""
