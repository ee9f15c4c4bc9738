"""Files that must not be lost, and files that nobody may trust: atomic writes, locks, limits, errors in plain words."""
