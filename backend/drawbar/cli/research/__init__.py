"""The commands of the finished studies: horizon, recurrence review and variants, one file each."""
