"""Opens the catalogue's database and translates its errors; what is asked of it is `reader`'s and `writer`'s."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from retrieval.catalogue.migrations import applied, migrate, pending
from retrieval.errors import IndexFormatError, IndexLockedError, IndexProblem

BUSY_TIMEOUT_S = 30.0  # a checkpoint or another reader's recovery can hold the database for moments


class Transactions(Protocol):
    """Where questions are asked: each in a transaction of its own, or all of them in one."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Give a connection with a transaction open on it."""
        ...


class Held:
    """One transaction that stays open for many questions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give the same connection every time; whoever opened it ends the transaction and translates errors."""
        yield self._connection


class Database:
    """One SQLite file in WAL mode: one writer at a time, readers never wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writable = os.access(path if path.exists() else path.parent, os.W_OK) and os.access(path.parent, os.W_OK)
        self._engine = self._make_engine()

    def _make_engine(self) -> Engine:
        # A creator instead of a URL: a path need not be valid UTF-8. Decoding threads look hashes up as well,
        # each on a connection of its own, hence no upper bound for the pool.
        # The one used last comes first: its pages, and what `state` guards, are in memory.
        engine = create_engine(
            "sqlite://", creator=self._connect, poolclass=QueuePool, max_overflow=-1, pool_use_lifo=True
        )
        # The driver opens transactions only before writes; a reader needs one snapshot for all of its questions.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        return engine

    def _connect(self) -> sqlite3.Connection:
        options: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None}
        connection: sqlite3.Connection
        if not self.writable:  # WAL needs a file of its own beside the database, even to read
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?immutable=1", uri=True, **options)
        else:
            connection = sqlite3.connect(self.path, **options)
            connection.execute("PRAGMA journal_mode = WAL")
            # Vectors are synced before the rows that name them, and a lost commit only repeats work: NORMAL is safe.
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open one transaction: a consistent snapshot for reading, all or nothing for writing.

        Raises IndexFormatError for a file that is no sound database, IndexLockedError while another process
        holds it, IndexProblem for a full or read-only disk.
        """
        with self.errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Held]:
        """Hold one transaction: questions in it see one state, whatever a writer commits meanwhile.

        For moments only: while it is open, the log of what is being written cannot be taken up into the database.
        """
        with self.transaction() as connection:
            yield Held(connection)

    def connect(self) -> Connection:
        """Open a connection to keep; wrap what is done with it in `errors`."""
        connection: Connection = self._engine.connect()
        return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the database's exceptions into this library's."""
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise self._translated(error) from error

    def migrate(self) -> int:
        """Bring the schema up to date; return how many steps ran."""
        with self.transaction() as connection:
            return migrate(connection)

    def pending_migrations(self) -> int:
        """Return how many schema steps are missing; raise IndexFormatError for a newer or an empty catalogue."""
        with self.transaction() as connection:
            if applied(connection) == 0:
                raise IndexFormatError(f"{self.path} is empty: restore it from a backup, or index into a new folder")
            return pending(connection)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _translated(self, error: DBAPIError | sqlite3.Error) -> IndexProblem:
        original = error.orig if isinstance(error, DBAPIError) else error
        what = str(original)
        if "locked" in what or "busy" in what:
            return IndexLockedError(f"{self.path} is held by another process: wait for it, then run again")
        if "full" in what:
            return IndexProblem(
                f"no space left for {self.path}: free some on that disk and run again; what was done is kept"
            )
        if "readonly" in what or "unable to open" in what:
            return IndexProblem(f"{self.path} cannot be written ({what}): check the permissions of the folder")
        return IndexFormatError(
            f"{self.path} is not a sound catalogue ({what}): restore it from a backup, or index into a new folder"
        )


def state(connection: Connection) -> tuple[int, int]:
    """Return what changes when the data does, as this transaction sees it; to be compared on one connection only."""
    others = connection.exec_driver_sql("PRAGMA data_version").scalar_one()  # tells of all connections but this one
    own = connection.connection.dbapi_connection
    assert isinstance(own, sqlite3.Connection)
    return others, own.total_changes
