"""The top bar: prompt, transport, status."""
