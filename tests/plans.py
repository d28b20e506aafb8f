"""Plans for tests: some made by hand, and some drawn at random with file names of every kind; and ways to edit them."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.plan.records import Action, Group, Kind, Member, Plan, PlannedFile

NASTY = [
    "=1+1",
    "-5",
    "+1",
    "@x",
    "'a",
    '"a"',
    '"',
    " a ",
    "a,b;c\td",
    "a\nb\r\nc",
    "Kühe 🐦",
    "1.7639E+18",
    "</script>",
]
NAMES = (
    st.sampled_from(NASTY)
    | st.text(max_size=20).filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))
    | st.binary(max_size=20).map(os.fsdecode)
)
PATHS = st.lists(
    NAMES.filter(lambda name: name not in ("", ".", "..") and not set(name) & set("/\0\\")), min_size=1, max_size=3
).map(lambda names: Path(Path.cwd().anchor, *names))
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
TEXTS = NAMES
SIDES = st.none() | st.integers(1, 100_000)
FILES = st.builds(
    PlannedFile,
    path=PATHS,
    size=st.integers(0, 2**62),
    mtime_ns=st.integers(-(2**62), 2**62),
    sha256=HASHES,
    format=st.none() | TEXTS,
    width=SIDES,
    height=SIDES,
    taken_at=st.none() | TEXTS,
    protected=st.just(False),
)
BOXES = st.lists(st.tuples(*(st.integers(0, 1000) for _ in range(4))), max_size=2).map(tuple)
MEMBERS = st.builds(
    Member,
    file=FILES,
    action=st.sampled_from(Action),
    reason=TEXTS,
    cosine=st.none() | st.floats(-1, 1),
    score=st.floats(0, 1),
    along=st.lists(PATHS, max_size=2).map(tuple),
    would_lose=st.just("") | TEXTS,
    places=BOXES,
    keeper_places=BOXES,
)
UNLIKE = [kind for kind in Kind if kind != Kind.EXACT]  # an exact group needs equal hashes
GROUPS = st.builds(
    Group,
    number=st.just(0),
    kind=st.sampled_from(UNLIKE),
    keeper=FILES,
    why=TEXTS,
    members=st.lists(MEMBERS, min_size=1, max_size=3).map(tuple),
)


def _numbered(groups: list[Group]) -> tuple[Group, ...]:
    return tuple(
        Group(number, one.kind, one.keeper, one.why, one.members) for number, one in enumerate(groups, start=1)
    )


def _paths(groups: tuple[Group, ...]) -> list[Path]:
    return [file.path for one in groups for file in (one.keeper, *(member.file for member in one.members))]


PLANS = st.builds(
    Plan,
    created_at=TEXTS,
    index=PATHS,
    model=TEXTS,
    groups=st.lists(GROUPS, max_size=3)
    .map(_numbered)
    .filter(lambda groups: len(set(_paths(groups))) == len(_paths(groups))),
)


FOLDER = Path("/photos").absolute()
MTIME_NS = 1763896000123456789


def file(name, number=1, **facts):
    return PlannedFile(FOLDER / name, 1000 + number, MTIME_NS, f"{number:064x}", **facts)


def near(number=1, first=1, members=2):
    made = [
        Member(
            file(f"{first + place}.jpg", first + place, width=60, height=40),
            Action.REMOVE,
            f"crop {place} %",
            0.9 + place / 100,
            0.8 + place / 100,
            (FOLDER / f"{first + place}.xmp",),
        )
        for place in range(1, members + 1)
    ]
    keeper = file(f"{first}.cr2", first, format="RAW", width=6000, height=4000, taken_at="2019-05-04T10:11:12")
    return Group(number, Kind.NEAR, keeper, "RAW", tuple(made))


def exact(number=1):
    keeper = replace(file("a.jpg"), path=FOLDER / "a.jpg")
    members = tuple(Member(replace(keeper, path=FOLDER / name), Action.REMOVE, "same bytes") for name in ("b", "c"))
    return Group(number, Kind.EXACT, keeper, "older", members)


def plan(*groups):
    return Plan("2025-11-23T11:00:00+00:00", FOLDER / "indexes" / "mine", "flagship", groups)


def edited(path, plan, edit):
    """Write a plan, change it as a person would, and read it back. `edit` gets the rows, keepers first, as dicts."""
    plan_file.write(plan, path, overwrite=True)
    if path.suffix == ".csv":
        names, rows = table(path)
        save(path, names, edit(rows) or rows)
    else:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            {"group": str(group["group"]), "role": role, "document": one, **one}
            for group in document["groups"]
            for role, one in [("keeper", group["keeper"]), *(("member", member) for member in group["members"])]
        ]
        rows = edit(rows) or rows
        for group in document["groups"]:
            mine = [row for row in rows if row["group"] == str(group["group"])]
            for row in mine:
                row["document"].update({name: row[name] for name in ("action", "path")})
            group["keeper"] = next((row["document"] for row in mine if row["role"] == "keeper"), None)
            group["members"] = [row["document"] for row in mine if row["role"] == "member"]
        path.write_text(json.dumps(document), encoding="utf-8")
    return plan_file.read(path)


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        return list(reader.fieldnames), list(reader)


def save(path, names, rows, encoding="utf-8-sig", **dialect):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, **dialect)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


SAVED = plan(near(), exact(2))
