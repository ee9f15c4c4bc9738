"""The decoder network: text encoder, layers, cache, delay pattern, windows."""
