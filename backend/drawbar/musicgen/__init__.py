"""The model as we run it: spec, weights, network, prompt, sampling, decoder, codec."""
