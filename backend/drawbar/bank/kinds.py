"""A kind of sound -> the words that its labels start with: shelves by instrument, rhythm, harmony, timbre, dynamics.

A label may be of several kinds ("distorted guitar lead"). Knows nothing of the database.
"""

KINDS: dict[str, tuple[str, ...]] = {
    "instrument": (
        "accordion", "bass", "bell", "brass", "cello", "choir", "chords", "clarinet", "clavinet", "drum", "fiddle",
        "flute", "guitar", "harp", "horn", "kick", "lead", "marimba", "oboe", "organ", "pad", "percussion", "piano",
        "pizzicato", "sax", "sitar", "snare", "string", "synth", "tom", "trombone", "trumpet", "vibraphone", "viola",
        "violin", "vocal", "voice", "xylophone",
    ),
    "rhythm": (
        "arpeggio", "attack", "backbeat", "beat", "bpm", "busy", "drum", "fast", "fill", "groove", "hat", "kick",
        "meter", "onset", "pattern", "percussi", "pulse", "rhythm", "shuffle", "slow", "snare", "sparse", "strum",
        "swing", "syncop", "tempo",
    ),
    "harmony": (
        "cadence", "chroma", "conson", "diatonic", "dissonan", "harmon", "interval", "key", "major", "minor",
        "modal", "mode", "modulat", "pitch", "seventh", "tonal", "tonic", "triad",
    ),
    "timbre": (
        "air", "band", "bright", "clean", "dark", "detuned", "distort", "dull", "fuzz", "gritty", "harsh", "hollow",
        "metallic", "mids", "muffled", "noisy", "presence", "register", "resonan", "rough", "rumble", "smooth",
        "spectral", "spectrum", "timbre", "tremolo", "vibrato", "warm",
    ),
    "dynamics": (
        "compress", "crescendo", "decrescendo", "dynamic", "fading", "fade", "forte", "growing", "intens", "loud",
        "peak", "quiet", "silen", "soft", "swell", "volume",
    ),
}  # fmt: skip
"""Kind -> prefixes of folded words."""


def kind_of(label: str) -> str:
    """The kind that a label's first telling word says ("jazz drums": rhythm); empty for none."""
    found = ""
    for word in label.lower().replace(":", " ").split():
        for kind in ("rhythm", "dynamics", "harmony", "timbre", "instrument"):
            if any(word.startswith(prefix) for prefix in KINDS[kind]):
                if kind == "rhythm":
                    return kind
                found = found or kind
    return found
