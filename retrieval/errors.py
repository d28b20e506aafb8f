"""The whole exception tree: what the library raises and the command line turns into one line.

    RetrievalError
    ├── ArchiveError            a folder of photos is missing, empty, unmounted or unreadable
    ├── PhotoError              one photo cannot be read; `kind` groups the reasons
    ├── ModelError
    │   ├── UnknownModelError   no such name, repository or file
    │   ├── CheckpointError     a file that is no checkpoint, or one that cannot be represented
    │   └── DownloadError       the hub cannot be reached, or sent something else
    ├── IndexProblem
    │   ├── IndexNotFoundError  no index there, or more than one to choose from
    │   ├── IndexFormatError    broken, foreign or of a future format
    │   ├── IndexLockedError    another process is writing
    │   └── ModelMismatchError  made with other weights, precision or input size
    ├── QueryError              a question that has no answer: k below 1, an empty list of images
    └── DedupeError
        ├── PlanError           a plan that cannot be read, or contradicts itself
        └── RunError            a run over files that cannot begin, go on or be undone

Every message says what happened, to which file, and what to do next. Exceptions of other libraries are
translated where they are met: Pillow's in `decode`, the hub's in `models.hub`, SQLAlchemy's in `catalogue.database`.
"""

from typing import Literal

FailureKind = Literal[
    "unreadable",  # the file cannot be opened or read: permissions, disk errors, it vanished or changed meanwhile
    "empty",  # no bytes
    "not-a-photo",  # no decoder knows these bytes
    "unsupported",  # a known format or variant that cannot be decoded here
    "truncated",  # the file ends early
    "damaged",  # the decoder gave up
    "too-large",  # more pixels than the limit
    "no-embedding",  # the network's answer was not finite
]


class RetrievalError(Exception):
    """Base of everything this library raises on purpose."""


class ArchiveError(RetrievalError):
    """A folder of photos is missing, empty, unmounted or unreadable."""


class PhotoError(RetrievalError):
    """One photo cannot be read. `kind` is a short name to group by, the message the full reason."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind
        self.reason = reason


class ModelError(RetrievalError):
    """A network cannot be found, fetched or represented."""


class UnknownModelError(ModelError):
    """No such model name, hub repository or checkpoint file."""


class CheckpointError(ModelError):
    """A file that is no checkpoint, or one that this library cannot represent."""


class DownloadError(ModelError):
    """The hub cannot be reached, or what it sent is not what was asked for."""


class IndexProblem(RetrievalError):
    """An index cannot be used as it is."""


class IndexNotFoundError(IndexProblem):
    """There is no index at that place, or more than one to choose from."""


class IndexFormatError(IndexProblem):
    """The files of an index are broken, foreign or of a future format."""


class IndexLockedError(IndexProblem):
    """Another process is writing to the index."""


class ModelMismatchError(IndexProblem):
    """The index was made with other weights, another precision or another input size."""


class QueryError(RetrievalError):
    """A question that has no answer: k below 1, an empty list of images."""


class DedupeError(RetrievalError):
    """Duplicates cannot be found or dealt with."""


class PlanError(DedupeError):
    """A plan of removals that cannot be read, or that contradicts itself."""


class RunError(DedupeError):
    """A run that changes files cannot begin, go on or be undone."""


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; everything done until then is kept."""
