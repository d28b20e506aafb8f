"""The part `search`: every engine at equal recall, opened side by side and timed in turn, in processes of their own.

Recall is judged here, by exact search over the same vectors: of an engine only the row numbers are believed.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from retrieval.search.recall import recall_at_k
from retrieval.store import CATALOGUE_NAME, HEAD_NAME, VECTORS_NAME
from scale.bench import Bench, Build, Served, built, environment, megabytes, say, table
from scale.ours import Ours

FLOORS = (0.99, 0.995)
SINGLES_LIMIT_S = 5.0  # for each engine and round
OURS = (0.99, 0.995, 0.999)  # recall that the product is asked for
TRUTH = (VECTORS_NAME, CATALOGUE_NAME, HEAD_NAME, "index.json", "built.note", "writer.")
RIVALS = ("hnswlib", "usearch", "faiss-ivf")
MORE_RIVALS = ("faiss-hnsw", "faiss-flat")
KNOBS = {"hnswlib": "ef", "usearch": "expansion", "faiss-ivf": "nprobe", "faiss-hnsw": "efSearch", "ours": "asked for"}


def steps(first: float, last: float, ratio: float = 1.1) -> tuple[float, ...]:
    """Whole numbers that grow evenly."""
    values = [first]
    while values[-1] < last:
        values.append(max(values[-1] + 1, round(values[-1] * ratio)))
    return tuple(values)


GRIDS = {"hnswlib": steps(20, 5000), "usearch": steps(20, 5000), "faiss-hnsw": steps(20, 5000), "ours": OURS}


@dataclass(slots=True)
class Contender:
    """An engine that is open, and what is known of it."""

    name: str
    engine: Served
    build: Build | None
    files_bytes: int
    knobs: tuple[float, ...]
    recalls: dict[float, float] = field(default_factory=dict)  # by knob
    memory: dict[str, int | None] = field(default_factory=dict)


@dataclass(slots=True)
class Setting:
    """A contender at one knob, as it was timed round by round."""

    contender: Contender
    knob: float | None
    recall: float | None
    batch_s: list[float] = field(default_factory=list)
    single_s: list[float] = field(default_factory=list)


def run(bench: Bench, rivals_python: str | None, rivals: Sequence[str]) -> None:
    """Print the table."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        np.save(scratch / "batch.npy", bench.queries)
        np.save(scratch / "singles.npy", bench.queries[: bench.singles])
        bench.truth  # noqa: B018 - made before anything is timed
        builds = list(_builds(bench, rivals_python, rivals))
        contenders = [_open(bench, stack, *one) for one in builds]
        settings = [setting for one in contenders for setting in _settings(bench, one, scratch)]
        for number in range(bench.rounds):
            say(f"round {number + 1} of {bench.rounds}, load average {psutil.getloadavg()[0]:.1f}")
            for setting in settings:
                _time(bench, setting, scratch)
        for one in contenders:
            if one.name == "ours":
                one.engine.ask("set", knob=OURS[0])  # other parts search this index as it was built
        _print(bench, settings)


def cheapest(knobs: Sequence[float], recall_at: Callable[[float], float], floor: float) -> float:
    """The first knob whose recall reaches the floor, where recall grows with the knob; the last if none does."""
    low, high = -1, 0
    while high < len(knobs) - 1 and recall_at(knobs[high]) < floor:
        low, high = high, min(2 * high + 1, len(knobs) - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if recall_at(knobs[middle]) < floor else (low, middle)
    return knobs[high]


def _builds(
    bench: Bench, rivals_python: str | None, rivals: Sequence[str]
) -> Iterator[tuple[str, list[str], Path, Build | None]]:
    """One after the other: name, command, folder, and what building took."""
    ours = [sys.executable, "-m", "scale.our_engines"]
    yield "product", [*ours, "product"], bench.folder, None
    yield "exact", [*ours, "exact"], bench.folder, None
    yield "ours", [*ours, "ours"], bench.folder, bench.our_build(bench.folder, bench.made.rows)
    for name in rivals if rivals_python else ():
        command = [str(rivals_python), "-m", "scale.rival_engines", name]
        missing = _missing(str(rivals_python), name)
        if missing:
            say(f"{name} is left out: {missing}")
            continue
        folder = bench.work / f"{bench.stem}.{name}"
        yield name, command, folder, built(folder, command, bench.job(folder))


def _missing(python: str, name: str) -> str | None:
    """Why a rival cannot be run; None if it can."""
    program = f"import numpy; from scale.rival_engines import engine; engine({name!r})"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, env=environment())
    except OSError as error:
        return f"{python} cannot be started ({error.strerror})"
    if done.returncode == 0:
        return None
    return f"{python} says {(done.stderr.strip().splitlines() or ['nothing'])[-1]}; install it there with pip"


def _open(
    bench: Bench, stack: ExitStack, name: str, command: list[str], folder: Path, build: Build | None
) -> Contender:
    engine = stack.enter_context(Served(command))
    engine.ask("open", **bench.job(folder))
    files = sum(path.stat().st_size for path in folder.iterdir() if not path.name.startswith(TRUTH)) if build else 0
    knobs = GRIDS.get(name, ())
    if name == "faiss-ivf":
        knobs = steps(1, max(1, bench.made.rows // 39))
    return Contender(name, engine, build, files, knobs)


def _settings(bench: Bench, one: Contender, scratch: Path) -> list[Setting]:
    """The cheapest knobs that reach each floor; of the product also what it took by itself."""

    def recall_at(knob: float) -> float:
        if knob not in one.recalls:
            one.engine.ask("set", knob=knob)
            one.recalls[knob] = _recall(bench, one.engine, scratch)
            say(f"{one.name} {KNOBS[one.name]} {knob:g}: recall {one.recalls[knob]:.4f}")
        return one.recalls[knob]

    if not one.knobs:
        recall = None if one.name == "product" else _recall(bench, one.engine, scratch)
        one.memory = one.engine.ask("memory", queries=str(scratch / "batch.npy"), k=bench.k)
        return [Setting(one, None, recall)]
    recall_at(one.knobs[0])
    one.memory = one.engine.ask("memory", queries=str(scratch / "batch.npy"), k=bench.k)
    knobs = {cheapest(one.knobs, recall_at, floor) for floor in FLOORS}
    if one.name == "ours":
        knobs.add(one.knobs[0])
    return [Setting(one, knob, recall_at(knob)) for knob in sorted(knobs)]


def _recall(bench: Bench, engine: Served, scratch: Path) -> float:
    """The mean share of the exact neighbours of the whole batch that the engine finds."""
    found = scratch / "found.npy"
    engine.ask("batch", queries=str(scratch / "batch.npy"), k=bench.k, found=str(found))
    return float(recall_at_k(np.load(found), bench.truth, bench.made.vectors, bench.queries).mean())


def _time(bench: Bench, setting: Setting, scratch: Path) -> None:
    engine = setting.contender.engine
    if setting.knob is not None:
        engine.ask("set", knob=setting.knob)
    setting.batch_s.append(engine.ask("batch", queries=str(scratch / "batch.npy"), k=bench.k)["seconds"])
    singles = engine.ask("singles", queries=str(scratch / "singles.npy"), k=bench.k, limit_s=SINGLES_LIMIT_S)
    setting.single_s.append(statistics.median(singles["seconds"]))


def _print(bench: Bench, settings: Sequence[Setting]) -> None:
    exactly = next(setting for setting in settings if setting.contender.name == "exact")
    head = ("engine", "setting", f"recall@{bench.k}", f"batch {bench.batch} q/s", "x exact", "single ms", "build s")
    head = (*head, "build peak MB", "own MB", "mapped MB", "files MB")
    table("search, every engine at equal recall", head, [_line(bench, one, exactly) for one in settings], left=2)
    ours = Ours(bench.folder, bench.made.dimension, bench.made.rows)
    print(f"ours chose: {ours.settings()}")
    print("product: the matrix products of exact search alone, nothing read, nothing selected")
    for floor in FLOORS:
        _print_ratios(settings, floor)


def _line(bench: Bench, setting: Setting, exactly: Setting) -> list[str]:
    one = setting.contender
    return [
        one.name,
        "" if setting.knob is None else f"{KNOBS[one.name]} {setting.knob:g}",
        "-" if setting.recall is None else f"{setting.recall:.4f}",
        f"{bench.batch / statistics.median(setting.batch_s):,.0f}",
        f"{ratio(exactly.batch_s, setting.batch_s):.2f}",
        f"{1000 * statistics.median(setting.single_s):.2f}",
        f"{one.build.seconds:,.1f}" if one.build else "-",
        megabytes(one.build.peak_bytes) if one.build else "-",
        megabytes(one.memory["own_bytes"]),
        megabytes(one.memory["mapped_bytes"]),
        megabytes(one.files_bytes) if one.build else "-",
    ]


def _print_ratios(settings: Sequence[Setting], floor: float) -> None:
    """The product beside each rival, each at its cheapest setting that reaches the floor; rates round by round."""
    best: dict[str, Setting] = {}
    for setting in settings:
        if setting.knob is not None and (setting.recall or 0) >= floor:
            best.setdefault(setting.contender.name, setting)
    ours = best.pop("ours", None)
    if ours is None:
        print(f"recall >= {floor}: ours does not reach it")
    for name in sorted({one.contender.name for one in settings if one.knob is not None} - {"ours"}):
        if name not in best:
            print(f"recall >= {floor}: {name} does not reach it")
        elif ours is not None:
            print(f"recall >= {floor}: ours beside {name}: {_ratios(ours, best[name])}")


def _ratios(ours: Setting, rival: Setting) -> str:
    words = [
        f"batch rate {ratio(rival.batch_s, ours.batch_s):.2f} times its",
        f"single time {ratio(ours.single_s, rival.single_s):.2f}",
    ]
    for what, mine, its in (
        ("own memory", ours.contender.memory["own_bytes"], rival.contender.memory["own_bytes"]),
        ("build time", _seconds(ours), _seconds(rival)),
    ):
        if mine is not None and its:
            words.append(f"{what} {mine / its:.3f}")
    return ", ".join(words)


def _seconds(setting: Setting) -> float | None:
    return setting.contender.build.seconds if setting.contender.build else None


def ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(a / b for a, b in zip(slower, faster, strict=True))
