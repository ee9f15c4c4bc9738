"""A seed -> a piece of music, every note of it known: harmony, melody, drums, rendering, truth per frame, prompt."""
