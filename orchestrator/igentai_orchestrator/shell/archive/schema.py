"""The ledger's tables.

`id` is one sequence over all tables: it orders everything that was ever recorded. Rows are only ever added. Every
table keeps `at`, the wall clock of its commit (ISO 8601, UTC), for people; nothing is computed from it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from igentai.errors import ConfigurationError, LedgerDamaged

VERSION: Final = 1
APPLICATION_ID: Final = 0x69676E74  # "ignt": lets file(1) and fsck tell a ledger from any other database

# An answer of some hundred attributes fills a good part of a 4 KiB page; 8 KiB measured best, 16 KiB no better.
PAGE_BYTES: Final = 8192

_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    producer_run TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    partition TEXT NOT NULL,
    prompt_hash TEXT NOT NULL,
    status TEXT NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    latency_ms INTEGER NOT NULL,
    assignment_id INTEGER NOT NULL,
    producer TEXT NOT NULL,
    purpose TEXT NOT NULL,
    candidates INTEGER NOT NULL,
    first_number INTEGER NOT NULL,
    elapsed_s REAL NOT NULL,
    fresh_count INTEGER NOT NULL,
    notes TEXT NOT NULL,
    fresh TEXT NOT NULL,
    repeats TEXT NOT NULL,
    UNIQUE (producer_run, seq)
);
CREATE UNIQUE INDEX answers_by_number ON answers (first_number) WHERE fresh_count > 0;

CREATE TABLE assignments (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    assignment_id INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    partition TEXT NOT NULL,
    prompt_hash TEXT NOT NULL,
    purpose TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    reserved_usd REAL NOT NULL,
    asked INTEGER NOT NULL,
    listed TEXT NOT NULL
);

CREATE TABLE losses (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    assignment_id INTEGER NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    data TEXT NOT NULL
);

-- One row an attribute: where it came from, when, and how many answers have named it.
CREATE VIEW attributes AS
SELECT a.first_number + f.key AS number, f.value AS text, a.provider, a.model, a.partition, a.producer, a.at,
       1 + coalesce(n.times, 0) AS times_named
FROM answers AS a
CROSS JOIN json_each(a.fresh) AS f
LEFT JOIN (
    SELECT r.value AS number, count(*) AS times FROM answers AS b CROSS JOIN json_each(b.repeats) AS r GROUP BY r.value
) AS n ON n.number = a.first_number + f.key;

-- One row a request: what was reserved for it and what became of it (`open`: nothing yet; `lost`: nothing ever).
CREATE VIEW requests AS
SELECT s.assignment_id, s.at, s.provider, s.model, s.partition, s.purpose, s.attempt, s.reserved_usd,
       coalesce(a.status, CASE WHEN l.id IS NULL THEN 'open' ELSE 'lost' END) AS status,
       coalesce(a.cost_usd, s.reserved_usd) AS counted_usd, l.reason AS lost_because
FROM assignments AS s
LEFT JOIN answers AS a ON a.assignment_id = s.assignment_id
LEFT JOIN losses AS l ON l.assignment_id = s.assignment_id;
"""


def create(connection: sqlite3.Connection) -> None:
    """Lay out an empty database as a ledger."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def check(connection: sqlite3.Connection, name: str) -> None:
    """Refuse what this version cannot read. `name` is the ledger's path, for the message.

    Raises:
        ConfigurationError: written by a newer igentai.
        LedgerDamaged: no ledger, or not readable as one.
    """
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
    except sqlite3.DatabaseError as error:
        raise LedgerDamaged(f"{name} cannot be read ({error}); put back a copy, or start the topic anew") from error
    if application != APPLICATION_ID or version < 1:
        raise LedgerDamaged(f"{name} is not a ledger of igentai; move it away, or put back a copy of the ledger")
    if version > VERSION:
        raise ConfigurationError(
            f"{name} was written by a newer igentai (schema {version}, this one knows {VERSION}); upgrade igentai"
        )
