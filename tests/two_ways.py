"""Removes photos whose keepers are the same files, reached in another way: `two_ways.py WAY MODE KEEPER FOLDER MODEL`.

Runs alone in a namespace of mounts. WAY is bind, overlay or overlay-devices, and says how `FOLDER/shown` shows the
photos in `FOLDER/photos`; KEEPER says which of these two has the keepers. Prints the run's report, and ends with 1 if
the archive below has lost a photo.
"""

import os
import subprocess
import sys
from pathlib import Path

from removals import group, plan

from retrieval import Index
from retrieval.dedupe.run.apply import apply
from retrieval.dedupe.run.records import ApplyOptions, Mode
from retrieval.store import Store

PHOTOS = {f"{number}.jpg": f"photo {number}".encode() for number in range(3)}


def mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def show(way: str, folder: Path) -> tuple[Path, Path]:
    """Mount what shows the photos a second time; return both folders."""
    photos, shown = folder / "photos", folder / "shown"
    shown.mkdir()
    if way == "bind":
        mount("--bind", photos, shown)
        return photos, shown
    layers = {name: folder / name for name in ("upper", "work")}
    options = ""
    if way == "overlay-devices":  # layers on two devices: the overlay gives all of its files numbers of its own
        mount("-t", "tmpfs", "tmpfs", folder / "memory")
        layers = {name: folder / "memory" / name for name in layers}
        options = ",xino=on"
    for layer in layers.values():
        layer.mkdir()
    where = f"lowerdir={photos},upperdir={layers['upper']},workdir={layers['work']}{options}"
    mount("-t", "overlay", "overlay", "-o", where, shown)
    return photos, shown


def main() -> None:
    way, mode, keeper, folder, model = sys.argv[1], Mode(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), sys.argv[5]
    photos, shown = show(way, folder)
    with Index.create(folder / "index", model=model, device="cpu") as index:
        index.add(photos)
        index.add(shown)
    pairs = [(photos / name, shown / name) for name in sorted(PHOTOS)]
    groups = [group(n, *(pair if keeper == "photos" else pair[::-1])) for n, pair in enumerate(pairs, start=1)]
    for path in (path for pair in pairs for path in pair):
        path.read_bytes()  # what the kernel remembers of a file may outlive its name
    store = Store.open(folder / "index")
    print(apply(store, plan(*groups), ApplyOptions(mode)))
    store.close()
    subprocess.run(["umount", shown], check=True)
    left = {path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    sys.exit(left != set(PHOTOS.values()))


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
