"""A finished generation -> a folder on disk: take, trace, crash spool, sound files."""
