"""Drawbar's tests; a package, because some libraries install a ``tests`` of their own beside them."""
