"""A CSV file of what people said about features -> label rows by their names.

The labeller ``people``. Columns ``feature`` (LAYER/INDEX) and ``label``; ``author`` and ``score`` if there are any.
"""

import csv
import hashlib
from pathlib import Path

from drawbar.bank.records import Label, LabelRecord, parse_id
from drawbar.errors import BadInputError
from drawbar.features.labellers.interface import Labelled, LayerView, Tell
from drawbar.files.reading import shortened

METHOD = "people"
_MAX_BYTES = 64 << 20
_MAX_CHARS = 200


class PeopleLabeller:
    """What people said."""

    author = "people"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = read_people(path)

    def key(self) -> object:
        """The file's content."""
        return [1, hashlib.sha256(self._path.read_bytes()).hexdigest()]

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """The rows of this layer's features that are alive; the others are listed."""
        alive = {f"{view.layer}/{index}" for index in view.alive}
        mine = [row for row in self._rows if parse_id(row.feature)[0] == view.layer]
        tell(1, 1)
        unknown = sorted({row.feature for row in mine} - alive)
        return Labelled([row for row in mine if row.feature in alive], tables={"unknown": unknown})


def read_people(path: Path) -> list[LabelRecord]:
    """Rows of the file. Raises BadInputError with the line for anything that cannot be used."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB; split it")
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns = {name.strip().casefold(): name for name in table.fieldnames or () if name}
            if not {"feature", "label"} <= set(columns):
                raise BadInputError(
                    f"{path} has no columns 'feature' and 'label' in its first line; add them"
                )
            rows = list(enumerate(table, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(
            f"{path} cannot be read ({shortened(str(error), 200)}); give a CSV file in UTF-8"
        ) from error
    return [_record(path, line, {k: row.get(v) or "" for k, v in columns.items()}) for line, row in rows]


def _record(path: Path, line: int, row: dict[str, str]) -> LabelRecord:
    text, feature = " ".join(row["label"].split()), row["feature"].strip()
    if not text or len(text) > _MAX_CHARS:
        raise BadInputError(
            f"{path}, line {line}: a label has 1 to {_MAX_CHARS} characters, not {text[:40]!r}"
        )
    try:
        parse_id(feature)
        score = float(row["score"]) if row.get("score", "").strip() else None
    except ValueError as error:
        raise BadInputError(
            f"{path}, line {line}: {shortened(str(error), 200)}; write LAYER/INDEX and a number or nothing"
        ) from error
    author = " ".join(row.get("author", "").split()) or "people"
    if author in ("truth", "descriptors", "essentia", "clap", "listener"):
        raise BadInputError(f"{path}, line {line}: {author!r} is a labeller's name; give the person's")
    return LabelRecord(feature, Label(text, author, METHOD, score, {"source": path.name}))
