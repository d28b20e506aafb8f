"""A small library with duplicates for tests of `apply` and `undo`: files, their plan, and what there is on the disk."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from catalogues import sql

from retrieval import Index
from retrieval.dedupe.plan.records import Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.store import Store


class Library:
    """An archive folder and its index; `close` it before another process writes."""

    def __init__(self, index: Index, root: Path) -> None:
        self.index = index
        self.root = root
        self.folder = index.folder
        self.root.mkdir(exist_ok=True)

    def file(self, name: str | bytes, content: bytes | str, seconds: int = 1_600_000_000) -> Path:
        """Make a file; bytes that are no photo are indexed as failed, which is a row as well."""
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.root), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, ns=(seconds * 10**9, seconds * 10**9 + 123_456_700))
        return path

    def store(self) -> Store:
        """Index what there is, and open it without the network."""
        self.index.add(self.root)
        self.index.close()
        return Store.open(self.folder)


def planned(path: Path, **changes: object) -> PlannedFile:
    """Describe a file as it is."""
    found = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PlannedFile(
        **{"path": path, "size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": digest, **changes}
    )


def group(number: int, keeper: Path, *members: Path, kind: Kind = Kind.EXACT, action: Action = Action.REMOVE) -> Group:
    """Plan to remove the members."""
    chosen = tuple(Member(planned(member), action, "same bytes") for member in members)
    return Group(number, kind, planned(keeper), "older", chosen)


def plan(*groups: Group, index: Path = Path("/index")) -> Plan:
    """Put groups together."""
    return Plan(datetime(2026, 11, 23, tzinfo=UTC).isoformat(), index, "tiny", groups)


Tree = dict[str, tuple[str, int] | None]


def tree(folder: Path, *, run: str = "") -> Tree:
    """Return every path below a folder with the file's bytes (hashed) and time; None for folders.

    With a run's name, its part in paths reads RUN, so that two runs compare equal.
    """
    found: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = os.fsencode(path.relative_to(folder)).decode("latin-1")
        name = name.replace(run, "RUN") if run else name
        if path.is_symlink() or not path.is_file():
            found[name] = None
        else:
            found[name] = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
    return found


def rows(store: Store) -> dict[bytes, tuple[object, ...]]:
    """Return what the catalogue says of each path: state, size, time, hash, and whether search shows it."""
    query = """SELECT path, state, size, mtime_ns, hex(hash), live FROM photo
               JOIN content ON content.id = content_id ORDER BY path"""
    return {row[0]: tuple(row[1:]) for row in sql(store.folder, query)}
