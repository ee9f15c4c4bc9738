"""A Piece -> the line of text that asks for it, as a musician might type it."""

import random

from drawbar.corpus.composer.annotate import FAST_BPM, SLOW_BPM
from drawbar.corpus.composer.instruments import KEYS
from drawbar.corpus.composer.piece import Part, Piece

_LOOP_SHARE, _NOTHING_ELSE_SHARE = 0.6, 0.08


def prompt_for(piece: Piece, rng: random.Random | None = None) -> str:
    """Return the canonical line, or with `rng` a paraphrase: some of the factors, in another order.

    A nameable tempo is always said: a prompt without one asks for a medium tempo, whatever the music.
    """
    line = _sentence(piece, rng)
    asked = ((_tempo(piece, rng), 1.0), (_loop(piece, rng), _LOOP_SHARE))
    said = [words for words, share in asked if words and (rng is None or rng.random() < share)]
    if rng is not None and said and rng.random() < _NOTHING_ELSE_SHARE:
        return " ".join(said)
    for words in said:
        line = f"{line} {words}" if rng is None or rng.random() < 0.7 else f"{words} {line}"
    return line


def _tempo(piece: Piece, rng: random.Random | None) -> str:
    """Return the beats per minute; a whole number is a tempo of version 1, which only words like "slow" name."""
    if isinstance(piece.tempo_bpm, int):
        return ""
    said = f"{piece.tempo_bpm:.0f} bpm"
    return said if rng is not None and rng.random() < 0.3 else f"at {said}"


def _loop(piece: Piece, rng: random.Random | None) -> str:
    """Return the progression that returns, or an empty string without one."""
    if not piece.loop:
        return ""
    announced = "chords " if rng is None else rng.choice(("chords ", "chords: ", "", ""))
    return announced + (" " if rng is None else rng.choice((" ", " ", " - ", ", ", " | "))).join(piece.loop)


def _sentence(piece: Piece, rng: random.Random | None) -> str:
    """Return what is said of parts, key and manner."""
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
