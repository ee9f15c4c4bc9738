"""Released files -> the parts of a model: both layouts, download, memory needed."""
