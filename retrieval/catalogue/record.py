"""Writes what was read of a batch of files: contents once, photos where they lie."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from retrieval.catalogue.conditions import HAS_VECTOR, in_use
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.tables import Base, ContentTable, PhotoTable, PreviewTable
from retrieval.records import Outcome

Values = dict[str, Any]


class Known(NamedTuple):
    """What the catalogue has for some bytes."""

    id: int
    embedded: bool


class Prior(NamedTuple):
    """A photo as it was before this batch."""

    id: int
    state: str
    content_id: int | None


class BatchWriter:
    """Records batches inside the caller's transaction."""

    def __init__(self, connection: Connection, dialect: Dialect, roots: Mapping[str, int]) -> None:
        """`roots` has the ids of the roots by name."""
        self._connection = connection
        self._dialect = dialect
        self._roots = roots

    def write(self, outcomes: Sequence[Outcome], first_row: int) -> Counter[str]:
        """Record a batch; embeddings take vector rows from `first_row` on, in order.

        Returns how each file fared, by the names of Report's fields.
        """
        contents = self._write_contents(outcomes, first_row)
        priors = self._priors(outcomes)
        gone = self._gone_photos([content.id for content in contents.values()])
        fates: Counter[str] = Counter()
        inserts, updates = [], []
        for outcome in outcomes:
            content = contents.get(outcome.content_hash) if outcome.content_hash else None
            values = _photo_values(outcome, self._roots[outcome.source.root], content)
            photo = priors.get(outcome.source.photo_id or 0)
            if photo is None and content and gone.get(content.id):
                photo = gone[content.id].pop()
                fates["moved" if values["state"] == "indexed" else "failed"] += 1
            else:
                fates[_fate(values, photo)] += 1
            if photo is None:
                inserts.append(values)
            else:
                updates.append({"key": photo.id, **values})
        self._update(PhotoTable, updates)
        if inserts:
            self._connection.execute(insert(PhotoTable), inserts)
        replaced = [prior.content_id for prior in priors.values() if prior.content_id is not None]
        self._refresh_live([*replaced, *(content.id for content in contents.values())])
        return fates

    def _write_contents(self, outcomes: Sequence[Outcome], first_row: int) -> dict[bytes, Known]:
        """Write what is new about contents; return all contents of the batch by hash."""
        known = self._contents(outcomes)
        fresh: dict[bytes, Values] = {}
        row = first_row
        for outcome in outcomes:
            if outcome.content_hash is None or (outcome.embedding is None and outcome.failure is None):
                continue
            fresh[outcome.content_hash] = _content_values(outcome, row)
            row += outcome.embedding is not None
        # Bytes that are known and come again failed before and were tried again.
        again = [{"key": known[digest].id, **values} for digest, values in fresh.items() if digest in known]
        self._update(ContentTable, again)
        new = [values for digest, values in fresh.items() if digest not in known]
        if new:
            self._connection.execute(insert(ContentTable), new)
        contents = self._contents(outcomes) if fresh else known
        self._write_previews(outcomes, contents, fresh)
        return contents

    def _write_previews(
        self, outcomes: Sequence[Outcome], contents: Mapping[bytes, Known], fresh: Collection[bytes]
    ) -> None:
        previews = {outcome.content_hash: outcome.preview for outcome in outcomes if outcome.embedding}
        rows = [
            {"content_id": contents[digest].id, "hash": preview.hash, "thumbnail": preview.thumbnail}
            for digest, preview in previews.items()
            if digest in fresh and digest is not None and preview is not None
        ]
        if rows:
            self._connection.execute(self._dialect.add_or_replace(PreviewTable), rows)

    def _contents(self, outcomes: Sequence[Outcome]) -> dict[bytes, Known]:
        hashes = {outcome.content_hash for outcome in outcomes if outcome.content_hash is not None}
        query = select(ContentTable.hash, ContentTable.id, ContentTable.vector_row).where(ContentTable.hash.in_(hashes))
        return {digest: Known(content, row is not None) for digest, content, row in self._connection.execute(query)}

    def _priors(self, outcomes: Sequence[Outcome]) -> dict[int, Prior]:
        ids = [outcome.source.photo_id for outcome in outcomes if outcome.source.photo_id is not None]
        query = select(PhotoTable.id, PhotoTable.state, PhotoTable.content_id)
        query = query.where(self._dialect.any_of(PhotoTable.id, "ids"))
        return {row.id: Prior(*row) for row in self._execute(query, ids)}

    def _gone_photos(self, contents: Iterable[int]) -> dict[int, list[Prior]]:
        """Photos gone from where they were, by content, the most recently lost last: candidates for a move."""
        query = (
            select(PhotoTable.id, PhotoTable.state, PhotoTable.content_id)
            .where(self._dialect.any_of(PhotoTable.content_id, "ids"), PhotoTable.state == "gone")
            .order_by(PhotoTable.gone_at, PhotoTable.id.desc())
        )
        photos: dict[int, list[Prior]] = {}
        for row in self._execute(query, contents):
            photos.setdefault(row.content_id, []).append(Prior(*row))
        return photos

    def _update(self, table: type[Base], rows: list[Values]) -> None:
        """Update rows by id; each carries it as "key"."""
        if rows:
            columns: Values = {name: bindparam(name) for name in rows[0] if name != "key"}
            statement = update(table).where(table.__table__.c.id == bindparam("key")).values(columns)
            self._connection.execute(statement, rows)

    def _refresh_live(self, contents: Iterable[int]) -> None:
        chosen = update(ContentTable).where(self._dialect.any_of(ContentTable.id, "ids"), HAS_VECTOR)
        self._execute(chosen.values(live=in_use()), contents)

    def _execute(self, statement: Any, ids: Iterable[int]) -> Any:
        return self._connection.execute(statement, {"ids": self._dialect.ids(ids)})


def _fate(values: Values, prior: Prior | None) -> str:
    if values["state"] == "failed":
        return "failed"
    if prior is None or prior.state == "failed":
        return "added"
    if prior.state == "gone":
        return "returned"
    return "unchanged" if prior.content_id == values["content_id"] else "changed"  # unchanged: only touched


def _content_values(outcome: Outcome, row: int) -> Values:
    embedding, failure, facts = outcome.embedding, outcome.failure, outcome.facts
    best = embedding.predictions[0] if embedding and embedding.predictions else None
    return {
        "hash": outcome.content_hash,
        "vector_row": row if embedding else None,
        "norm": embedding.norm if embedding else None,
        "species": best.species if best else None,
        "probability": best.probability if best else None,
        "live": False,  # until a photo refers to it
        "format": facts.format if facts else None,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "taken_at": facts.taken_at if facts else None,
        "latitude": facts.latitude if facts else None,
        "longitude": facts.longitude if facts else None,
        "camera": facts.camera if facts else None,
        "lens": facts.lens if facts else None,
        "failure_kind": failure.kind if failure else None,
        "failure": failure.reason if failure else None,
    }


def _photo_values(outcome: Outcome, root_id: int, content: Known | None) -> Values:
    unread = outcome.failure if content is None else None
    return {
        "root_id": root_id,
        "path": outcome.source.relative,
        "size": outcome.size,
        "mtime_ns": outcome.mtime_ns,
        "content_id": content.id if content else None,
        "state": "indexed" if content and content.embedded else "failed",
        "failure_kind": unread.kind if unread else None,
        "failure": unread.reason if unread else None,
        "gone_at": None,
    }
