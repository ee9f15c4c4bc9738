"""One file per stage of a build."""
