"""The processor's own code for one frame: an emitter of LLVM assembly, kernels, and programs that run in one call."""
