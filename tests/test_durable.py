"""Replacing files: what a crash, a full disk, a stranger's file or another process may find there."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from retrieval.durable import remove_leftovers, replacing, scratch_folder
from retrieval.errors import Remedy, RetrievalError, StorageError

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions and locks")


def write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "plan.csv"
    write(target, "old")
    with replacing(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
        assert partial.parent == tmp_path  # on the same disk: else it could not be renamed into place
    assert target.read_text() == "new"
    assert names(tmp_path) == ["plan.csv"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "plan.csv"
    write(target, "old")
    with pytest.raises(ZeroDivisionError), replacing(target) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["plan.csv"]


def test_a_file_of_the_user_under_a_likely_name_stays(tmp_path):
    mine = [tmp_path / name for name in ("plan.csv.partial", ".plan.csv.partial", ".plan.csv.backup.partial")]
    for path in mine:
        path.write_text("mine")
    write(tmp_path / "plan.csv", "new")
    assert [path.read_text() for path in mine] == ["mine"] * 3


def test_a_link_under_a_likely_name_is_not_followed(tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_text("pixels")
    try:
        (tmp_path / "plan.csv.partial").symlink_to(photo)
    except OSError:
        pytest.skip("this user may not make links")
    write(tmp_path / "plan.csv", "new")
    assert photo.read_text() == "pixels"
    assert (tmp_path / "plan.csv.partial").is_symlink()


def test_a_link_that_is_replaced_leaves_what_it_points_to(tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_text("pixels")
    try:
        (tmp_path / "plan.csv").symlink_to(photo)
    except OSError:
        pytest.skip("this user may not make links")
    write(tmp_path / "plan.csv", "new")
    assert photo.read_text() == "pixels"
    assert not (tmp_path / "plan.csv").is_symlink()


def test_the_temporary_name_cannot_be_guessed(tmp_path):
    seen = set()
    for _ in range(20):
        with replacing(tmp_path / "plan.csv") as partial:
            seen.add(partial.name)
    assert len(seen) == 20


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "not-utf8-\udcff", "two\nlines", "-o", "[a]*"])
def test_any_name_that_a_file_can_have(tmp_path, name):
    try:
        (tmp_path / name).touch()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no such names")
    write(tmp_path / name, "new")
    assert (tmp_path / name).read_text() == "new"
    assert names(tmp_path) == [name]


@posix
class TestPermissions:
    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o440])
    def test_those_of_the_replaced_file_stay(self, tmp_path, mode):
        target = tmp_path / "plan.csv"
        write(target, "old")
        target.chmod(mode)
        with replacing(target) as partial:
            assert stat.S_IMODE(partial.stat().st_mode) == 0o600  # nobody reads a secret file while it is written
            partial.write_text("new")
        assert stat.S_IMODE(target.stat().st_mode) == mode
        assert target.read_text() == "new"

    def test_a_new_file_gets_those_that_the_user_wants(self, tmp_path):
        old = os.umask(0o027)
        try:
            write(tmp_path / "plan.csv", "new")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "plan.csv").stat().st_mode) == 0o640

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
    def test_the_owner_stays(self, tmp_path):
        target = tmp_path / "plan.csv"
        write(target, "old")
        os.chown(target, 1234, 2345)
        write(target, "new")
        assert (target.stat().st_uid, target.stat().st_gid) == (1234, 2345)


def killed_while_replacing(path: Path) -> Path:
    """Return what a child process leaves that dies while it replaces a file."""
    code = f"""
        import os
        from pathlib import Path
        from retrieval.durable import replacing
        with replacing(Path({str(path)!r})) as partial:
            partial.write_text("half")
            print(partial, flush=True)
            os._exit(9)
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert found.returncode == 9, found.stderr
    return Path(found.stdout.strip())


def test_the_next_write_removes_what_a_killed_process_left(tmp_path):
    target = tmp_path / "plan.csv"
    left = killed_while_replacing(target)
    assert left.read_text() == "half"
    write(tmp_path / "other.csv", "new")
    assert left.exists()
    write(target, "new")
    assert names(tmp_path) == ["other.csv", "plan.csv"]


def test_leftovers_of_an_index_are_removed_those_of_the_first_version_too(tmp_path):
    target = tmp_path / "ivf.faiss"
    left = killed_while_replacing(target)
    (tmp_path / "ivf.faiss.partial").write_text("half")
    remove_leftovers(target)
    assert names(tmp_path) == []
    assert not left.exists()


@posix
def test_what_another_process_is_writing_is_left_alone(tmp_path):
    target = tmp_path / "plan.csv"
    code = f"""
        import sys
        from pathlib import Path
        from retrieval.durable import replacing
        with replacing(Path({str(target)!r})) as partial:
            print("begun", flush=True)
            sys.stdin.readline()
            partial.write_text("slow")
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "begun\n"
        write(target, "quick")
        assert target.read_text() == "quick"
        writer.communicate("go on\n", timeout=60)
    assert writer.returncode == 0
    assert target.read_text() == "slow"
    assert names(tmp_path) == ["plan.csv"]


def test_a_scratch_folder_goes_with_what_is_in_it_and_with_what_a_killed_process_left(tmp_path):
    (tmp_path / ".int8-abcdefgh.scratch").mkdir()
    (tmp_path / ".int8-abcdefgh.scratch" / "int8.xml").write_text("half")
    (tmp_path / "int8.xml").write_text("old")
    with scratch_folder(tmp_path, "int8") as scratch:
        assert names(tmp_path) == [scratch.name, "int8.xml"]
        (scratch / "int8.xml").write_text("new")
        (scratch / "int8.bin").write_text("new")
        (scratch / "int8.xml").replace(tmp_path / "int8.xml")
    assert names(tmp_path) == ["int8.xml"]
    assert (tmp_path / "int8.xml").read_text() == "new"


@posix
def test_a_pipe_that_looks_like_a_leftover_holds_nobody_up(tmp_path):
    pipe = tmp_path / ".plan.csv.0123456789abcdef.partial"
    os.mkfifo(pipe)
    write(tmp_path / "plan.csv", "new")
    assert pipe.exists()


class TestErrors:
    def test_a_missing_folder(self, tmp_path):
        target = tmp_path / "missing" / "plan.csv"
        with pytest.raises(StorageError) as caught:
            write(target, "new")
        assert str(caught.value) == f"{target} cannot be written: {os.strerror(errno.ENOENT)}"
        assert isinstance(caught.value, RetrievalError)
        assert isinstance(caught.value, OSError)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(target))

    def test_a_folder_in_its_place(self, tmp_path):
        (tmp_path / "plan.csv").mkdir()
        with pytest.raises(StorageError, match=r"plan\.csv cannot be written: it is a folder or a device"):
            write(tmp_path / "plan.csv", "new")
        assert names(tmp_path) == ["plan.csv"]

    @posix
    def test_a_device_is_not_replaced_by_a_file(self, tmp_path):
        (tmp_path / "plan.csv").symlink_to("/dev/null")
        with pytest.raises(StorageError, match="a device"):
            write(tmp_path / "plan.csv", "new")
        assert (tmp_path / "plan.csv").is_symlink()

    @posix
    def test_a_full_disk(self, tmp_path):
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here")
        target = tmp_path / "plan.csv"
        with pytest.raises(StorageError) as caught, replacing(target), Path("/dev/full").open("w") as file:
            file.write("new")
            file.flush()
        assert caught.value.remedy is Remedy.FREE_SPACE
        assert caught.value.filename == str(target)
        assert names(tmp_path) == []

    @posix
    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to any folder")
    def test_a_read_only_folder(self, tmp_path):
        tmp_path.chmod(0o555)
        try:
            with pytest.raises(StorageError) as caught:
                write(tmp_path / "plan.csv", "new")
        finally:
            tmp_path.chmod(0o755)
        assert caught.value.remedy is Remedy.PERMISSIONS
        assert str(tmp_path / "plan.csv") in str(caught.value)

    def test_an_error_about_another_file_is_not_blamed_on_this_one(self, tmp_path):
        with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "plan.csv"):
            (tmp_path / "photo.jpg").read_bytes()
        assert caught.value.filename == str(tmp_path / "photo.jpg")


@pytest.fixture
def small_disk(tmp_path):
    """Run a command in a mount namespace of its own, where a folder is a disk of one megabyte."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root on Linux mounts a file system of its own")
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("this machine allows no mounts")

    def run(code: str, options: str) -> str:
        mount = f'mount -t tmpfs -o {options} none "$1" && exec "$2" -c "$3" "$1"'
        command = ["unshare", "-m", "sh", "-c", mount, "sh", tmp_path, sys.executable, textwrap.dedent(code)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


WRITE_MUCH = """
    import os, sys
    from pathlib import Path
    from retrieval.durable import replacing
    from retrieval.errors import StorageError
    target = Path(sys.argv[1]) / "plan.csv"
    try:
        with replacing(target) as partial:
            partial.write_bytes(bytes(2**22))
    except StorageError as error:
        print(error.remedy.name, str(target) in str(error), os.listdir(sys.argv[1]))
"""


@posix
@pytest.mark.parametrize(("options", "remedy"), [("size=1m", "FREE_SPACE"), ("ro", "PERMISSIONS")])
def test_a_real_disk_that_is_full_or_read_only(small_disk, options, remedy):
    assert small_disk(WRITE_MUCH, options).split() == [remedy, "True", "[]"]
