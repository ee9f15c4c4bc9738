"""Features and judges -> proof that a slider does what its label says: controls and cards."""
