"""The seam behind which a kind of database stands: what cannot be said in portable SQL, and nothing else."""

from collections.abc import Hashable, Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Engine, Insert, Select

from retrieval.catalogue.migrations import Step
from retrieval.records import Rows


class Trouble(Enum):
    """Why a database did not do what it was told."""

    LOCKED = "another process holds it"
    FULL = "no space left"
    READ_ONLY = "it cannot be written, or cannot be opened"
    UNREADABLE = "the disk failed"
    DAMAGED = "it is not a sound catalogue"


class Dialect(Protocol):
    """How one kind of database is opened and asked. Stateless: one object serves any number of databases."""

    def __hash__(self) -> int: ...  # statements that are put together once are kept by dialect

    steps: tuple[Step, ...]  # that make its schema, see `migrations`
    exceptions: tuple[type[Exception], ...]  # of its driver, where it is met without SQLAlchemy

    def is_writable(self, path: Path) -> bool:
        """Tell whether this process may write to a database."""
        ...

    def engine(self, path: Path, *, writable: bool) -> Engine:
        """Return an engine whose transactions each see one state, whatever is committed meanwhile."""
        ...

    def trouble(self, error: BaseException) -> Trouble:
        """Return what kind of trouble the driver's exception tells of."""
        ...

    def version(self, connection: Connection) -> Hashable:
        """Return the version of the data that this transaction sees.

        Equal versions mean equal data, as long as the process lives; unequal ones may, too.
        """
        ...

    def any_of(self, column: Any, parameter: str) -> ColumnElement[bool]:
        """Condition on a column of numbers: it has one of those that are passed by this name, see `ids`."""
        ...

    def ids(self, numbers: Iterable[int]) -> Any:
        """Return any number of numbers as the value of one parameter, for `any_of`."""
        ...

    def numbers(self, connection: Connection, query: Select[Any]) -> Rows:
        """Return the one column of a query, in the order in which the database comes upon them: (n,) int64."""
        ...

    def add_if_new(self, table: Any) -> Insert:
        """Return an INSERT that leaves rows alone which are there already, by primary key."""
        ...

    def add_or_replace(self, table: Any) -> Insert:
        """Return an INSERT that overwrites rows which are there already, by primary key."""
        ...

    def add_many(
        self, connection: Connection, table: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert very many rows the fastest way there is; values are as the driver takes them."""
        ...

    def damage(self, connection: Connection) -> list[str]:
        """Return what the database itself says is wrong with its file; empty when it is sound."""
        ...

    def broken_references(self, connection: Connection) -> int:
        """Count the rows that refer to others which do not exist."""
        ...
