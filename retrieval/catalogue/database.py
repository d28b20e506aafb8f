"""One opened database: transactions, snapshots, and its errors in this library's terms."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from retrieval.catalogue.dialect import Dialect, Trouble
from retrieval.catalogue.forks import Connections
from retrieval.catalogue.migrations import applied, migrate, pending
from retrieval.catalogue.sqlite import SQLITE
from retrieval.errors import IndexFormatError, IndexLockedError, IndexProblem, Remedy


class Transactions(Protocol):
    """Where questions are asked: each in a transaction of its own, or all of them in one."""

    dialect: Dialect

    def transaction(self) -> AbstractContextManager[Connection]:
        """Give a connection with a transaction open on it."""
        ...


class HeldTransaction:
    """One transaction that stays open for many questions."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self.dialect = dialect

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give the same connection every time; whoever opened it ends the transaction and translates errors."""
        yield self._connection


class Database:
    """A database that is opened at its first use."""

    def __init__(self, path: Path, dialect: Dialect = SQLITE, *, writable: bool | None = None) -> None:
        """Without `writable`, it is written to if this process may."""
        self.path = path
        self.dialect = dialect
        self.writable = dialect.is_writable(path) if writable is None else writable
        self._connections = Connections(dialect.engine(path, writable=self.writable))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open one transaction: a consistent snapshot for reading, all or nothing for writing.

        Raises IndexFormatError for a file that is not a sound database, IndexLockedError while another process
        holds it, IndexProblem for a disk that is full, read-only or failing, and in a process that was forked while its
        parent was in the middle of a transaction.
        """
        with self.errors(), self.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def held(self) -> Iterator[HeldTransaction]:
        """Hold one transaction: questions in it see one state, whatever a writer commits meanwhile.

        For moments only: while it is open, the log of what is being written cannot be taken up into the database.
        """
        with self.transaction() as connection:
            yield HeldTransaction(connection, self.dialect)

    def connect(self) -> Connection:
        """Open a connection to keep; wrap what is done with it in `errors`."""
        if self._connections.are_inherited:
            raise IndexProblem(
                f"this process was forked while its parent was using {self.path}, which cannot be used here",
                Remedy.FORK_UNUSED,
            )
        connection: Connection = self._connections.engine.connect()
        return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the database's exceptions into this library's."""
        try:
            yield
        except DBAPIError as error:
            raise self._translated(error) from error
        except self.dialect.exceptions as error:
            raise self._translated(error) from error

    def migrate(self) -> int:
        """Bring the schema up to date; return how many steps ran."""
        with self.transaction() as connection:
            return migrate(connection, self.dialect.steps)

    def pending_migrations(self) -> int:
        """Return how many schema steps are missing; raise IndexFormatError for a newer or an empty catalogue."""
        with self.transaction() as connection:
            if applied(connection) == 0:
                raise IndexFormatError(f"{self.path} is empty", Remedy.RESTORE_OR_NEW_INDEX)
            return pending(connection, self.dialect.steps)

    def close(self) -> None:
        """Close all connections."""
        self._connections.engine.dispose()

    def _translated(self, error: Exception) -> IndexProblem:
        what = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        match self.dialect.trouble(error):
            case Trouble.LOCKED:
                return IndexLockedError(f"{self.path} is held by another process", Remedy.WAIT)
            case Trouble.FULL:
                return IndexProblem(f"no space left for {self.path}", Remedy.FREE_SPACE)
            case Trouble.READ_ONLY if self.writable:
                return IndexProblem(f"{self.path} cannot be opened or written ({what})", Remedy.PERMISSIONS)
            case Trouble.READ_ONLY:
                return IndexProblem(
                    f"{self.path} cannot be used where nothing can be written ({what})", Remedy.COPY_TO_WRITABLE
                )
            case Trouble.UNREADABLE:
                return IndexProblem(f"{self.path} cannot be read or written ({what})", Remedy.CHECK_DISK)
        return IndexFormatError(f"{self.path} is not a sound catalogue ({what})", Remedy.RESTORE_OR_NEW_INDEX)
