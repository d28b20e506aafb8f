"""Settles which of the files that a run has read need decoding: the first of each content that is not known yet."""

from collections.abc import Iterable, Iterator

from retrieval.catalogue.contents import Contents
from retrieval.embed.prepare import ArchiveFile
from retrieval.records import Outcome


class NewContents:
    """The contents that a run meets: those that the catalogue has, and those under way to it."""

    def __init__(self, contents: Contents, retry: Iterable[str] = ()) -> None:
        self._contents = contents
        self._retry = tuple(retry)  # kinds of failures to try again
        self._under_way: set[bytes] = set()

    def settle(self, files: Iterable[ArchiveFile]) -> Iterator[ArchiveFile]:
        """Yield the files in order, without the data of those whose content needs no decoding."""
        for file in files:
            content_hash = file.outcome.content_hash
            if file.data is None or content_hash is None:
                yield file
            elif content_hash in self._under_way or self._contents.is_settled(content_hash, self._retry):
                yield ArchiveFile(file.outcome)
            else:
                self._under_way.add(content_hash)
                yield file

    def recorded(self, outcomes: Iterable[Outcome]) -> None:
        """Note that the catalogue has these now."""
        self._under_way.difference_update(outcome.content_hash for outcome in outcomes if outcome.content_hash)
