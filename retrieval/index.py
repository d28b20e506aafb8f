"""Index: the one door to everything that can be done with an archive's photos. Command line and pages use nothing else.

Every method is bound to a function of the package that does the work, and takes paths as text or as path objects. The
records that methods take and return can be imported from here.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Unpack

from retrieval.catalogue.photos import Order
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import Image
from retrieval.embed.runtime import DEFAULT_RUNTIME, Runtime, RuntimeOptions
from retrieval.engines.openvino import calibrated
from retrieval.engines.protocol import INT8
from retrieval.errors import ModelMismatchError, Remedy
from retrieval.filters import Filter
from retrieval.manifest import Calibration, Model, has_manifest
from retrieval.models import zoo
from retrieval.models.known import AUTO
from retrieval.query import photo_lists
from retrieval.query.answer import answer
from retrieval.query.photo_lists import thumbnail
from retrieval.query.question import Question, QuestionOptions
from retrieval.records import Answer, Failure, ListedPhoto, ListedSpecies, PathInput, Progress, Report
from retrieval.search.protocol import OperatingPoint, SearchStatus
from retrieval.store import Store

if TYPE_CHECKING:  # loaded by the methods that need them: a single query in a new process starts sooner
    from retrieval.dedupe.groups.files import FindScope
    from retrieval.dedupe.groups.find import Findings, FindOptions
    from retrieval.dedupe.plan.records import Plan
    from retrieval.dedupe.run.records import ApplyOptions
    from retrieval.dedupe.run.report import RunReport, RunSummary
    from retrieval.indexing.status import Status
    from retrieval.indexing.verify import Problem, Verification

__all__ = [
    "Calibration",
    "FindOptions",
    "FindScope",
    "Findings",
    "Index",
    "Model",
    "OperatingPoint",
    "Order",
    "Problem",
    "Question",
    "QuestionOptions",
    "Runtime",
    "RuntimeOptions",
    "SearchStatus",
    "Status",
    "Verification",
]

_HOMES = {  # of names that load on first use
    "FindOptions": "retrieval.dedupe.groups.find",
    "FindScope": "retrieval.dedupe.groups.files",
    "Findings": "retrieval.dedupe.groups.find",
    "Problem": "retrieval.indexing.verify",
    "Status": "retrieval.indexing.status",
    "Verification": "retrieval.indexing.verify",
}

Listener = Callable[[Progress], None]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'retrieval.index' has no attribute {name!r}")


def _silent(_progress: Progress) -> None:
    pass


class Index:
    """One index on disk. Readers never wait; one process writes at a time.

    Make one with `Index.create`, open it with `Index.open`; both take a Runtime or fields of one. Use it as a context
    manager, or close it. Every method raises RetrievalError, which says what happened and carries what to do about it.
    A forked process can use an index that its parent opened; it gets a RetrievalError where the parent was in the
    middle of a listing, and for a photo that needs the network if the parent had loaded that.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self.embedder = embedder

    @classmethod
    def create(
        cls,
        folder: PathInput,
        *,
        model: str = AUTO,
        runtime: Runtime = DEFAULT_RUNTIME,
        **options: Unpack[RuntimeOptions],
    ) -> "Index":
        """Make an empty index for a model: a known name, hf://owner/repository, or a checkpoint file.

        With `input_size` its network sees photos at that many pixels a side, a multiple of its patch, instead of the
        size that it was trained at. With `precision` "int8" its network is calibrated on the first photos that are
        added. Raises IndexProblem where there is an index already or none can be made, ModelError for a model that
        cannot be had and for a size that its patches do not fill, QueryError for numbers in the runtime that make no
        sense.
        """
        runtime = runtime.with_options(**options)
        if runtime.precision == INT8:
            calibrated.require(runtime.engine, runtime.device)
            exact = Embedder(model, runtime, engine="openvino", device="cpu", precision="fp32")
            Store.create(Path(folder), replace(exact.model, precision=INT8), exact.head).close()
            return cls.open(folder, runtime=runtime)
        embedder = Embedder(model, runtime)
        return cls(Store.create(Path(folder), embedder.model, embedder.head), embedder)

    @classmethod
    def open(
        cls,
        folder: PathInput,
        *,
        model: str | None = None,
        runtime: Runtime = DEFAULT_RUNTIME,
        **options: Unpack[RuntimeOptions],
    ) -> "Index":
        """Open an index. `model` says where its weights are now, if they were moved; others are refused.

        Raises IndexNotFoundError, IndexFormatError, ModelMismatchError, or as Runtime does.
        """
        runtime = runtime.with_options(**options)
        store = Store.open(Path(folder))
        expected = store.manifest.model
        if model == AUTO:  # an index keeps its model
            model = None
        if model is not None:
            _refuse_other_weights(store, model)
        _refuse_other_settings(store.folder, expected, runtime)
        return cls(
            store,
            Embedder(model or expected.source, runtime, expected=expected, calibrated_network=store.calibrated_network),
        )

    @staticmethod
    def exists(folder: PathInput) -> bool:
        """Tell whether a folder is, or claims to be, an index."""
        return has_manifest(Path(folder))

    @property
    def folder(self) -> Path:
        """Where the index lies."""
        return self._store.folder

    @property
    def model(self) -> Model:
        """The network that it was made with."""
        return self._store.manifest.model

    @property
    def roots(self) -> dict[str, Path]:
        """The archive folders, by name."""
        return dict(self._store.manifest.roots)

    def add(
        self,
        *paths: PathInput,
        exclude: Collection[str] = (),
        retry: Collection[str] = (),
        allow_empty: bool = False,
        memory_bytes: int | None = None,
        progress: Listener = _silent,
    ) -> Report:
        """Bring the index up to date with folders, or with all of its roots if none are given.

        Only new and changed files are read. `exclude` has glob patterns; `retry` names kinds of failures to try again;
        `allow_empty` says that a root without photos was emptied on purpose, and that a disk which was mounted inside a
        root is gone for good; `memory_bytes` is what `optimise` takes. `progress` may raise Interrupted to stop; what
        is done is kept. Raises ArchiveError, before anything is changed, for a folder that is missing or empty and for
        such a disk, IndexLockedError while another process writes.
        """
        from retrieval.indexing.update import Options, update

        options = Options(exclude, retry, allow_empty, memory_bytes, progress)
        return update(self._store, self.embedder, [Path(path) for path in paths], options)

    def query(self, image: Image, k: int = 20, **options: Unpack[QuestionOptions]) -> Answer:
        """Find the `k` photos nearest to an image, and its `top` most probable species (5 unless said otherwise).

        An image is a path, the bytes of a file, a PIL image, or an array of uint8: (height, width, 3) RGB or
        (height, width) grey. One that cannot be read gives an answer with its `failure`.

        `min_score` leaves out photos of a lower cosine similarity (-1 to 1). `hide_duplicates` leaves one hit of each
        near-identical cluster, bursts included. `filter` selects the photos to search. `other_species` leaves out those
        of the image's own species: what looks like it, but is something else. Raises QueryError for numbers that make
        no sense and for a filter that names what the index does not know.
        """
        return next(self.ask([image], Question(k, **options)))

    def query_many(self, images: Iterable[Image], k: int = 20, **options: Unpack[QuestionOptions]) -> Iterator[Answer]:
        """Answer any number of images in order, a batch at a time, with the options of `query`."""
        return self.ask(images, Question(k, **options))

    def ask(self, images: Iterable[Image], question: Question) -> Iterator[Answer]:
        """Do what `query_many` does, with its options in one record."""
        return answer(self._store, self.embedder, images, question)

    def photos(
        self, filter: Filter | None = None, *, order: Order = "path", reverse: bool = False, limit: int | None = None
    ) -> Iterator[ListedPhoto]:
        """Return the indexed photos that a filter selects, or all of them, as they are read.

        By date the oldest come first, by probability the highest; `reverse` turns that round. Raises QueryError for a
        filter that names what the index does not know.
        """
        return photo_lists.photos(self._store, filter, order=order, reverse=reverse, limit=limit)

    def species(self, filter: Filter | None = None) -> list[ListedSpecies]:
        """Return what there is of each species among the photos that a filter selects, by name: a life list."""
        return photo_lists.species(self._store, filter)

    def count(self, filter: Filter | None = None) -> int:
        """Count the indexed photos that a filter selects, or all of them."""
        return photo_lists.count(self._store, filter)

    def without(self, what: Literal["date", "place"]) -> int:
        """Count the indexed photos whose date or place is unknown: filters by it never select them."""
        return photo_lists.without(self._store, what)

    def optimise(self, *, recall: float | None = None, memory_bytes: int | None = None) -> SearchStatus:
        """Rebuild the search index for a recall (above 0, at most 1, of the 20 nearest) and a limit on its memory.

        Both are kept for later runs; what is None stays as it was. Returns the index as it is then, with what was
        measured. Raises QueryError, before anything is changed, for a recall or a limit that cannot be, and
        IndexLockedError while another process writes.
        """
        from retrieval.indexing.settings import optimise

        return optimise(self._store, recall, memory_bytes)

    def status(self) -> "Status":
        """Count what the index holds."""
        from retrieval.indexing.status import status

        return status(self._store)

    def failures(self) -> Iterator[Failure]:
        """Yield the photos that could not be read, with the reasons."""
        from retrieval.indexing.status import failures

        return failures(self._store)

    def duplicates(self, options: "FindOptions | None" = None, *, progress: Listener = _silent) -> "Findings":
        """Find duplicates, bursts and RAW twins; writes nothing outside the index folder.

        What is new in the index is compared with everything; what was found before is remembered. `progress` may raise
        Interrupted to stop; what was compared is kept. Raises QueryError for an unknown rule, or a filter that names
        what the index does not know; IndexLockedError while another process writes.
        """
        from retrieval.dedupe.groups.find import FindOptions, find

        return find(self._store, options or FindOptions(workers=self.embedder.workers), progress)

    def apply(
        self, plan: "Plan | PathInput", options: "ApplyOptions | None" = None, *, progress: Listener = _silent
    ) -> "RunReport":
        """Carry out a plan, or the file of one: by default exact copies move to a hidden folder in their root.

        Every file and its keeper are read again just before; what has changed is skipped and reported. `progress` may
        raise Interrupted to stop between two shots; the same call resumes. Raises PlanError, before anything is
        changed, for an invalid plan; RunError where a disk is missing or the journal cannot be written;
        IndexLockedError while another process writes.
        """
        from retrieval.dedupe.run.apply import DEFAULT_OPTIONS, apply

        return apply(self._store, plan, options or DEFAULT_OPTIONS, progress)

    def undo(self, run: str | None = None, *, dry_run: bool = False, progress: Listener = _silent) -> "RunReport":
        """Put back the files of a run, by default the last; returns what was put back, and what was left and why.

        May be interrupted and repeated. Raises RunError for an unknown run or one whose journal cannot be read or
        written, IndexLockedError while another process writes.
        """
        from retrieval.dedupe.run.undo import undo

        return undo(self._store, run, dry_run=dry_run, progress=progress)

    def runs(self) -> "Iterator[RunSummary]":
        """Yield the runs of `apply`, the oldest first."""
        from retrieval.dedupe.run.undo import runs

        return runs(self._store)

    def ignore(self, photos: Sequence[PathInput], *, take_back: bool = False) -> int:
        """Remember that photos are not duplicates of each other, or take that back; return how many pairs changed.

        Raises DedupeError for a file that cannot be read, or two with the same bytes.
        """
        from retrieval.dedupe.groups.ignore import ignore

        return ignore(self._store, photos, take_back=take_back)

    def ignored(self) -> Iterable[tuple[list[Path], list[Path]]]:
        """Yield the pairs that are not duplicates: for each photo the files that have its content now."""
        from retrieval.dedupe.groups.ignore import ignored

        return ignored(self._store)

    def thumbnail(self, path: PathInput) -> bytes | None:
        """Return a small JPEG of an indexed photo, made when it was indexed; None where there is none."""
        return thumbnail(self._store, path)

    def verify(self, *, hashes: bool = False, repair: bool = False, progress: Listener = _silent) -> "Verification":
        """Check the index against itself; `hashes` reads every photo too, `repair` rebuilds what can be derived.

        `progress` may raise Interrupted to stop. Raises IndexLockedError while another process writes.
        """
        from retrieval.indexing.verify import verify

        return verify(self._store, hashes=hashes, repair=repair, progress=progress)

    def relocate(self, root: str, path: PathInput) -> None:
        """Set where a root is mounted now.

        Raises IndexFormatError for an unknown root, ArchiveError for a folder that is missing or empty,
        IndexLockedError while another process writes.
        """
        from retrieval.indexing.settings import relocate

        relocate(self._store, root, path)

    def close(self) -> None:
        """Close the files."""
        self._store.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.close()


def _refuse_other_settings(folder: Path, expected: Model, runtime: Runtime) -> None:
    if runtime.precision not in ("auto", expected.precision):
        raise ModelMismatchError(
            f"{folder} was made with precision {expected.precision}, not {runtime.precision}, and precisions do not "
            "mix",
            Remedy.OTHER_INDEX_FOLDER,
        )
    size = runtime.input_size
    if size not in (None, expected.height) or size not in (None, expected.width):
        made = f"{expected.height} x {expected.width} pixels"
        raise ModelMismatchError(
            f"{folder} was made with an input of {made}, not {size} x {size}, and input sizes do not mix",
            Remedy.OTHER_INDEX_FOLDER,
        )


def _refuse_other_weights(store: Store, model: str) -> None:
    weights, expected = zoo.resolve(model), store.manifest.model
    if weights.sha256 != expected.sha256:
        raise ModelMismatchError(
            f"{store.folder} was made with {expected.name} (sha256 {expected.sha256[:12]}...), not with {weights.name} "
            f"(sha256 {weights.sha256[:12]}...), and models do not mix",
            Remedy.OTHER_INDEX_FOLDER,
        )
