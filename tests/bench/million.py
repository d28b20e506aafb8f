"""Search at a million photos: every part of it measured in one run, beside other libraries and exact search.

    python tests/bench/million.py [--rows 200000] [--distribution hard|real --folder FOLDER --model MODEL]
        [--rivals-python PYTHON] [--parts search,filters,growth,open,pairs,query] [--work FOLDER]

Vectors and catalogue rows are made from a seed. `--rivals-python` names a Python that has NumPy and any of hnswlib,
usearch and faiss. With `--work`, what was made and built stays for the next run: 2 GB for a million rows, and 4 KB for
each row and rival.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before NumPy: threads that spin slow their neighbours down

import generated
import psutil
from scale import asking, comparison, filters, growth, opening, pairs
from scale.bench import Bench

from retrieval.embed.embedder import available_cores
from retrieval.errors import RetrievalError

PARTS = ("search", "filters", "query", "open", "growth", "pairs")


def main() -> None:
    arguments = _arguments()
    parts = arguments.parts.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise SystemExit(f"there is no part {unknown[0]!r}: choose among {','.join(PARTS)}")
    rivals = [name for name in arguments.rivals.split(",") if name]
    for name in rivals:
        if name not in (*comparison.RIVALS, *comparison.MORE_RIVALS):
            raise SystemExit(f"there is no rival {name!r}: {','.join((*comparison.RIVALS, *comparison.MORE_RIVALS))}")
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        try:
            _run(arguments, parts, rivals, work)
        except RetrievalError as error:
            raise SystemExit(str(error)) from error


def _run(arguments: argparse.Namespace, parts: list[str], rivals: list[str], work: Path) -> None:
    made = generated.generate(_distribution(arguments, work), arguments.rows, arguments.seed, work)
    bench = Bench(made, work, arguments.k, arguments.batch, arguments.singles, arguments.rounds)
    load = ", ".join(f"{one:.1f}" for one in psutil.getloadavg())
    print(f"{made.rows:,} rows of {made.dimension}, {made.distribution.name}; {available_cores()} cores, load {load}")
    if "search" in parts:
        comparison.run(bench, arguments.rivals_python, rivals)
    if "filters" in parts:
        filters.run(bench)
    if "query" in parts:
        asking.run(bench)
    if "open" in parts:
        opening.run(bench)
    if "growth" in parts:
        growth.run(bench)
    if "pairs" in parts:
        pairs.run(bench)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=_positive, default=200_000)
    parser.add_argument("--distribution", choices=("hard", "real"), default="hard")
    parser.add_argument("--folder", type=Path, help="photos that the real distribution grows from")
    parser.add_argument("--model", default="compact", help="what embeds them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s")
    parser.add_argument("--rivals-python", help="a Python with hnswlib, usearch, faiss; without it there are no rivals")
    parser.add_argument("--rivals", default=",".join(comparison.RIVALS), help="default: %(default)s")
    parser.add_argument("--work", type=Path, help="where to keep what is made; a temporary folder by default")
    parser.add_argument("-k", type=_positive, default=20)
    parser.add_argument("--batch", type=_positive, default=1000, help="queries asked together")
    parser.add_argument("--singles", type=_positive, default=200, help="queries asked one by one")
    parser.add_argument("--rounds", type=_positive, default=3)
    return parser.parse_args()


def _positive(words: str) -> int:
    number = int(words)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


def _distribution(arguments: argparse.Namespace, work: Path) -> generated.Distribution:
    if arguments.distribution == "hard":
        return generated.Hard(arguments.seed)
    if arguments.folder is None or not arguments.folder.is_dir():
        raise SystemExit("the real distribution grows from photos: name their folder with --folder")
    return generated.Real(arguments.seed, *generated.embedded(arguments.folder, arguments.model, work))


if __name__ == "__main__":
    main()
