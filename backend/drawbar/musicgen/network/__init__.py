"""The decoder network: text encoder, transformer layers, key-value cache, delay pattern, sliding window."""
