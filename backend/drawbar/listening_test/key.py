"""Which clip is which -> a sealed text and a commitment to it, and back when everything is answered.

The program must know the key to make the clips, and a session must go on after a break, so the key lies in the
session's file; it is packed so that no one who looks at the file, the screen or the table reads it by accident. The
commitment (SHA-256 over the salted key) is shown at the start: a key that was changed afterwards no longer fits it.
"""

import base64
import hashlib
import json
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from drawbar.errors import BadInputError
from drawbar.files.reading import typed_json

WHY_SEALED = (
    "packed so that nobody reads the key by accident before the end; it is here because a session that is taken up "
    "again needs it; 'commitment' is its SHA-256"
)


@dataclass(frozen=True)
class Hidden:
    """What a trial's clips are."""

    item: int
    """Trials with the same number play the same clips: the later one is the repeat."""
    sources: tuple[str, ...]
    """What each clip is, in the order played: ``steered``, ``bypassed``, ``random``; or ``4/14#0``, an example."""
    right: int
    """Place of the right answer."""
    prompt: str = ""
    seed: int = 0
    """Of the take."""
    direction: int = 0
    """Seed of the random direction."""
    amount: float = 0.0


@dataclass(frozen=True)
class _Key:
    key: tuple[Hidden, ...]


def seal(key: Sequence[Hidden]) -> tuple[str, str]:
    """A key -> sealed text and commitment."""
    content = {"salt": secrets.token_hex(16), "key": [asdict(hidden) for hidden in key]}
    packed = zlib.compress(json.dumps(content).encode())
    return base64.b64encode(packed).decode(), hashlib.sha256(packed).hexdigest()


def open_seal(sealed: str, commitment: str) -> tuple[Hidden, ...]:
    """The inverse. Raises BadInputError for a seal that does not fit the commitment."""
    try:
        packed = base64.b64decode(sealed.encode(), validate=True)
        if hashlib.sha256(packed).hexdigest() != commitment:
            raise BadInputError("the sealed key was changed after the session began: start a new session")
        return typed_json(_Key, zlib.decompressobj().decompress(packed, 16 << 20)).key
    except (ValueError, zlib.error) as error:
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(f"the sealed key cannot be read ({error}): start a new session") from error
