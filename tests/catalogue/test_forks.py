"""What becomes of a pool's connections at a fork; tests/test_forks.py forks processes that use an index."""

import threading

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from retrieval.catalogue.forks import Connections, opening


@pytest.fixture
def connections(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}", poolclass=QueuePool)
    yield Connections(engine)
    engine.dispose()


def test_idle_connections_are_closed_before_a_fork(connections):
    connections.engine.connect().close()
    assert connections.engine.pool.checkedin() == 1
    connections.before_fork()
    connections.after_fork_in_child()
    assert connections.engine.pool.checkedin() == 0
    assert not connections.are_inherited


def test_a_connection_in_use_is_left_to_the_parent(connections):
    with connections.engine.connect() as in_use:
        connections.before_fork()
        connections.after_fork_in_child()
        assert connections.are_inherited
        assert in_use.exec_driver_sql("SELECT 1").scalar_one() == 1
    connections.before_fork()
    connections.after_fork_in_child()
    assert connections.are_inherited  # for good: the parent may still use it


def test_one_thread_opens_at_a_time_and_may_do_so_inside():
    entered = threading.Event()

    def other():
        with opening():
            entered.set()

    thread = threading.Thread(target=other)
    with opening(), opening():
        thread.start()
        assert not entered.wait(0.05)
    thread.join(10)
    assert entered.is_set()
