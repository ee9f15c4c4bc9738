"""The browser on the left: search, filters and the list of features."""
