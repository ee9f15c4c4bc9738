"""Sixty musical words by kind and contexts to try them in: tables only, for sliders that are made from words."""

STARTER: dict[str, tuple[str, ...]] = {
    "instrument": (
        "drums", "bass", "piano", "electric piano", "organ", "harpsichord", "acoustic guitar", "distorted guitar",
        "strings", "violin", "cello", "choir", "flute", "saxophone", "trumpet", "brass", "accordion", "marimba",
        "bells", "harp", "synth", "synth bass", "taiko drums", "hand claps",
    ),
    "rhythm": (
        "rock drums", "jazz drums", "house drums", "hip hop drums", "latin drums", "swing", "arpeggio",
        "slow", "fast", "busy", "sparse",
    ),
    "harmony": (
        "major", "minor", "seventh chords", "rich chords", "simple chords", "drone",
    ),
    "timbre": (
        "high", "low", "bright", "dark", "warm", "distorted", "vinyl noise", "reverb", "lo-fi", "electronic",
        "acoustic", "tremolo",
    ),
    "dynamics": (
        "loud", "soft", "growing", "fading", "calm", "energetic", "solo",
    ),
}  # fmt: skip
"""Kind of sound (a shelf of the browser) -> words. A starter pack makes one slider of each that the model knows."""

LEADING = frozenset(
    (
        "major", "minor", "slow", "fast", "busy", "sparse", "high", "low", "bright", "dark", "warm", "distorted",
        "lo-fi", "electronic", "acoustic", "loud", "soft", "growing", "fading", "calm", "energetic", "solo", "happy",
        "sad", "aggressive", "gentle", "quiet", "noisy", "epic", "dreamy", "funky", "simple", "rich", "deep", "clean",
        "ambient", "jazzy", "quick", "relaxed", "angry", "tense", "playful", "melancholic", "dense", "minimal",
    )
)  # fmt: skip
"""Words that stand before what they describe: "slow piano", but "piano with drums"."""

CONTEXTS: tuple[str, ...] = (
    "piano in a minor", "guitar in e minor", "strings in d minor", "electric piano in g major",
    "flute melody in c major", "organ chords in f major", "synth in b minor", "trumpet lead in d major",
    "accordion in a major", "marimba in g minor", "harpsichord in c minor", "violin melody in e major",
    "bells in f minor", "choir in a minor", "saxophone in b major", "guitar and bass in d minor",
    "piano and strings in g major", "electric piano and flute in e minor", "organ and bass in a minor",
    "synth chords in c minor", "drums and bass in e minor", "rock drums and guitar in a major",
    "house drums and synth in f minor", "jazz drums and piano in c major", "strings and violin in g minor",
    "piano with drums in d major", "guitar with drums in g major", "marimba and bass in c major",
)  # fmt: skip
"""What a word is added to; those that name it already are passed over."""
