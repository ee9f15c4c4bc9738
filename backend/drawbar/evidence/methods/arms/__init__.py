"""Our own ways to make a slider of a concept, one file each."""
