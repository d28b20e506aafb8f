"""Makes the archive and the indexes that `test_old_indexes.py` opens, with the code of the version that it is run with.

    PYTHONPATH=CHECKOUT:CHECKOUT/tests python tests/old_indexes/make.py OUTPUT.tar.xz

CHECKOUT is a checkout of that version. Only its command line is used, and of its tests `textures.py` and `tiny.py`.
The pictures, the plans and the network are the same at every run; times are not.

The tar file has the network (`tiny.safetensors`), and one library, `photos` with its `index`, in three states:

    planned/   indexed, with failures, a photo that is gone and a pair that is no duplicate; plans that were not applied
    applied/   after two runs: one that moved files with their sidecars, one that made hard links
    killed/    in the middle of the run that moves: the second shot's sidecar is moved, its photo is not
"""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from datetime import datetime, timedelta
from pathlib import Path

HOME = Path("/tmp/retrieval-0.1.0")  # the paths in the index and its journals begin with this
PHOTOS, INDEX, MODEL = HOME / "photos", HOME / "index", HOME / "tiny.safetensors"
TIME_S = 1_600_000_000  # of every file: tar files keep whole seconds


def main() -> None:
    if sys.argv[1] == "--kill-at":
        run_until_killed(int(sys.argv[2]), sys.argv[3:])
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    make_network()
    make_photos()
    with tarfile.open(sys.argv[1], "w:xz", preset=9) as archive:
        archive.add(MODEL, MODEL.name, filter=anonymous)
        make_index()
        keep(archive, "planned")
        planned = shutil.copytree(HOME, HOME.with_name(f"{HOME.name}-planned"))
        retrieval("dedupe", "apply", HOME / "moved.csv")
        retrieval("dedupe", "apply", HOME / "linked.csv", "--hardlink")
        keep(archive, "applied")
        shutil.rmtree(HOME)
        planned.rename(HOME)
        killed = [sys.executable, __file__, "--kill-at", "4", "dedupe", "apply", HOME / "moved.csv", "--index", INDEX]
        assert subprocess.run(killed).returncode == -signal.SIGKILL
        keep(archive, "killed")
    shutil.rmtree(HOME)


def make_network() -> None:
    """A network so small that it fits the fixture, of weights so coarse that they pack well."""
    from dataclasses import replace

    import tiny

    module = sys.modules[tiny.tiny_network.__module__]
    network = tiny.tiny_network(width=8, heads=2, blocks=1)
    coarse = {name: (tensor * 16).round() / 16 for name, tensor in network.state.items()}
    module.checkpoint.save(MODEL, replace(network, state=coarse))


def make_photos() -> None:
    from PIL import Image
    from textures import EDITS, cropped, textured

    def save(name: str, picture: Image.Image, **options: object) -> None:
        path = PHOTOS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, **({"quality": 60} | options))

    def scene(seed: int) -> Image.Image:
        return textured(seed, (128, 96), shapes=12)

    save("near/a.jpg", scene(1))
    save("near/a crop.jpg", cropped(0.10)(scene(1)))
    save("near/b.jpg", scene(2))
    save("near/b warmer.jpg", EDITS["warmer"](scene(2)))  # told apart by hand
    for number, name in enumerate(("moved/m", "moved/n", "linked/l"), start=3):
        save(f"{name}.jpg", scene(number))
        shutil.copy(PHOTOS / f"{name}.jpg", PHOTOS / f"{name} (copy).jpg")
    for name in ("m", "m (copy)", "n", "n (copy)"):
        (PHOTOS / f"moved/{name}.xmp").write_text(f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><!-- {name} --></x:xmpmeta>")
    for number in range(2):
        taken_at = datetime(2021, 5, 3, 14, 30) + timedelta(seconds=number)
        save(f"burst/{number}.jpg", scene(10 + number), exif=exif(taken_at))
    save("Kühe 🐦.jpg", scene(20))
    save("gone.jpg", scene(21))
    (PHOTOS / "bad").mkdir()
    (PHOTOS / "bad/empty.jpg").touch()
    (PHOTOS / "bad/note.jpg").write_text("not a photo")
    (PHOTOS / "bad/torn.jpg").write_bytes((PHOTOS / "near/a.jpg").read_bytes()[:1500])
    for path in PHOTOS.rglob("*"):
        os.utime(path, (TIME_S, TIME_S))


def exif(taken_at: datetime) -> bytes:
    from PIL import Image

    found = Image.Exif()
    found[0x010F], found[0x0110] = "Canon", "EOS R5"
    found.get_ifd(0x8769)[0x9003] = f"{taken_at:%Y:%m:%d %H:%M:%S}"
    found.get_ifd(0x8825).update({1: "N", 2: (25.0, 11.0, 24.0), 3: "E", 4: (55.0, 19.0, 12.0)})
    return found.tobytes()


def make_index() -> None:
    retrieval("index", PHOTOS, "--model", MODEL, "--device", "cpu", "--precision", "fp32")
    (PHOTOS / "gone.jpg").unlink()
    retrieval("index", "--device", "cpu")
    retrieval("dedupe", "ignore", PHOTOS / "near/b.jpg", PHOTOS / "near/b warmer.jpg")
    for name in ("moved", "linked"):
        retrieval("dedupe", "find", PHOTOS / name, "-o", HOME / f"{name}.csv")
    for suffix in ("csv", "json"):
        retrieval("dedupe", "find", "-o", HOME / f"all.{suffix}")


def retrieval(*words: object) -> None:
    command = [sys.executable, "-m", "retrieval", *map(str, words), "--index", str(INDEX)]
    subprocess.run(command, check=True)


def run_until_killed(count: int, words: list[str]) -> None:
    """Run a command; before it renames a file for the time that `count` says, this process kills itself."""
    from retrieval.cli import main as command

    replace, calls = os.replace, 0

    def counted(source: object, target: object) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = counted
    command(words)


def keep(archive: tarfile.TarFile, state: str) -> None:
    archive.inodes = {}  # hard links lead to files of the same state
    archive.add(HOME, state, filter=lambda member: None if member.name.endswith(MODEL.name) else anonymous(member))


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
