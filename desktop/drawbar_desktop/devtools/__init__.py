"""For developers: the smoke test, the window benchmark and the pictures of the documents."""
