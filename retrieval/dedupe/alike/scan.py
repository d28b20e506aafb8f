"""Finds out which contents of an index show the same picture, and records it: only what is new is compared."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import cv2
import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from retrieval.archive.content import read_file
from retrieval.catalogue.contents import Ids
from retrieval.catalogue.matches import ONE_SHOT, Match
from retrieval.catalogue.rehash import rehash
from retrieval.decode.prefetch import prefetch
from retrieval.decode.preview import make_preview
from retrieval.dedupe.alike.compare import Comparer, Verdict
from retrieval.dedupe.alike.photo_file import PhotoFile
from retrieval.dedupe.alike.propose import Candidates, Proposer
from retrieval.dedupe.alike.shot_times import are_different_shots
from retrieval.dedupe.alike.sketch import RULES, sketch
from retrieval.errors import PhotoError
from retrieval.records import Preview, Progress
from retrieval.store import Store

Listener = Callable[[Progress], None]

_LOOK_SIDE = 384  # pixels of the longer side that a preview is made from
_AT_ONCE = 32  # contents whose looks one thread reads together
_RECORDED = 256  # contents that are recorded together: a kill repeats no more than these
_MAX_FAMILY = 24  # contents of one family that are all compared with each other


class Scan:
    """One pass over the contents of an index that were not compared yet. The caller holds the writer's lock."""

    def __init__(self, store: Store, workers: int, progress: Listener) -> None:
        self._store = store
        self._known = store.catalogue
        self._workers = workers
        self._progress = progress
        self._comparer = Comparer(self._known.previews.of, self._read)

    def update(self) -> int:
        """Compare what is new with everything; return how many contents were new."""
        cv2.setNumThreads(1)  # pictures and matrices are small, and many at a time
        with threadpool_limits(1, user_api="blas"):
            return self._update()

    def _update(self) -> int:
        self._known.matches.forget_outdated(RULES)
        rehash(self._known.previews, self._progress)
        self._look()
        self._sketch()
        fresh = self._known.matches.uncompared(RULES)
        if len(fresh):
            self._compare(fresh)
        incomplete = self._known.matches.incomplete()
        self._complete(set(incomplete.tolist()))
        self._known.matches.complete()
        return len(fresh)

    def _look(self) -> None:
        """Decode what was indexed before looks were kept."""
        missing = self._known.previews.missing()
        done = 0
        for some in _parts(missing, _RECORDED):
            jobs = ((partial(self._look_of, content), 0) for content in some.tolist())
            found = prefetch(jobs, workers=self._workers, window=2 * self._workers, budget=0)
            previews = {content: one for content, one in zip(some.tolist(), found, strict=True) if one}
            self._known.previews.add(previews)
            done += len(some)
            self._progress(Progress("looking", done, len(missing)))

    def _look_of(self, content: int) -> Preview | None:
        file = self._read(content)
        try:
            return make_preview(Image.fromarray(file.picture(_LOOK_SIDE).pixels)) if file else None
        except PhotoError:
            return None

    def _sketch(self) -> None:
        """Sum up the local features of what has no sketch."""
        missing = self._known.sketches.missing(RULES)
        jobs = ((partial(self._sketches, some.tolist()), 0) for some in _parts(missing, _AT_ONCE))
        done = 0
        for sketches in prefetch(jobs, workers=self._workers, window=2 * self._workers, budget=0):
            self._known.sketches.add(sketches, RULES)
            done += len(sketches)
            self._progress(Progress("looking", done, len(missing)))

    def _sketches(self, contents: list[int]) -> dict[int, np.ndarray[tuple[int], np.dtype[np.int8]]]:
        found = self._comparer.features(contents)
        return {content: sketch(features) for content, (features, _) in found.items()}

    def _compare(self, fresh: Ids) -> None:
        """Compare each new content with its candidates, in an order that keeps neighbours together."""
        proposer = Proposer(self._store)
        done = 0
        asked: dict[int, Ids] = {}
        for contents in _parts(proposer.order(fresh), _RECORDED):
            proposed = list(proposer.of(contents))
            jobs = ((partial(self._judge, _unasked(candidates, asked)), 0) for candidates in proposed)
            found = prefetch(jobs, workers=self._workers, window=8 * self._workers, budget=0)
            matches = [one for some in found for one in some]
            # What could not be read, its disk being away perhaps, is compared when it is back.
            unread = self._comparer.unread
            compared = [one.content for one in proposed if unread.isdisjoint([one.content, *one.others.tolist()])]
            self._known.matches.add_compared(compared, matches, RULES)
            done += len(contents)
            self._progress(Progress("comparing", done, len(fresh)))

    def _judge(self, candidates: Candidates) -> list[Match]:
        cosines = dict(zip(candidates.others.tolist(), candidates.cosines.tolist(), strict=True))
        shots = {copy.content: copy for copy in self._known.copies.of([candidates.content, *cosines])}
        own = shots.get(candidates.content)
        if own is None:  # its files are gone meanwhile
            return []
        others = [other for other in cosines if other in shots and not are_different_shots(own, shots[other])]
        promising = sorted(others, key=lambda other: -cosines[other])
        verdicts = self._comparer.compare(candidates.content, promising)
        return [_match((candidates.content, other), cosines[other], verdict) for other, verdict in verdicts.items()]

    def _complete(self, fresh: set[int]) -> None:
        """Compare within each family that has grown: every file is to match its keeper, whichever that will be."""
        known = [one for one in self._known.matches.all() if one.kind in ONE_SHOT]
        families = (family for family in _families(known) if fresh & family and len(family) <= _MAX_FAMILY)
        proven = {(one.first, one.second) for one in self._known.matches.all()}
        pairs: list[Candidates] = []
        for family in families:
            for content in sorted(family):
                others = [one for one in sorted(family) if one > content and (content, one) not in proven]
                if others:
                    pairs.append(self._with_cosines(content, np.array(others)))
        jobs = ((partial(self._judge, one), 0) for one in pairs)
        for found in prefetch(jobs, workers=self._workers, window=8 * self._workers, budget=0):
            self._known.matches.add(found)

    def _with_cosines(self, content: int, others: Ids) -> Candidates:
        vectors = self._store.vectors.read(self._known.contents.vectors())
        rows = {copy.content: copy.row for copy in self._known.copies.of([content, *others.tolist()])}
        own = vectors[rows[content]].astype(np.float32)
        theirs = vectors[[rows[other] for other in others.tolist()]].astype(np.float32)
        return Candidates(content, others, theirs @ own)

    def _read(self, content: int) -> PhotoFile | None:
        """The first of a content's files that can be read."""
        for copy in self._known.copies.of([content]):
            path = self._store.manifest.path_of(copy.root, copy.relative)
            try:
                read = read_file(path)
            except PhotoError:
                continue
            if read.hash == copy.hash:  # else it changed since it was indexed: not what is being compared
                return PhotoFile(read.data, path.name)
        return None


def _match(pair: tuple[int, int], cosine: float, verdict: Verdict) -> Match:
    first, second = sorted(pair)
    lacks = verdict.first_lacks, verdict.second_lacks
    return Match(first, second, verdict.kind, round(cosine, 4), verdict.score, verdict.reason, *lacks, verdict.places)


def _unasked(candidates: Candidates, asked: dict[int, Ids]) -> Candidates:
    """Without the pairs that came up before from the other side."""
    new = [candidates.content not in asked.get(other, ()) for other in candidates.others.tolist()]
    asked[candidates.content] = candidates.others
    return Candidates(candidates.content, candidates.others[new], candidates.cosines[new])


def _families(known: Iterable[Match]) -> Iterator[set[int]]:
    """Contents that likenesses join, directly or not."""
    family_of: dict[int, set[int]] = {}
    for one in known:
        first, second = (family_of.setdefault(content, {content}) for content in (one.first, one.second))
        if first is not second:
            small, large = sorted((first, second), key=len)
            large |= small
            family_of.update(dict.fromkeys(small, large))
    return iter({id(family): family for family in family_of.values()}.values())


def _parts(contents: Ids, size: int) -> Iterator[Ids]:
    return (contents[start : start + size] for start in range(0, len(contents), size))
