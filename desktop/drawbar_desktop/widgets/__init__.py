"""One widget per file, each handed its state -> what is on screen; widgets store no truth."""

__all__: list[str] = []
