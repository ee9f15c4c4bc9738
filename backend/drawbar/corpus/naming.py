"""A concept's name -> the words that a musician would use for it."""

_WORDS = {
    "register": "{} register",
    "lead": "{} lead",
    "bass": "{} bass",
    "drums": "{} drums",
    "chords": "{} chords",
    "chord": "{} chord",
    "key": "key of {}",
    "mode": "{}",
    "density": "{}",
    "dynamics": "{}",
    "tempo": "{}",
}
_SPECIAL = {
    "pattern:arpeggio": "arpeggio",
    "pattern:strummed": "strummed chords",
    "pattern:held": "held chords",
    "motif:return": "returning motif",
    "hit:kick": "kick drum hits",
    "hit:snare": "snare drum hits",
    "hit:cymbal": "cymbal hits",
    "bass:bass": "bass",
}
_DESCRIPTORS = {
    "loudness_db": ("loud", "quiet"),
    "centroid_hz": ("bright", "dark"),
    "rolloff_hz": ("bright top", "dull top"),
    "flatness": ("noisy", "tonal"),
    "onset_strength": ("attacks", "steady"),
    "onset_rate_hz": ("many onsets", "few onsets"),
    "low_band_share": ("low band", "little low band"),
    "mid_band_share": ("mid band", "hollow mids"),
    "high_band_share": ("high band", "little high band"),
    "pitch_hz": ("high pitch", "low pitch"),
    "pitch_clarity": ("clear pitch", "no clear pitch"),
    "band_63": ("deep rumble", "no deep rumble"),
    "band_125": ("low end", "little low end"),
    "band_250": ("warm low mids", "thin low mids"),
    "band_500": ("full mids", "scooped mids"),
    "band_1000": ("nasal mids", "few nasal mids"),
    "band_2000": ("upper mids", "few upper mids"),
    "band_4000": ("presence", "little presence"),
    "band_8000": ("air", "no air"),
    "spread_hz": ("wide spectrum", "narrow spectrum"),
    "crest": ("spiky spectrum", "even spectrum"),
    "flux": ("moving spectrum", "standing spectrum"),
    "slope_db_s": ("swelling", "fading"),
    "attack_db": ("sharp attacks", "soft attacks"),
    "tremolo_db": ("tremolo", "no tremolo"),
    "vibrato_cents": ("vibrato", "no vibrato"),
    "tempo_bpm": ("fast tempo", "slow tempo"),
    "pulse": ("steady pulse", "no steady pulse"),
    "key_strength": ("clear key", "no clear key"),
    "major": ("major", "minor"),
    "dissonance": ("dissonant", "consonant"),
    "spectral_complexity": ("dense spectrum", "sparse spectrum"),
    "pitch_salience": ("one pitch", "no salient pitch"),
    "strong_peak": ("one strong partial", "no strong partial"),
    "inharmonicity": ("inharmonic", "harmonic"),
    "danceability": ("danceable", "not danceable"),
    "dynamic_complexity": ("changing loudness", "even loudness"),
}


HEARD = "heard:"
"""Before the names of factors that detectors hear."""


def concept_label(concept: str) -> str:
    """``"drums:rock"`` -> ``"rock drums"``; unknown shapes come out as ``"what kind"``."""
    if concept in _SPECIAL:
        return _SPECIAL[concept]
    group, colon, kind = concept.partition(":")
    if not colon:
        return group
    kind = kind[0].upper() + kind[1:] if group == "key" and kind else kind
    return _WORDS.get(group, "{} " + group).format(kind)


def descriptor_label(descriptor: str, high: bool) -> str:
    """``("centroid_hz", True)`` -> ``"bright"``; chroma becomes ``"note c#"`` or ``"no note c#"``."""
    if descriptor in _DESCRIPTORS:
        return _DESCRIPTORS[descriptor][0 if high else 1]
    heard = descriptor.removeprefix(HEARD)
    if heard != descriptor:
        return concept_label(heard) if high else f"no {concept_label(heard)}"
    words = descriptor.removeprefix("chroma_")
    if words != descriptor:
        return f"note {words.upper()}" if high else f"no note {words.upper()}"
    return f"{'high' if high else 'low'} {descriptor.replace('_', ' ')}"
