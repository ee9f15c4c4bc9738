"""The window in which people check the recurrences that the study proposes."""
