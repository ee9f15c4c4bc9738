"""A build on several processes or machines: the same parts, made by workers on Ray, with the same bytes."""
