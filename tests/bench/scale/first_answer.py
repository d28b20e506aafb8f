"""A fresh process that opens an index and asks it: where its time goes. Loads nothing before its clock runs.

python -m scale.first_answer FOLDER QUERIES.npy K
"""

import json
import sys
import time
from pathlib import Path


def first_answer(folder: Path, asked: Path, k: int) -> dict[str, float]:
    """Seconds, step by step."""
    begun = time.perf_counter()
    import numpy as np

    from scale.given import opened

    loaded = time.perf_counter()
    index = opened(folder)
    ready = time.perf_counter()
    queries = np.load(asked)
    index.query(queries[0], k)
    answered = time.perf_counter()
    index.query(queries[0], k)
    again = time.perf_counter()
    index.status()
    return {
        "libraries": loaded - begun,
        "opening": ready - loaded,
        "first query": answered - ready,
        "second query": again - answered,
        "status": time.perf_counter() - again,
    }


if __name__ == "__main__":
    print(json.dumps(first_answer(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
