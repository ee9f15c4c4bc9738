"""The CPU path in 8 and 4 bits: packed weights and compiled kernels."""
