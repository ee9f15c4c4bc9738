"""The closed vocabulary of prompts, and the words that people type for it: tables only, `prompt_rules` applies them."""

from drawbar.corpus.composer.chord_names import QUALITY_SPELLINGS
from drawbar.corpus.composer.instruments import (
    BASSES,
    CHORD_INSTRUMENTS,
    DRUM_STYLES,
    KEYS,
    LEADS,
    MODES,
    PATTERNS,
)

TEMPI_BPM: tuple[float, ...] = (62.5, 93.75, 125.0, 187.5)
"""The tempi that a prompt can name; any other is read as the nearest by ratio."""
LONGEST_LOOP = 8
"""Chords of a list that are counted: what comes after them is known as a chord but not by its place."""


def tempo_word(bpm: float) -> str:
    """Return the word of the nearest of `TEMPI_BPM` by ratio; half and double time count outside 55 to 210."""
    while bpm < 55:
        bpm *= 2
    while bpm > 210:
        bpm /= 2
    nearest = min(TEMPI_BPM, key=lambda tempo: max(tempo / bpm, bpm / tempo))
    return f"bpm_{nearest:.0f}"


# Words that nobody types, made by the rules alone. One run of word characters each, so that no tokenizer splits them.
TEMPO_WORDS: tuple[str, ...] = tuple(map(tempo_word, TEMPI_BPM))
PLACES: dict[str, tuple[int, int]] = {
    f"chord_{place}_of_{count}": (place, count)
    for count in range(1, LONGEST_LOOP + 1)
    for place in range(1, count + 1)
}
"""Which chord of how many: together they say when it sounds, because the chords of a list share the phrase evenly."""
PLACE_WORDS: tuple[str, ...] = tuple(PLACES)
ROOT_WORDS: tuple[str, ...] = tuple("root_" + key.replace(" ", "_") for key in KEYS)
QUALITY_WORDS: dict[str, str] = {quality: f"quality_{quality}" for quality in QUALITY_SPELLINGS}

_PLAIN: tuple[str, ...] = (
    "slow", "fast", "medium", "tempo", "soft", "loud", "sparse", "busy", "low", "high", "register", "swing",
    "swung", "straight", "growing", "fading", "swell", "simple", "seventh", "rich", "chords", "drums", "bass",
    "lead", "melody", "solo", "motif", "returning", "no", "without", "with", "and", "in", "key", "of",
)  # fmt: skip
_SPOKEN = (*_PLAIN, *CHORD_INSTRUMENTS, *LEADS, *BASSES, *DRUM_STYLES, *KEYS, *MODES, *PATTERNS)
PROMPT_WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            *(word for text in _SPOKEN for word in text.split()),
            *TEMPO_WORDS, *PLACE_WORDS, *ROOT_WORDS, *QUALITY_WORDS.values(),
        }
    )
)  # fmt: skip

# What the model was trained with <- what people write, in lower case.
_MEANINGS: dict[str, str] = {
    # instruments
    "piano": "keys, keyboard, keyboards, pianos, grand piano, upright piano",
    "electric piano": "rhodes, wurlitzer, epiano, e piano",
    "organ": "organs, hammond",
    "harpsichord": "cembalo, clavinet",
    "guitar": "guitars, acoustic guitar",
    "strings": "string, orchestra, orchestral, string section",
    "choir": "voices, vocals, voice, choral, vocal, singing, singers",
    "accordion": "bandoneon, concertina",
    "flute": "flutes",
    "saxophone": "sax, saxophones",
    "trumpet": "trumpets, brass",
    "violin": "violins, fiddle",
    "marimba": "xylophone, vibraphone, vibes",
    "bells": "bell, glockenspiel, chimes",
    "synth": "synthesizer, synthesiser, synths, electronic",
    "distorted": "overdriven, distortion, fuzz",
    "distorted guitar": "metal, electric guitar, heavy metal",
    "drums": "drum, drumkit, drum kit, drum machine, beat, beats, percussion, drumming",
    "bass": "basses, bassline, bass line, bass guitar",
    "fingered": "finger, fingerstyle", "slap": "slapped", "upright": "double", "upright bass": "contrabass",
    # styles and playing
    "hip hop": "hiphop, trap, rap, boom bap", "house": "techno, edm, disco, four on the floor, trance",
    "jazz": "jazzy, bebop", "latin": "salsa, bossa, bossa nova, samba", "march": "marching, military",
    "rock": "rocky, punk", "swing": "swinging, shuffle, shuffled, swingy",
    "arpeggio": "arpeggios, arpeggiated, arpeggiating, arp, broken chords", "strummed": "strum, strumming",
    "held": "sustained, long, pads, pad", "chords": "chord, harmonies, comping", "lead": "leads, leading",
    "melody": "melodic, tune, melodies", "motif": "theme, motifs, riff, hook",
    "returning": "repeating, recurring", "solo": "alone, unaccompanied", "and": "plus",
    # tempo
    "fast": "quick, rapid, uptempo, up tempo, allegro, presto, vivace, hectic",
    "slow": "slowly, downtempo, down tempo, adagio, largo, lento, ballad",
    "medium": "moderate", "medium tempo": "mid tempo, midtempo, andante, moderato",
    # loudness, density, shape, register
    "soft": "quiet, gentle, calm, softly, tender, delicate, gently, quietly",
    "loud": "noisy, strong, powerful, heavy, hard, aggressive, intense, forte, angry",
    "busy": "dense, energetic, lively, active, hyper, funky", "sparse": "minimal, minimalist, spacious, empty",
    "growing": "crescendo, building, build up, rising", "fading": "diminuendo, decrescendo, fade out",
    "low": "deep", "high": "bright", "simple": "plain, basic", "seventh": "sevenths",
    "rich": "lush, complex, extended, ninth, ninths",
    # moods: what of the above makes them
    "major": "maj, happy, cheerful, joyful, uplifting, hopeful, positive, sunny",
    "minor": "min, sad, dark, melancholy, melancholic, gloomy, mysterious, moody, emotional, tragic",
    "soft slow": "dreamy, relaxing, relaxed, chill, chilled, peaceful, mellow, romantic, soothing",
    "slow sparse held": "ambient, meditative, atmospheric", "loud growing": "epic, dramatic, cinematic, heroic",
    "busy fast": "exciting, upbeat, frantic, party", "loud busy": "driving", "low minor": "ominous, sinister",
    "high major": "playful, cute",
    # what should not play
    "without": "w/o, minus", "with": "w/",
    "no drums": "drumless, drums out", "no bass": "bassless, bass out", "no lead": "lead out",
    "no chords": "chords out",
    # said often, and nothing to the composer
    "": (
        "the, an, some, any, music, song, piece, track, playing, plays, played, by, on, at, for, to, it, is, very, "
        "acoustic, instrumental, please, give, me, make, play, want, i, style, "
        "sound, sounds, feel, mood, nice, beautiful, progression, loop, chord progression"
    ),
}  # fmt: skip
SYNONYMS: dict[str, str] = {said: meant for meant, listed in _MEANINGS.items() for said in listed.split(", ")}
"""What people write -> the words that the model was trained with (nothing: the word is dropped)."""
