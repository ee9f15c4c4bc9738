"""A draw and a specimen -> a file with a damaged copy of it: JSON, lines of JSON, bytes, a folder of links."""

import json
import random
from pathlib import Path

from tests.fuzz import mutate


def json_file(draw: random.Random, source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if draw.random() < 0.3:
        target.write_bytes(mutate.data(draw, source.read_bytes()))
    else:
        target.write_text(json.dumps(mutate.value(draw, json.loads(source.read_text()))))


def bytes_file(draw: random.Random, source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(mutate.data(draw, source.read_bytes()))
    return target


def linked(source: Path, place: Path, *, but: tuple[str, ...] = ()) -> None:
    """A folder whose files are the specimen's own, apart from those that are written anew."""
    place.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_dir():
            linked(path, place / path.name, but=tuple(n.partition("/")[2] for n in but if "/" in n))
        elif path.name not in but:
            (place / path.name).symlink_to(path)


def json_lines(draw: random.Random, source: Path, target: Path) -> None:
    """One line of JSON is changed, or the bytes are."""
    lines = source.read_text().splitlines()
    at = draw.randrange(len(lines))
    lines[at] = json.dumps(mutate.value(draw, json.loads(lines[at])))
    data = "\n".join(lines).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(mutate.data(draw, data) if draw.random() < 0.3 else data)
