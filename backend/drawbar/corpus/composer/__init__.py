"""A seed -> a piece of music with every note known: harmony, melody, drums, rendering, truth per frame, prompt."""
