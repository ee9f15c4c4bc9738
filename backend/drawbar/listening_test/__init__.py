"""The blind test: clips without their names -> whether a person hears which one was steered, or which label fits."""
