"""The decoder in 8 and 4 bits for CPUs: packed weights and the compiled kernels that multiply with them."""
