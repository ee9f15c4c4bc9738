"""A Piece -> the line of text that asks for it; any text -> the words that the model knows."""

import random
import re

from drawbar.corpus.composer.annotate import FAST_BPM, SLOW_BPM
from drawbar.corpus.composer.instruments import (
    BASSES,
    CHORD_INSTRUMENTS,
    DRUM_STYLES,
    KEYS,
    LEADS,
    MODES,
    PATTERNS,
)
from drawbar.corpus.composer.piece import Part, Piece

_PLAIN: tuple[str, ...] = (
    "slow", "fast", "medium", "tempo", "soft", "loud", "sparse", "busy", "low", "high", "register", "swing",
    "swung", "straight", "growing", "fading", "swell", "simple", "seventh", "rich", "chords", "drums", "bass",
    "lead", "melody", "solo", "motif", "returning", "no", "without", "with", "and", "in", "key", "of",
)  # fmt: skip
PROMPT_WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            word
            for text in (*_PLAIN, *CHORD_INSTRUMENTS, *LEADS, *BASSES, *DRUM_STYLES, *KEYS, *MODES, *PATTERNS)
            for word in text.split()
        }
    )
)
# What people write -> the words that the model was trained with (nothing: the word is dropped).
SYNONYMS: dict[str, str] = {
    "keys": "piano", "keyboard": "piano", "rhodes": "electric piano", "epiano": "electric piano",
    "drum": "drums", "drumkit": "drums", "beat": "drums", "percussion": "drums", "beats": "drums",
    "sax": "saxophone", "fiddle": "violin", "bell": "bells", "glockenspiel": "bells", "synthesizer": "synth",
    "synthesiser": "synth", "overdriven": "distorted", "distortion": "distorted", "metal": "distorted guitar",
    "string": "strings", "voices": "choir", "vocals": "choir", "voice": "choir", "choral": "choir",
    "hiphop": "hip hop", "techno": "house", "edm": "house", "disco": "house", "swinging": "swing",
    "shuffle": "swing", "marching": "march", "military": "march", "salsa": "latin", "bossa": "latin",
    "finger": "fingered", "fingerstyle": "fingered", "slapped": "slap", "acoustic": "", "double": "upright",
    "contrabass": "upright bass", "basses": "bass", "bassline": "bass", "chord": "chords", "leads": "lead",
    "melodic": "melody", "tune": "melody", "theme": "motif", "motifs": "motif", "arpeggios": "arpeggio",
    "arpeggiated": "arpeggio", "arpeggiating": "arpeggio", "strum": "strummed", "strumming": "strummed",
    "sustained": "held", "long": "held", "quick": "fast", "rapid": "fast", "uptempo": "fast",
    "slowly": "slow", "downtempo": "slow", "quiet": "soft", "gentle": "soft", "calm": "soft",
    "softly": "soft",
    "noisy": "loud", "strong": "loud", "powerful": "loud", "dense": "busy", "energetic": "busy",
    "minimal": "sparse", "deep": "low", "bright": "high", "happy": "major", "sad": "minor", "dark": "minor",
    "crescendo": "growing", "diminuendo": "fading", "building": "growing", "sevenths": "seventh",
    "jazzy": "jazz", "plus": "and", "c#": "c sharp", "d#": "d sharp", "f#": "f sharp", "g#": "g sharp",
    "a#": "a sharp", "db": "c sharp", "eb": "d sharp", "gb": "f sharp", "ab": "g sharp", "bb": "a sharp",
    "e#": "f", "b#": "c", "cb": "b", "fb": "e", "maj": "major", "min": "minor", "organs": "organ",
    "pianos": "piano", "guitars": "guitar", "flutes": "flute", "trumpets": "trumpet", "violins": "violin",
    "repeating": "returning", "recurring": "returning", "moderate": "medium",
    "trap": "hip hop", "rap": "hip hop",
}  # fmt: skip
_FLATS = {"d": "c sharp", "e": "d sharp", "g": "f sharp", "a": "g sharp", "b": "a sharp", "c": "b", "f": "e"}
_FILLER = frozenset(
    {"the", "an", "some", "music", "song", "piece", "track", "playing", "plays", "played", "by", "on", "&"}
)


def prompt_for(piece: Piece, rng: random.Random | None = None) -> str:
    """Return the canonical line, or with `rng` a paraphrase: some of the factors, in another order."""
    if rng is None:
        return _join(_adjectives(piece, None), _subject(piece, None), _key(piece), _players(piece, None), [])
    style = rng.random()
    keep = 1.0 if style < 0.15 else 0.7 if style < 0.8 else 0.25
    adjectives = [w for w in _adjectives(piece, rng) if rng.random() < keep * 0.8]
    rng.shuffle(adjectives)
    subject = _subject(piece, rng) if rng.random() < keep + 0.05 else ""
    key = _key(piece, rng) if rng.random() < keep else ""
    players = [p for p in _players(piece, rng) if rng.random() < keep]
    absent = [_absent(role, rng) for role in ("drums", "bass", "chords", "lead")
              if _part(piece, role) is None and rng.random() < keep * 0.35]  # fmt: skip
    rng.shuffle(players)
    if not (adjectives or subject or key or players or absent):
        options = [_subject(piece, rng), _key(piece), *_players(piece, rng)]
        return rng.choice([option for option in options if option])
    if not subject and players and rng.random() < 0.7:
        subject = players.pop(0)
    elif subject and players and rng.random() < 0.2:
        subject, players[0] = players[0], subject
    if rng.random() < 0.15:
        return _join([], subject, key, [*players, *adjectives], absent)
    if (adjectives or subject) and rng.random() < 0.1:
        adjectives.insert(0, "a")  # the article, so that it is not always taken for the key
    return _join(adjectives, subject, key, players, absent)


def _part(piece: Piece, role: str) -> Part | None:
    """Return the part of a role that sounds: in a short piece one may not come to play."""
    part = piece.part(role)
    return part if part and any(note.part == part.name for note in piece.notes) else None


def _join(adjectives: list[str], subject: str, key: str, players: list[str], absent: list[str]) -> str:
    head = " ".join([*adjectives, *([subject] if subject else [])])
    if key:
        head = f"{head} in {key}" if head else key
    tail = " and ".join(players)
    if tail:
        head = f"{head} with {tail}" if head else tail
    return " ".join([head, *absent]).strip()


def _adjectives(piece: Piece, rng: random.Random | None) -> list[str]:
    words = []
    if piece.tempo_bpm <= SLOW_BPM:
        words.append("slow")
    elif piece.tempo_bpm >= FAST_BPM:
        words.append("fast")
    elif rng is not None and rng.random() < 0.5:
        words.append("medium tempo")
    if piece.dynamics != "medium":
        words.append(piece.dynamics)
    if piece.density != "medium":
        words.append(piece.density)
    if piece.curve in ("growing", "fading", "swell"):
        words.append(piece.curve)
    if piece.swing > 0.5:
        words.append("swing" if rng is None or rng.random() < 0.7 else "swung")
    elif rng is not None and rng.random() < 0.2:
        words.append("straight")
    if piece.register != "middle":
        words.append(piece.register if rng is None or rng.random() < 0.7 else f"{piece.register} register")
    return words


def _key(piece: Piece, rng: random.Random | None = None) -> str:
    said = f"{KEYS[piece.key]} {piece.mode}"
    return f"key of {said}" if rng is not None and rng.random() < 0.1 else said


def _subject(piece: Piece, rng: random.Random | None) -> str:
    """Return how the chord part is asked for, or an empty string without one."""
    part = _part(piece, "chords")
    if part is None:
        return ""
    name = part.instrument
    pattern = {
        "arpeggio": f"{name} arpeggio", "strummed": f"strummed {name}", "held": f"held {name} chords",
    }[piece.pattern]  # fmt: skip
    if rng is None:
        return f"{piece.harmony} {pattern}"
    roll = rng.random()
    if roll < 0.35:
        return name
    if roll < 0.5:
        return f"{name} chords"
    if roll < 0.55:
        return "chords"
    return f"{piece.harmony} {pattern}" if roll < 0.7 else pattern


def _players(piece: Piece, rng: random.Random | None) -> list[str]:
    said = []
    for role in ("drums", "bass", "lead"):
        part = _part(piece, role)
        if part is None:
            continue
        specific = f"{part.instrument} {role}"
        roll = 0.0 if rng is None else rng.random()
        if roll < 0.6:
            said.append(specific)
        elif roll < 0.85 and role == "lead":
            said.append(part.instrument if roll < 0.75 else f"{part.instrument} melody")
        else:
            said.append(role if role != "lead" or roll < 0.92 else "melody")
    if rng is not None and len(piece.parts) == 1 and said and rng.random() < 0.5:
        said[0] = f"solo {said[0]}"
    returns = any(motif.kind != "original" for motif in piece.motifs)
    if returns and (rng is None or rng.random() < 0.5):
        said.append("returning motif")
    return said


def _absent(role: str, rng: random.Random) -> str:
    return f"{rng.choice(('no', 'without'))} {role}"


def normalise_prompt(text: str) -> tuple[list[str], list[str]]:
    """Return the known words of `text` in order, and the words that the model does not know."""
    known: list[str] = []
    unknown: list[str] = []
    tokens = re.findall(r"[^\W\d_]+#?|\d+|&", text.lower().replace("♯", "#").replace("♭", "b"))
    for token in tokens:
        if token == "flat" and known and known[-1] in _FLATS:
            known[-1:] = _FLATS[known[-1]].split()
        elif token in PROMPT_WORDS:
            known.append(token)
        elif token in SYNONYMS:
            known += SYNONYMS[token].split()
        elif token not in _FILLER:
            unknown.append(token)
    return known, unknown
