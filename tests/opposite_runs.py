"""One of two runs over one archive that remove each other's keepers: `opposite_runs.py INDEX PLAN [unlocked]`.

For each line on its input it applies the plan with permanent deletion, and prints how many photos it removed, or
"locked". `unlocked` leaves out the lock on the archive, so that only the order of steps protects the photos.
"""

import os
import pickle
import sys
from contextlib import nullcontext
from pathlib import Path

from retrieval.dedupe.run import apply
from retrieval.dedupe.run.records import ApplyOptions, Mode
from retrieval.errors import ArchiveLockedError
from retrieval.store import Store


def main() -> None:
    index, plan = Path(sys.argv[1]), pickle.loads(Path(sys.argv[2]).read_bytes())
    if "unlocked" in sys.argv:
        apply.changing = lambda *_folders: nullcontext()
    os.fsync = lambda _handle: None  # nothing loses its power here, and the two then meet more often
    store = Store.open(index)
    print("ready", flush=True)
    for _line in sys.stdin:
        try:
            print(apply.apply(store, plan, ApplyOptions(Mode.DELETE)).photos, flush=True)
        except ArchiveLockedError:
            print("locked", flush=True)


if __name__ == "__main__":
    main()
