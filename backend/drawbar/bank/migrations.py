"""A database of any older version -> the same database at this version, one small step at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from drawbar.bank.database import Database
from drawbar.errors import BankError


@dataclass(frozen=True)
class Migration:
    """One step: what it is for and its statements, which happen together or not at all."""

    name: str
    statements: tuple[str, ...]


BANK_MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "meta", ("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT",)
    ),
    Migration(
        "features",
        (
            """CREATE TABLE feature (
                n INTEGER PRIMARY KEY, layer INTEGER NOT NULL, idx INTEGER NOT NULL,
                density REAL NOT NULL, clip_density REAL NOT NULL,
                p50 REAL NOT NULL, p90 REAL NOT NULL, p99 REAL NOT NULL, p999 REAL NOT NULL,
                verdict TEXT NOT NULL, proof REAL, usable_low REAL, usable_high REAL, tags TEXT NOT NULL,
                histogram TEXT NOT NULL, correlations TEXT NOT NULL, neighbours TEXT NOT NULL,
                temporal TEXT NOT NULL, evidence TEXT, UNIQUE (layer, idx),
                CHECK (layer BETWEEN 0 AND 999999 AND idx BETWEEN 0 AND 999999999)) STRICT""",
        ),
    ),
    Migration(
        "labels",
        (
            """CREATE TABLE label (
                n INTEGER PRIMARY KEY, feature INTEGER NOT NULL REFERENCES feature (n) ON DELETE CASCADE,
                text TEXT NOT NULL, text_key TEXT NOT NULL, author TEXT NOT NULL, method TEXT NOT NULL,
                score REAL, evidence TEXT NOT NULL, UNIQUE (feature, author, method, text)) STRICT""",
            "CREATE INDEX label_text_key ON label (text_key)",
            "CREATE INDEX label_author ON label (author)",
        ),
    ),
    Migration(
        "examples",
        (
            """CREATE TABLE clip (
                n INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, licence TEXT NOT NULL,
                first_row INTEGER NOT NULL, frames INTEGER NOT NULL, start_frame INTEGER NOT NULL) STRICT""",
            """CREATE TABLE example (
                n INTEGER PRIMARY KEY, feature INTEGER NOT NULL REFERENCES feature (n) ON DELETE CASCADE,
                clip INTEGER NOT NULL REFERENCES clip (n), bin TEXT NOT NULL,
                first_row INTEGER NOT NULL, peak REAL NOT NULL) STRICT""",
            "CREATE INDEX example_feature ON example (feature)",
        ),
    ),
    Migration(
        "search",
        (
            # Row number = place in the standard order, so that what FTS5 finds comes out ranked.
            """CREATE TABLE listing (
                rank INTEGER PRIMARY KEY, feature INTEGER NOT NULL UNIQUE,
                label TEXT NOT NULL, label_key TEXT NOT NULL, author TEXT NOT NULL, score REAL) STRICT""",
            "CREATE INDEX listing_label ON listing (label_key, rank)",
            "CREATE TABLE shape (name TEXT PRIMARY KEY, dtype TEXT NOT NULL, data BLOB NOT NULL) STRICT",
            """CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, detail=none,
                prefix='2 3', tokenize="ascii tokenchars '#'")""",
            "CREATE VIRTUAL TABLE vocabulary USING fts5vocab('words', 'row')",
        ),
    ),
    Migration(
        "company",
        (
            "ALTER TABLE feature ADD COLUMN consistency REAL",
            "ALTER TABLE feature ADD COLUMN coactive TEXT NOT NULL DEFAULT '[]'",
            "ALTER TABLE feature ADD COLUMN duplicates TEXT NOT NULL DEFAULT '[]'",
        ),
    ),
    Migration(
        "evidence",
        (
            "CREATE TABLE evidence (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT",
            """CREATE TABLE trial_condition (
                n INTEGER PRIMARY KEY, stage TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
                layer INTEGER NOT NULL, amount REAL NOT NULL, UNIQUE (stage, kind, id, amount)) STRICT""",
            """CREATE TABLE trial_pair (
                n INTEGER PRIMARY KEY, prompt TEXT NOT NULL, seed INTEGER NOT NULL, UNIQUE (prompt, seed)) STRICT""",
            """CREATE TABLE trial (
                condition INTEGER NOT NULL REFERENCES trial_condition (n),
                pair INTEGER NOT NULL REFERENCES trial_pair (n), block INTEGER NOT NULL, batch INTEGER NOT NULL,
                "values" BLOB NOT NULL, PRIMARY KEY (condition, pair)) WITHOUT ROWID, STRICT""",
        ),
    ),
    Migration(
        "concept sliders",
        (
            """CREATE TABLE concept_slider (
                name TEXT PRIMARY KEY, name_key TEXT NOT NULL, arm TEXT NOT NULL, target TEXT NOT NULL,
                axes TEXT NOT NULL, features TEXT NOT NULL, verdict TEXT NOT NULL, proof REAL,
                usable_low REAL, usable_high REAL, card TEXT, page TEXT NOT NULL,
                layers TEXT NOT NULL, vectors BLOB NOT NULL, fingerprint TEXT NOT NULL) STRICT""",
        ),
    ),
)
"""The bank's own database."""

USER_MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "edits",
        (
            """CREATE TABLE user_label (
                n INTEGER PRIMARY KEY, feature TEXT NOT NULL, text TEXT NOT NULL, author TEXT NOT NULL,
                UNIQUE (feature, author, text)) STRICT""",
            "CREATE TABLE mark (feature TEXT, name TEXT, PRIMARY KEY (feature, name)) WITHOUT ROWID, STRICT",
            "CREATE TABLE shelf (feature TEXT, name TEXT, PRIMARY KEY (name, feature)) WITHOUT ROWID, STRICT",
        ),
    ),
)
"""One user's edits of one bank, kept apart from it."""


def version_of(database: Database) -> int:
    """How many migrations the database has had."""
    return int(database.value("PRAGMA user_version"))


def migrate(database: Database, migrations: Sequence[Migration]) -> int:
    """Apply what is missing, each migration in its own transaction -> how many were applied.

    Raises BankError when the database is newer than this program.
    """
    version = version_of(database)
    if version > len(migrations):
        raise BankError(
            f"{database.path} has format {version}; this Drawbar knows up to {len(migrations)}, update it"
        )
    return sum(
        _step(database, number, step) for number, step in enumerate(migrations, start=1) if number > version
    )


def _step(database: Database, number: int, migration: Migration) -> bool:
    """Apply one migration, unless another process did so meanwhile."""
    with database.atomic():
        if version_of(database) >= number:
            return False
        for statement in migration.statements:
            database.run(statement)
        database.run(f"PRAGMA user_version = {number:d}")
    return True


_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'words\\_%' ESCAPE '\\'"


def has_schema(database: Database, migrations: Sequence[Migration]) -> bool:
    """Whether it has exactly the tables that its version says: no trigger, view or column of somebody else's."""
    ours = Database()
    try:
        migrate(ours, migrations[: version_of(database)])
        return sorted(map(str, database.rows(_SCHEMA))) == sorted(map(str, ours.rows(_SCHEMA)))
    finally:
        ours.close()
