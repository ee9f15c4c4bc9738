"""Finished studies, kept so that their figures can be made again; nothing of the instrument imports them."""
