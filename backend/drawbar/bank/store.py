"""A folder -> a bank: what Drawbar knows about the features of one model, read by all, written once."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack

from drawbar import paths
from drawbar.bank import reading, writing
from drawbar.bank.concept_sliders import (
    PREFIX,
    ConceptSlider,
    is_concept,
    read_concept_sliders,
    write_concept_sliders,
)
from drawbar.bank.database import Database
from drawbar.bank.edits import HIDDEN, STARRED, UserEdits
from drawbar.bank.evidence import (
    CONCEPTS,
    Evidence,
    Trial,
    read_document,
    read_trials,
    write_document,
    write_evidence,
)
from drawbar.bank.listing import build_listing
from drawbar.bank.migrations import BANK_MIGRATIONS, migrate, version_of
from drawbar.bank.records import (
    BankInfo,
    Example,
    Facets,
    Feature,
    FeatureRecord,
    FeatureRow,
    LabelRecord,
    LayerDirections,
    Page,
)
from drawbar.bank.search import Filters, Finder, Query
from drawbar.bank.table_checks import check_tables
from drawbar.bank.tensors import FileMark, StoredMark, TensorReader
from drawbar.bank.words import clean_text, key_of
from drawbar.errors import BadInputError, BankError, DrawbarError, SiteMismatchError
from drawbar.files.atomic_write import put_back
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import typed_json

DATABASE = "bank.sqlite"
DIRECTIONS = "directions.safetensors"
EXAMPLES = "examples.safetensors"
Given = ParamSpec("Given")
Result = TypeVar("Result")
_DRAWBAR = 0x44524157
"""SQLite's application id of our files: "DRAW"."""


def _trusting(
    read: Callable[Concatenate["Bank", Given], Result],
) -> Callable[Concatenate["Bank", Given], Result]:
    """A method that stumbles over what it reads: where the bank's own tables are at fault, a BankError says so.

    Checking every row before each use would cost more than the use; a fault of ours stays one.
    """

    @wraps(read)
    def guarded(bank: "Bank", /, *given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return read(bank, *given, **named)
        except DrawbarError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            check_tables(bank._database)
            raise

    return guarded


class Bank:
    """One bank and one user's edits of it. Any thread may call any method."""

    def __init__(self, folder: Path, database: Database, edits: Path | None) -> None:
        """Use ``Bank.open`` or ``Bank.create``."""
        self.folder = folder
        self._database = database
        self._edits_folder = edits
        self._readers: dict[str, TensorReader] = {}
        self.info = _info_of(database)
        self._edits = UserEdits(self._edits_path())
        self._finder = Finder(database, self._edits)

    @classmethod
    def create(cls, folder: Path | str, info: BankInfo, *, edits: Path | None = None) -> "Bank":
        """Start an empty bank, open for writing. Raises BankError where one is there already."""
        folder = Path(folder)
        if (folder / DATABASE).exists():
            raise BankError(f"{folder} already holds a bank; open it, or choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        database = Database(folder / DATABASE)
        with database.atomic():
            database.run(f"PRAGMA application_id = {_DRAWBAR}")
            migrate(database, BANK_MIGRATIONS)
            _set(database, "info", asdict(info))
            _set(database, "files", {})
            build_listing(database)
        return cls(folder, database, edits)

    @classmethod
    def open(cls, folder: Path | str, *, writable: bool = False, edits: Path | None = None) -> "Bank":
        """Open a bank, for reading unless ``writable``; the user's edits work either way.

        ``edits`` is the folder of the user's edits (``user_dir()/banks`` by default).
        Raises BankError for what is missing, damaged, unfinished or newer than this program.
        """
        folder = Path(folder)
        path = folder / DATABASE
        put_back(folder)
        if not path.is_file():
            raise BankError(f"{folder} is not a bank (it has no {DATABASE}); give the folder of a bank")
        database = Database(path, writable=writable)
        try:
            if int(database.value("PRAGMA application_id")) != _DRAWBAR:
                raise BankError(f"{path} was not made by Drawbar; give the folder of a bank")
            if not writable and version_of(database) < len(BANK_MIGRATIONS):
                database = _closing(database, database.copied_to_memory())
            if writable and database.value("SELECT 1 FROM meta WHERE name = 'published'") is not None:
                raise BankError(
                    f"{folder} was published and is read-only; your own labels are kept beside it, "
                    "and anything else comes with a new version of the bank"
                )
            migrate(database, BANK_MIGRATIONS)
            bank = cls(folder, database, edits)
            if not writable:
                bank._check_finished()
                bank._check_files()
        except BaseException:
            database.close()
            raise
        return bank

    def __enter__(self) -> "Bank":
        """Close at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish and close; after an error only close, so that the bank counts as unfinished."""
        self.close(finish=kind is None)

    def close(self, *, finish: bool = True) -> None:
        """Finish what was written and close every file."""
        if finish and self._database.writable and self._stale:
            self.finish()
        self._readers.clear()
        self._edits.close()
        self._database.close()

    # Reading

    def search(
        self, text: str = "", *, limit: int = 100, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[FeatureRow]:
        """Features whose labels, tags and authors have words that start like those of ``text``, any text.

        ``filters`` are the other parts of a `Query`: layer, author, verdict, shelf, min_density, max_density, kind,
        fold and sort.
        """
        return self.find(Query(text, **filters), limit=limit, offset=offset).rows

    def count(self, text: str = "", **filters: Unpack[Filters]) -> int:
        """How many features ``search`` would find without a limit."""
        return self.find(Query(text, **filters), limit=0).total

    @_trusting
    def find(self, query: Query, *, limit: int = 100, offset: int = 0) -> Page:
        """``search`` and ``count`` in one."""
        self._ready()
        places = self._finder.places(query)
        offset = max(offset, 0)
        return Page(self._rows(places[offset : offset + max(limit, 0)].tolist()), len(places))

    @_trusting
    def facets(self) -> Facets:
        """What the features can be filtered by, with counts."""
        self._ready()
        return self._finder.facets()

    @_trusting
    def nearest(self, text: str, limit: int = 5) -> list[FeatureRow]:
        """Features with the labels most like ``text``, for "did you mean"; never raises."""
        self._ready()
        return self._rows(self._finder.near(text, max(limit, 0)).tolist())

    @_trusting
    def resolve(self, text: str) -> FeatureRow:
        """The feature that ``text`` names, by id or by label; of several with the label the best-scored.

        A label that the user gave comes first. Raises BadInputError with the nearest labels.
        """
        self._ready()
        try:
            return self.row(text.strip())
        except BadInputError as error:
            unknown = error
        key = key_of(text)
        for feature, pairs in self._edits.labels.items():
            same = key and any(key_of(label) == key for label, _ in pairs)
            if same and self._finder.place_of(feature) is not None:
                return self.row(feature)
        sql = """SELECT f.layer, f.idx FROM label b JOIN feature f ON f.n = b.feature WHERE b.text_key = ?
                 ORDER BY b.method = 'people' DESC, b.score DESC, f.layer, f.idx LIMIT 1"""
        found = self._database.row(sql, (key,)) if key else None
        if found is not None:
            return self.row(f"{found[0]}/{found[1]}")
        near = ", ".join(f"{row.label} ({row.id})" for row in self.nearest(text))
        cure = f"did you mean {near}?" if near else "search the bank for its labels"
        raise BadInputError(f"the bank {self.info.name} has no feature {text[:80]!r}; {cure}") from unknown

    @_trusting
    def row(self, feature: str) -> FeatureRow:
        """One feature's browser row. Raises BadInputError for an unknown id."""
        self._ready()
        self._edits.refresh()
        place = self._finder.place_of(feature)
        if place is None:
            raise BadInputError(f"the bank {self.info.name} has no feature {feature}")
        return self._rows([place])[0]

    @_trusting
    def feature(self, feature: str) -> Feature:
        """One feature's page. Raises BadInputError for an unknown id."""
        return reading.read_feature(self._database, self._edits, self.row(feature))

    @_trusting
    def vectors(self, ids: Sequence[str]) -> JsonObject:
        """SAE rows in the order of ``ids``, float32.

        ``W_dec`` [n, D] (unit rows), ``W_enc`` [n, D], ``b_enc`` [n], ``scale`` [n] (p99), ``threshold`` [n]
        and ``b_dec`` {layer: [D]}: activation = relu(W_enc @ (x - b_dec) + b_enc). Raises BadInputError.
        """
        return reading.read_vectors(self._reader(DIRECTIONS), ids)

    @_trusting
    def examples(self, feature: str, bin: str | None = None) -> list[Example]:
        """A feature's examples, all or of one bin; none where the bank holds none."""
        if EXAMPLES not in self._files:
            self.row(feature)
            return []
        return reading.read_examples(self._database, self._reader(EXAMPLES), feature, bin)

    @_trusting
    def evidence(self, name: str) -> Any:
        """A document of the evidence (``summary``, ``preregistration``, ``selection``, ``measures``), or None."""
        return read_document(self._database, name)

    @_trusting
    def trials(self, *, kind: str | None = None, id: str | None = None) -> list[Trial]:
        """Every clip behind the evidence, or those of one kind and source."""
        return read_trials(self._database, kind=kind, id=id)

    def concept_sliders(self) -> list[ConceptSlider]:
        """What the bank publishes beside its features: proven ones first."""
        return read_concept_sliders(self._database, self.info)

    def concept_slider(self, text: str) -> ConceptSlider:
        """One by its id or name. Raises BadInputError, with the names that there are."""
        key = key_of(text.strip().removeprefix(PREFIX) if is_concept(text.strip()) else text)
        known = self.concept_sliders()
        found = next((one for one in known if key and key_of(one.name) == key), None)
        if found is None:
            names = ", ".join(one.name for one in known)
            raise BadInputError(
                f"the bank {self.info.name} has no concept slider {text[:80]!r}; it has {names or 'none'}"
            )
        return found

    def require_site(self, fingerprint: str, model_name: str = "the loaded model") -> None:
        """Raises SiteMismatchError, naming both, unless the bank belongs to these weights."""
        if fingerprint != self.info.fingerprint:
            made_from = self.info.model_source or self.info.model_name
            raise SiteMismatchError(
                f"bank {self.info.name} belongs to {made_from} ({self.info.fingerprint[:12]}), "
                f"layers {', '.join(map(str, self.info.layers))}, not to {model_name} ({fingerprint[:12]}); "
                "load that model or choose a bank made from this one"
            )

    @property
    def identity(self) -> str:
        """What the user's edits belong to: the weights and the directions; new labels do not change it."""
        directions = self._files.get(DIRECTIONS, {}).get("sha256", self.info.name)
        return hashlib.sha256(f"{self.info.fingerprint} {directions}".encode()).hexdigest()[:32]

    # The user's own edits, kept beside the bank

    def add_label(self, feature: str, text: str, author: str = "me") -> None:
        """Name a feature; the newest of the user's labels is shown, and no labeller ever overwrites it."""
        self.row(feature)
        self._edits.add_label(feature, text, author)

    def remove_label(self, feature: str, text: str) -> None:
        """Take one of the user's own labels away; labellers' rows stay."""
        self.row(feature)
        self._edits.remove_label(feature, text)

    def star(self, feature: str, on: bool = True) -> None:
        self.row(feature)
        self._edits.mark(feature, STARRED, on)

    def hide(self, feature: str, on: bool = True) -> None:
        """Leave a feature out of every search but that of the shelf ``hidden``."""
        self.row(feature)
        self._edits.mark(feature, HIDDEN, on)

    def shelve(self, feature: str, shelf: str, on: bool = True) -> None:
        """Put a feature on a shelf of the user's own, or take it off."""
        self.row(feature)
        if shelf.strip().casefold() in ("all", "proven", "named", "unnamed", STARRED, HIDDEN):
            raise BadInputError(f"{shelf!r} is a shelf that fills itself; choose another name")
        self._edits.shelve(feature, shelf, on)

    # Writing

    def write_quality(self, quality: JsonMapping) -> None:
        """Put the build's figures into the bank's description, in place of earlier ones."""
        with self._writing():
            self.info = replace(self.info, quality=dict(quality))
            _set(self._database, "info", asdict(self.info))

    def write_evidence(self, evidence: Evidence) -> None:
        """Put verdicts, cards and trials in place of earlier ones; the rest of the bank stays."""
        with self._writing():
            write_evidence(self._database, evidence)

    def write_concept_sliders(
        self,
        sliders: Iterable[ConceptSlider],
        *,
        replace: bool = False,
        summary: JsonMapping | None = None,
    ) -> None:
        """Publish concept sliders in place of those of the same names, or (``replace``) of all earlier ones.

        ``summary`` is their family's, as the document ``concept_sliders`` of the evidence.
        """
        with self._writing():
            if replace:
                self._database.run("DELETE FROM concept_slider")
            write_concept_sliders(self._database, self.info, sliders)
            if summary is not None:
                write_document(self._database, CONCEPTS, dict(summary))

    def write_features(self, records: Iterable[FeatureRecord]) -> None:
        """Add features, or bring those that are there up to date; their labels and examples stay."""
        with self._writing():
            writing.write_features(self._database, self.info, records)

    def write_labels(self, records: Iterable[LabelRecord]) -> None:
        """Add labellers' rows; a row is never overwritten by another author or method."""
        with self._writing():
            writing.write_labels(self._database, records)

    def clear_labels(self, author: str, method: str) -> None:
        """Remove one labeller's own rows before it runs again."""
        with self._writing():
            self._database.run("DELETE FROM label WHERE author = ? AND method = ?", (author, method))

    def write_directions(self, layers: Iterable[tuple[int, LayerDirections]], dtype: str = "float16") -> None:
        """Write the SAE rows of every layer in place of earlier ones; ``dtype`` float16 or float32."""
        if dtype not in ("float16", "float32"):
            raise BadInputError(f"directions cannot be stored as {dtype!r}; use float16 or float32")
        self._write_file(DIRECTIONS, lambda path: writing.write_directions(path, self.info, layers, dtype))
        self._edits.close()
        self._edits = UserEdits(self._edits_path())
        self._finder = Finder(self._database, self._edits)

    def write_examples(self, pairs: Iterable[tuple[str, Example]]) -> None:
        """Write (feature id, example) pairs in place of all earlier examples."""
        self._write_file(
            EXAMPLES, lambda path: writing.write_examples(path, self._database, self.info, pairs)
        )

    def finish(self) -> None:
        """Make the search index; until then others see the bank as unfinished. ``close`` does it too."""
        if not self._database.writable:
            raise BankError(f"{self.folder} is open for reading; open it with writable=True")
        with self._database.atomic():
            build_listing(self._database)
            self._database.run("DELETE FROM meta WHERE name = 'stale'")
        self._finder.forget()

    def publish(self) -> None:
        """Finish, and let nobody write to the bank again: what others installed must not change under a name."""
        self.finish()
        with self._database.atomic():
            _set(self._database, "published", True)

    @property
    def published(self) -> bool:
        """Whether the bank is read-only for good."""
        return self._database.value("SELECT 1 FROM meta WHERE name = 'published'") is not None

    @property
    def edits_path(self) -> Path:
        """The file of the user's edits of this bank; it need not exist."""
        return self._edits_path()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of this bank, in sentences."""
        self._edits.refresh()
        aside = self._edits.set_aside
        return (f"your labels of {self.info.name} are damaged; they are kept as {aside}",) if aside else ()

    # Inside

    @property
    def _stale(self) -> bool:
        return self._database.value("SELECT 1 FROM meta WHERE name = 'stale'") is not None

    @property
    def _files(self) -> dict[str, FileMark]:
        text = self._database.value("SELECT value FROM meta WHERE name = 'files'")
        try:
            marks = typed_json(dict[str, StoredMark], text or "")
        except ValueError as error:
            raise BankError(
                f"{self.folder} does not say which files belong to it ({error}); fetch it again"
            ) from error
        return {name: {"size": mark.size, "sha256": mark.sha256} for name, mark in marks.items()}

    def _ready(self) -> None:
        if self._database.writable and self._stale:
            self.finish()

    def _rows(self, places: list[int]) -> list[FeatureRow]:
        rows = reading.read_rows(self._database, self._edits, places)
        twins = self._finder.twins(places)
        return [replace(row, twins=n) if n else row for row, n in zip(rows, twins, strict=True)]

    def _reader(self, name: str) -> TensorReader:
        if name not in self._files:
            raise BankError(f"{self.folder} has no {name} yet; finish building the bank")
        if name not in self._readers:
            self._readers[name] = TensorReader(self.folder / name)
        return self._readers[name]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._database.writable:
            raise BankError(f"{self.folder} is open for reading; open it with writable=True")
        with self._database.atomic():
            yield
            self._database.run("INSERT OR REPLACE INTO meta (name, value) VALUES ('stale', '1')")

    def _write_file(self, name: str, write: Callable[[Path], FileMark]) -> None:
        with self._writing():
            pass  # If this process dies below, the bank is known to be unfinished.
        with self._writing():
            self._readers.pop(name, None)
            _set(self._database, "files", self._files | {name: write(self.folder / name)})

    def _check_files(self) -> None:
        for name, mark in self._files.items():
            path = self.folder / name
            size = path.stat().st_size if path.is_file() else -1
            if name not in (DIRECTIONS, EXAMPLES) or size != mark["size"]:
                raise BankError(f"{path} is missing or not {mark['size']} bytes long; fetch the bank again")

    def _check_finished(self) -> None:
        if self._stale:
            raise BankError(f"{self.folder} is not finished; run the build again to complete it")

    def _edits_path(self) -> Path:
        folder = self._edits_folder if self._edits_folder is not None else paths.user_dir() / "banks"
        return folder / f"{self.identity}.sqlite"


def _closing(old: Database, new: Database) -> Database:
    new.writable = False
    old.close()
    return new


def _set(database: Database, name: str, value: object) -> None:
    text = writing.to_json(name, value)
    database.run("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, text))


def _info_of(database: Database) -> BankInfo:
    try:
        info = typed_json(BankInfo, database.value("SELECT value FROM meta WHERE name = 'info'") or "{}")
        return replace(
            info,
            name=clean_text(info.name),
            model_name=clean_text(info.model_name),
            licence=clean_text(info.licence),
            corpus=clean_text(info.corpus),
            created=clean_text(info.created),
        )
    except ValueError as error:
        raise BankError(f"{database.path} does not say what it is ({error}); fetch the bank again") from error
