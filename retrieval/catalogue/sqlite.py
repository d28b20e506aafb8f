"""SQLite: the one module that knows what only SQLite can say. See `dialect` for what each part is for."""

import itertools
import json
import math
import os
import sqlite3
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Select,
    bindparam,
    create_engine,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import QueuePool

from retrieval.catalogue.dialect import Trouble
from retrieval.catalogue.forks import opening
from retrieval.catalogue.migrations import STEPS
from retrieval.records import Rows

BUSY_TIMEOUT_S = 30.0  # a checkpoint or another reader's recovery can hold the database for moments
_NO_LOCKS = "win32-none" if os.name == "nt" else "unix-none"
_TROUBLES = {
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
    sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.READ_ONLY,
    sqlite3.SQLITE_PERM: Trouble.READ_ONLY,
    sqlite3.SQLITE_IOERR: Trouble.UNREADABLE,
}
_serials = itertools.count(1)

FileStates = tuple[tuple[int, int, int] | None, ...]  # inode, size and time of the database and of its log


class SQLite:
    """SQLite files in WAL mode: one writer at a time, readers never wait."""

    steps = STEPS
    exceptions: tuple[type[Exception], ...] = (sqlite3.Error,)

    def is_writable(self, path: Path) -> bool:
        """WAL needs files of its own beside the database, even to read."""
        return os.access(path if path.exists() else path.parent, os.W_OK) and os.access(path.parent, os.W_OK)

    def engine(self, path: Path, *, writable: bool) -> Engine:
        """Return an engine without an upper bound for its pool: many threads look up at the same time.

        The connection used last comes first: its pages are in memory, and versions are compared on it.
        """
        # A creator instead of a URL: a path need not be valid UTF-8.
        connect = _connect_writable if writable else _connect_read_only

        def create() -> sqlite3.Connection:
            with opening():
                return connect(path)

        engine = create_engine("sqlite://", creator=create, poolclass=QueuePool, max_overflow=-1, pool_use_lifo=True)
        # The driver opens transactions only before writes; a reader needs one snapshot for all of its questions.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        if not writable:
            _reopen_when_changed(engine, path)
        return engine

    def trouble(self, error: BaseException) -> Trouble:
        """Classify by the primary result code, https://www.sqlite.org/rescode.html."""
        original = error.orig if isinstance(error, DBAPIError) else error
        return _TROUBLES.get(getattr(original, "sqlite_errorcode", 0) & 0xFF, Trouble.DAMAGED)

    def version(self, connection: Connection) -> Hashable:
        """Return the connection's serial number, what others committed, and what it changed itself."""
        serial = connection.info.get("serial")
        if serial is None:
            serial = connection.info["serial"] = next(_serials)
        others = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
        own = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        return serial, others, own.total_changes

    def any_of(self, column: Any, parameter: str) -> ColumnElement[bool]:
        """Put the numbers in one JSON text: a statement that is the same for any number of them."""
        each = func.json_each(bindparam(parameter)).table_valued("value")
        condition: ColumnElement[bool] = column.in_(select(each.c.value))
        return condition

    def ids(self, numbers: Iterable[int]) -> str:
        """Return a JSON array."""
        return json.dumps([*numbers], default=int)

    def numbers(self, connection: Connection, query: Select[Any]) -> Rows:
        """Fetch one text: for a million numbers that takes a tenth of the time of as many Python objects."""
        column = query.subquery().c[0]
        joined = connection.execute(select(func.group_concat(column))).scalar_one()
        return np.fromstring(joined or "", dtype=np.int64, sep=",")

    def add_if_new(self, table: Any) -> Insert:
        """INSERT ... ON CONFLICT DO NOTHING."""
        return insert(table).on_conflict_do_nothing()

    def add_or_replace(self, table: Any) -> Insert:
        """INSERT ... ON CONFLICT DO UPDATE."""
        statement, columns = insert(table), inspect(table).local_table.columns
        new = {column.name: statement.excluded[column.name] for column in columns if not column.primary_key}
        return statement.on_conflict_do_update(
            index_elements=[column for column in columns if column.primary_key], set_=new
        )

    def add_many(
        self, connection: Connection, table: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert by the driver alone: what SQLAlchemy adds takes as long again."""
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of this package
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])

    def damage(self, connection: Connection) -> list[str]:
        """Check pages and records, not the indexes' order."""
        return [str(line) for line in connection.exec_driver_sql("PRAGMA quick_check").scalars() if line != "ok"]

    def broken_references(self, connection: Connection) -> int:
        """Count what foreign keys would not allow."""
        return len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


SQLITE = SQLite()


def _connect_writable(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    # Vectors are synced before the rows that name them, and a lost commit only repeats work: NORMAL is safe.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a database beside which no file can be made, together with what its log (WAL) holds.

    Where there is no log, nothing but the file is needed. Where its index in shared memory lies there too, a writer
    may be at work, and SQLite reads both as they are. Where it does not (the index was copied without it, say), no
    writer can be: then the log is read into this connection's own memory, without locks.
    """
    log, shared = _sides(path)
    if not _size(log):
        return _connect(path, "immutable=1")
    if shared.exists():
        return _connect(path, "mode=ro")
    return _connect(path, f"mode=ro&vfs={_NO_LOCKS}", first="PRAGMA locking_mode = EXCLUSIVE")


def _connect(path: Path, uri: str = "", *, first: str = "") -> sqlite3.Connection:
    """`first` is executed before anything that reads the file: a log is opened once, in one way."""
    # Transactions are begun by the engine, and connections go from thread to thread.
    options: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None}
    connection: sqlite3.Connection
    if uri:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{uri}", uri=True, **options)
    else:
        connection = sqlite3.connect(path, **options)
    for pragma in filter(None, (first, "PRAGMA foreign_keys = ON")):
        connection.execute(pragma)
    connection.execute("PRAGMA cache_size = -65536")
    _add_mathematics(connection)
    return connection


def _reopen_when_changed(engine: Engine, path: Path) -> None:
    """Open again where files differ from those that were opened: without shared memory, no other writer is noticed."""

    def opened(_connection: object, record: Any) -> None:
        log, shared = _sides(path)
        # Shared memory that a killed writer left beside an empty log was not opened, and tells of nothing.
        record.info["files"] = None if _size(log) and shared.exists() else _states(path)

    def checked_out(_connection: object, record: Any, _proxy: object) -> None:
        if record.info["files"] not in (None, _states(path)):
            raise DisconnectionError

    event.listen(engine, "connect", opened)
    event.listen(engine, "checkout", checked_out)


def _states(path: Path) -> FileStates:
    return tuple(_state(file) for file in (path, _sides(path)[0]))


def _sides(path: Path) -> tuple[Path, Path]:
    """The log of a database, and that log's index in shared memory."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _add_mathematics(connection: sqlite3.Connection) -> None:
    """Give an SQLite that was built without them the functions that distances on the earth are computed by."""
    try:
        connection.execute("SELECT sin(radians(1.0))")
    except sqlite3.OperationalError:
        for function in (math.sin, math.cos, math.radians):
            connection.create_function(function.__name__, 1, function, deterministic=True)
