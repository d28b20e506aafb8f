"""Perceptual hashes of an archive by imagededup, run by `duplicates.py` with an interpreter that has it.

PYTHON imagededup_hashes.py FOLDER FILE: writes {"PHash": {photo: hexadecimal, ...}, "DHash": {...}} to FILE
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from imagededup.methods import DHash, PHash


def main() -> None:
    folder = Path(sys.argv[1])
    photos = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    methods = {"PHash": PHash(verbose=False), "DHash": DHash(verbose=False)}
    hashes = {
        name: {photo: method.encode_image(image_file=folder / photo) for photo in photos}
        for name, method in methods.items()
    }
    answer = {"version": version("imagededup"), "hashes": hashes}
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
