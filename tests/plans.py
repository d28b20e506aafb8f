"""Plans drawn at random, as `find` could have made them, with file names of every kind."""

import os
from pathlib import Path

from hypothesis import strategies as st

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
MEMBERS = st.builds(
    Member,
    file=FILES,
    action=st.sampled_from(Action),
    reason=TEXTS,
    cosine=st.none() | st.floats(-1, 1),
    score=st.floats(0, 1),
    along=st.lists(PATHS, max_size=2).map(tuple),
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
