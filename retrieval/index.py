"""Index: built vectors and the photos they stand for. The library's main noun; the command line is a coat over it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, TypedDict, Unpack, cast

from retrieval.archive.walk import check_root
from retrieval.catalogue.photos import Order
from retrieval.dedupe.groups.find import Findings, FindOptions, find
from retrieval.dedupe.groups.ignore import ignore, ignored
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import Image
from retrieval.engines import registry
from retrieval.errors import FailureKind, ModelMismatchError
from retrieval.filters import Filter
from retrieval.indexing.update import Options, optimise, update
from retrieval.indexing.verify import Verification, verify
from retrieval.lock import writing
from retrieval.manifest import Calibration, Manifest, Model, has_manifest
from retrieval.models import zoo
from retrieval.models.known import AUTO
from retrieval.query.answer import Question, answer
from retrieval.query.resolve import criteria
from retrieval.records import Answer, Counts, Failure, ListedPhoto, ListedSpecies, Progress, Report
from retrieval.search.measurement import Measurement
from retrieval.search.status import IvfStatus
from retrieval.store import Store


class EmbedderOptions(TypedDict, total=False):
    """How an index runs its network; see Embedder."""

    engine: str
    device: str
    precision: str
    batch_size: int | None
    workers: int | None
    max_pixels: int
    allow_truncated: bool
    notify: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Status:
    """Where an index stands."""

    folder: Path
    model: Model
    created_at: str
    roots: dict[str, Path]
    counts: Counts
    size_bytes: dict[str, int]  # by file name
    search: IvfStatus
    failures: dict[str, int]  # by kind of reason
    calibration: Calibration | None  # of an index in int8 that has photos


class Index:
    """One index on disk. Readers never wait; one process writes at a time.

    Make one with `Index.create`, open it with `Index.open`; both take the Embedder's options. Use it as a context
    manager, or close it. Every method raises RetrievalError, its message saying what to do.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self.embedder = embedder

    @classmethod
    def create(cls, folder: Path | str, *, model: str = AUTO, **options: Unpack[EmbedderOptions]) -> "Index":
        """Make an empty index for a model: a known name, hf://owner/repository, or a checkpoint file.

        With `precision` "int8" its network is calibrated on the first photos that are added.
        """
        if options.get("precision") == registry.INT8:
            registry.require_int8(options.get("engine", "auto"), options.get("device", "auto"))
            plain: EmbedderOptions = {**options, "engine": "openvino", "device": "cpu", "precision": "fp32"}
            exact = Embedder(model, **plain)
            Store.create(Path(folder), replace(exact.model, precision=registry.INT8), exact.head).close()
            return cls.open(folder, **options)
        embedder = Embedder(model, **options)
        return cls(Store.create(Path(folder), embedder.model, embedder.head), embedder)

    @classmethod
    def open(cls, folder: Path | str, *, model: str | None = None, **options: Unpack[EmbedderOptions]) -> "Index":
        """Open an index. `model` says where its weights are now, if not where they were; others are refused."""
        store = Store.open(Path(folder))
        expected = store.manifest.model
        if model == AUTO:  # an index keeps its model
            model = None
        if model is not None:
            _refuse_other_weights(store, model)
        precision = options.get("precision", "auto")
        if precision not in ("auto", expected.precision):
            raise ModelMismatchError(
                f"{store.folder} was made with precision {expected.precision}, not {precision}: precisions do not mix; "
                "choose another folder with --index"
            )
        return cls(store, Embedder(model or expected.source, expected=expected, kept=store.kept, **options))

    @staticmethod
    def exists(folder: Path | str) -> bool:
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
        *paths: Path | str,
        exclude: Collection[str] = (),
        retry: Collection[str] = (),
        allow_empty: bool = False,
        memory_bytes: int | None = None,
        progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> Report:
        """Bring the index up to date with folders, or with all of its roots if none are given.

        Only new and changed files are read. `exclude` has glob patterns; `retry` names kinds of failures to try again;
        `allow_empty` says that a root without photos was emptied on purpose; `memory_bytes` is what `optimise` takes.
        `progress` may raise Interrupted to stop: what is done is kept. Raises ArchiveError, before anything is changed,
        for a folder that is missing or empty.
        """
        options = Options(exclude, retry, allow_empty, memory_bytes, progress)
        return update(self._store, self.embedder, [Path(path) for path in paths], options)

    def query(
        self,
        image: Image,
        k: int = 20,
        *,
        min_score: float | None = None,
        top: int = 5,
        hide_duplicates: bool = False,
        filter: Filter | None = None,
        other_species: bool = False,
    ) -> Answer:
        """Find the `k` nearest photos of an image, and its `top` most probable species.

        An image is a path, the bytes of a file, a PIL image, or an array of uint8: (height, width, 3) RGB or
        (height, width) grey. One that cannot be read gives an answer with its `failure`. `hide_duplicates` leaves one
        hit of each near-identical cluster, bursts included; see distinct. `filter` says among which photos to look;
        `other_species` leaves out those of the image's own species: what looks like it, but is something else.
        """
        question = Question(k, min_score, top, hide_duplicates, filter, other_species)
        return next(answer(self._store, self.embedder, [image], question))

    def query_many(
        self,
        images: Iterable[Image],
        k: int = 20,
        *,
        min_score: float | None = None,
        top: int = 5,
        hide_duplicates: bool = False,
        filter: Filter | None = None,
        other_species: bool = False,
    ) -> Iterator[Answer]:
        """Do the same for any number of images, in order: taken a batch at a time, answered as each is done."""
        question = Question(k, min_score, top, hide_duplicates, filter, other_species)
        return answer(self._store, self.embedder, images, question)

    def photos(
        self, filter: Filter | None = None, *, order: Order = "path", reverse: bool = False, limit: int | None = None
    ) -> Iterator[ListedPhoto]:
        """Return the indexed photos that a filter chooses, or all of them, as they are read.

        By date they begin with the oldest, by probability with the highest; `reverse` turns that round.
        """
        chosen, place = criteria(self._store, filter or Filter()), self._store.manifest.path_of
        found = self._store.photos.photos(chosen, order=order, reverse=reverse, limit=limit)
        return (ListedPhoto(place(root, relative), *facts) for root, relative, *facts in found)

    def species(self, filter: Filter | None = None) -> list[ListedSpecies]:
        """Return what there is of each species among the photos that a filter chooses, by name: a life list."""
        chosen, place = criteria(self._store, filter or Filter()), self._store.manifest.path_of
        found = self._store.photos.by_species(chosen)
        return [
            ListedSpecies(species, photos, days, first, last, best, place(root, relative))
            for species, photos, days, first, last, best, root, relative in found
        ]

    def count(self, filter: Filter | None = None) -> int:
        """Count the indexed photos that a filter chooses, or all of them."""
        return self._store.photos.count(criteria(self._store, filter or Filter()))

    def without(self, what: Literal["date", "place"]) -> int:
        """Count the indexed photos whose date or place is not known: filters by it never choose them."""
        return self._store.photos.without(what)

    def optimise(self, *, recall: float | None = None, memory_bytes: int | None = None) -> Measurement | None:
        """Make the search index anew for a recall (0 to 1, of the 20 nearest) and a bound on the memory it holds.

        Both are kept for later runs; what is None stays as it was. Returns what was measured, None where there are no
        photos.
        """
        with writing(self.folder):
            return optimise(self._store, recall, memory_bytes)

    def status(self) -> Status:
        """Count what the index has."""
        store = self._store
        counts = store.catalogue.counts()
        return Status(
            folder=store.folder,
            model=store.manifest.model,
            created_at=store.manifest.created_at,
            roots=self.roots,
            counts=counts,
            size_bytes=store.size_bytes(),
            search=store.neighbours.status(counts.vectors),
            failures=store.catalogue.failures_by_kind(),
            calibration=store.manifest.calibration,
        )

    def failures(self) -> Iterator[Failure]:
        """Yield the photos that could not be read, with the reason."""
        for root, relative, kind, reason in self._store.catalogue.failures():
            yield Failure(self._store.manifest.path_of(root, relative), cast(FailureKind, kind), reason)

    def duplicates(
        self,
        options: FindOptions | None = None,
        *,
        progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> Findings:
        """Find duplicates, bursts and RAW twins; writes nothing outside the index folder. See dedupe.find."""
        return find(self._store, options or FindOptions(workers=self.embedder.workers), progress)

    def ignore(self, photos: Sequence[Path], *, take_back: bool = False) -> int:
        """Remember that photos are no duplicates of each other, or take that back; return how many pairs changed."""
        return ignore(self._store, photos, take_back=take_back)

    def ignored(self) -> Iterable[tuple[list[Path], list[Path]]]:
        """Yield the pairs that are no duplicates: for each photo its files now."""
        return ignored(self._store)

    def thumbnail(self, path: Path) -> bytes | None:
        """Return a small JPEG of an indexed photo, made when it was indexed; None where there is none."""
        found = self._store.manifest.locate(path)
        return self._store.matches.thumbnail(*found) if found else None

    def verify(
        self,
        *,
        hashes: bool = False,
        repair: bool = False,
        progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> Verification:
        """Hold the truth against itself; `hashes` reads every file, `repair` mends what can be derived."""
        return verify(self._store, hashes=hashes, repair=repair, progress=progress)

    def relocate(self, root: str, path: Path | str) -> None:
        """Say where a root is mounted now."""
        with writing(self.folder):
            self._store.save(Manifest.read(self.folder).relocated(root, check_root(Path(path))))

    def close(self) -> None:
        """Close the files."""
        self._store.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.close()


def _refuse_other_weights(store: Store, model: str) -> None:
    weights, expected = zoo.resolve(model), store.manifest.model
    if weights.sha256 != expected.sha256:
        raise ModelMismatchError(
            f"{store.folder} was made with {expected.name} (sha256 {expected.sha256[:12]}...), not with {weights.name} "
            f"(sha256 {weights.sha256[:12]}...): models do not mix; choose another folder with --index"
        )
