"""A model, a bank or an engine -> measured figures and the rows of a table; one file per benchmark."""
