"""Examples or words -> a direction: difference in means, probes and the concepts of composed music."""
