"""Finished studies; nothing of the instrument imports them."""
