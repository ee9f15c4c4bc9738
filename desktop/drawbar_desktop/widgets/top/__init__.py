"""The bar on top: prompt, seed, length, transport and what the engine is doing."""
