"""The browser: search, filters and the list of features."""
