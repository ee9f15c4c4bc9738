"""A concept's name -> the musical axes that its slider may change; the others it should leave as they are."""

_OWNED: dict[str, tuple[str, ...]] = {
    "drums": ("rhythm",),
    "hit": ("rhythm",),
    "tempo": ("rhythm", "structure"),
    "density": ("rhythm",),
    "pattern": ("rhythm",),
    "lead": ("melody",),
    "register": ("melody",),
    "motif": ("melody", "structure"),
    "key": ("harmony", "melody", "structure"),
    "mode": ("harmony", "melody", "structure"),
    "chord": ("harmony", "structure"),
    # Which instrument plays the chords or the bass, and how loud: a matter of sound, no axis of its own.
    "chords": (),
    "bass": (),
    "dynamics": (),
}
_WORDS = {
    "drum": "drums", "percussion": "drums", "kick": "drums", "snare": "drums", "beat": "drums", "tempo": "tempo",
    "fast": "tempo", "slow": "tempo", "lead": "lead", "melody": "lead", "register": "register", "key": "key",
    "major": "mode", "minor": "mode",
}  # fmt: skip


def owned_axes(concept: str) -> tuple[str, ...]:
    """``drums:jazz`` -> ``("rhythm",)``; a label in words goes by the words in it, and owns nothing without one."""
    group = concept.partition(":")[0]
    if group in _OWNED:
        return _OWNED[group]
    found = next(
        (_WORDS[word.rstrip("s")] for word in concept.lower().split() if word.rstrip("s") in _WORDS), None
    )
    return _OWNED[found] if found is not None else ()
