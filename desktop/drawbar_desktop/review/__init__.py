"""The window in which people check proposed recurrences."""
