"""The stages of a build, one file each: what each reads, what it writes and when it is up to date."""
