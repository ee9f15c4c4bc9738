"""Is our model the same as audiocraft's and transformers'? The largest difference of everything, as a report."""
