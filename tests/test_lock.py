import os
import subprocess
import sys

import pytest

from retrieval.errors import IndexLockedError
from retrieval.lock import writing

HOLD = """
import sys, pathlib
from retrieval.lock import writing
with writing(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_writer_is_told_who_the_first_is(tmp_path, holder):
    with pytest.raises(IndexLockedError, match=rf"process {holder.pid} on .* since "), writing(tmp_path):
        pass


def test_a_killed_writer_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    with writing(tmp_path):
        assert str(os.getpid()) in (tmp_path / "writer.json").read_text()


def test_a_lock_is_free_again_after_use(tmp_path):
    for _ in range(2):
        with writing(tmp_path):
            pass
    assert not (tmp_path / "writer.json").exists()


def test_two_writers_in_one_process_exclude_each_other(tmp_path):
    with writing(tmp_path), pytest.raises(IndexLockedError), writing(tmp_path):
        pass
