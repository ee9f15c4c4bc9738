"""Words -> sliders with a card: made from the model's own takes, played beside random directions, kept or packed."""
