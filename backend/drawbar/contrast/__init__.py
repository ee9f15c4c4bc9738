"""Examples -> directions: difference in means, probes, concepts, and which sliders double one another."""
