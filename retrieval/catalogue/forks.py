"""Forks: a database's connections belong to the process that opened them, so none may cross.

SQLite's locks are a process's own, and what it knows of them lies in memory that a fork copies: a child that used an
inherited connection, or opened another beside it, would believe itself to hold its parent's locks. So idle connections
are closed before a fork; parent and child each open their own when they next need one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import cast
from weakref import WeakSet

from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

_opening = RLock()  # held during a fork: no connection comes to be between closing them and the fork


class Connections:
    """The pool of one engine, which crosses forks without its connections."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.are_inherited = False  # one was in use when this process was forked
        self._in_use = False
        _known.add(self)

    def before_fork(self) -> None:
        """Close those that are idle."""
        self._in_use = cast(QueuePool, self.engine.pool).checkedout() > 0
        self.engine.dispose()

    def after_fork_in_child(self) -> None:
        """Leave those that were in use to the parent, without closing them; take new locks."""
        self.are_inherited |= self._in_use
        self.engine.dispose(close=False)


_known: WeakSet[Connections] = WeakSet()


@contextmanager
def opening() -> Iterator[None]:
    """Open a connection inside: no fork happens meanwhile."""
    with _opening:
        yield


def _before() -> None:
    _opening.acquire()
    for connections in list(_known):
        connections.before_fork()


def _after_in_child() -> None:
    for connections in list(_known):
        connections.after_fork_in_child()
    _opening.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_opening.release, after_in_child=_after_in_child)
