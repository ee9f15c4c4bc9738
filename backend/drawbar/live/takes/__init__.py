"""A generation -> a take on disk: settings, tokens, activations and sound, with a spool that survives a crash."""
