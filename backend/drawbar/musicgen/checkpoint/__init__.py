"""Released files -> the parts of a model: both layouts, where they come from, how much memory they need."""
