"""The whole exception tree: what the library raises and the command line turns into one line.

    RetrievalError
    ├── ArchiveError            a folder of photos is missing, empty, unmounted or unreadable
    │   └── ArchiveLockedError  another process is changing files in it
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
    ├── StorageError            a file cannot be written: the disk is full or read-only; an OSError, too
    └── DedupeError
        ├── PlanError           a plan that cannot be read or written, or contradicts itself
        └── RunError            a run cannot start, resume or be undone, or must leave a file alone
            └── JournalError    a run's journal cannot be written: nothing more may be changed

Every error says what happened and to which file, and carries what to do about it as data (`Remedy`): the message gives
that in the library's words, the command line in its own, with the names of its options. Exceptions of other libraries
are translated where they are met: Pillow's in `decode`, the hub's in `models.hub`, SQLAlchemy's in `catalogue`.
"""

from enum import Enum
from pathlib import Path
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


class Remedy(Enum):
    """What to do about an error; the value says it without the names of any edge's options.

    Braces name details that the error carries.
    """

    MAKE_INDEX = "index a folder of photos first"
    UPDATE_INDEX = "bring the index up to date"
    NEW_INDEX = "index into a new folder"
    OTHER_INDEX_FOLDER = "choose another folder for the index"
    REPAIR = "repair the index"
    REPAIR_AND_UPDATE = "repair the index, then bring it up to date, which embeds the photos again"
    RESTORE = "restore it from a backup"
    RESTORE_OR_NEW_INDEX = "restore it from a backup, or index into a new folder"
    UPGRADE = "upgrade retrieval"
    UPGRADE_OR_NEW_INDEX = "upgrade retrieval, or index into a new folder"
    WAIT = "wait for it, then run again"
    FREE_SPACE = "free some space on that disk and run again; what was done is kept"
    PERMISSIONS = "check the permissions of the folder"
    COPY_TO_WRITABLE = "copy the index to a disk that can be written, or check the permissions of the folder"
    COMPARE_WITH_BACKUP = "compare it with a backup: the disk may be failing"
    CHECK_DISK = "check the disk, or restore the index from a backup"
    NAME_FOLDER = "name a folder of photos"
    CHECK_PATH = "check the path, or mount the disk it is on"
    MOUNT = "mount its disk, then run again"
    MOUNT_WRITABLE = "mount it so that it can be written, or leave its files out of the plan"
    MOUNT_AND_CONTINUE = "mount its disk and run again; what was done is kept"
    MOUNT_OR_RELOCATE = (
        "mount its disk; or, if it has moved, say where root {root} is now; or name the folders to index"
    )
    MOUNT_OR_ALLOW_EMPTY = "mount its disk; or, if you did delete them all, allow the folder to be empty"
    OTHER_MODEL = "give another checkpoint"
    KNOWN_MODEL = "known are {known}; others are hf://owner/repository, or the path of a .pt or .safetensors file"
    SIMILAR_MODEL = (
        "did you mean {similar}? Known are {known}; others are hf://owner/repository, or the path of a .pt or "
        ".safetensors file"
    )
    CHECKPOINT_FILE = "give the path of a .pt or .safetensors file"
    CHECKPOINT_OR_REPOSITORY = "give the path of a checkpoint, or hf://{repository} for a repository of the hub"
    PLAIN_WEIGHTS = "only plain weights are read: get them as .safetensors, or give another checkpoint"
    REWRITE_HEAD = "delete it and bring the index up to date, which writes it again"
    SAME_MODEL_OR_NEW_INDEX = "give the weights that the index was made with, or index into a new folder"
    DOWNLOAD_AGAIN = "give another checkpoint, or download this one again"
    CHECKPOINT_OR_MIRROR = (
        "give a checkpoint file, set HF_ENDPOINT to a mirror, or fetch it once where there is a connection"
    )
    CHECKPOINT_OR_DOWNLOAD = "give a checkpoint file, or allow the download"
    FETCH_AGAIN = "fetch it again"
    HUB_ADDRESS = "write hf://owner/repository[/file][@revision]"
    HUB_FILE = "name one of its files, as hf://{repository}/FILE"
    HUB_FILES = "see its files at {page}"
    HUB_NAME_OR_LOGIN = "check its name; if it is private, log in with `hf auth login` or set HF_TOKEN"
    HUB_PERMISSION = "accept its conditions at {page}, then log in with `hf auth login` or set HF_TOKEN"
    HUB_SPACE = "free some space, or set HF_HUB_CACHE to a folder on another disk"
    CHECK_NAME = "check its name"
    OTHER_INPUT_SIZE = "choose a multiple of {patch}"
    OTHER_PRECISION = "choose another precision"
    OTHER_PRECISION_OR_CPU = "choose another precision, or the CPU"
    OTHER_PRECISION_OR_ENGINE = "choose another precision, or another engine"
    OTHER_ENGINE = "choose another engine"
    OTHER_ENGINE_OR_DEVICE = "choose another engine or device"
    INSTALL_ENGINE = "install it (`pip install {engine}`), or choose another engine"
    OTHER_DEVICE = "choose another device, or the CPU"
    CPU = "choose the CPU"
    CPU_OR_OTHER_PRECISION = "choose the CPU, or another precision"
    FORK_EARLIER = "start processes by spawn or forkserver, or fork before the network is first used"
    FORK_UNUSED = "start processes by spawn or forkserver, or fork while the index is not in use"
    AGAIN_OR_CPU = "run again, or choose the CPU; what was done is kept"
    FREE_MEMORY_OR_CPU = "close what else uses it, or choose the CPU"
    RESTORE_NETWORK = "restore int8.json, int8.xml and int8.bin from a backup, or index into a new folder"
    CALIBRATE = "make an index with precision int8, or choose another precision"
    MORE_PHOTOS_OR_PRECISION = "add more folders, or index into a new folder with another precision"
    LIST_SPECIES = "list the species that there are; a pattern such as '*warbler*' stands for many"
    FIND_AGAIN = "find the duplicates again"
    UPGRADE_OR_FIND_AGAIN = "upgrade retrieval, or find the duplicates again"
    EDIT_PLAN = "correct the plan, or find the duplicates again; nothing was changed"
    RESTORE_VALUE = "restore the original value, or delete the row"
    RESTORE_COLUMNS = "restore them, or find the duplicates again; to see fewer columns, hide them"
    OTHER_FILE_NAME = "choose another name, or delete that file first"
    OTHER_MODE = "choose another way to remove the files"
    UPDATE_AND_FIND_AGAIN = "bring the index up to date, then find the duplicates again"
    RESTORE_OR_GIVE_UP_RUN = "restore it from a backup; or move it elsewhere, after which that run cannot be undone"
    OTHER_HOLDING_FOLDER = "choose another holding folder"
    HOLD_INSTEAD = "move it to a holding folder instead"
    EXACT_ONLY = "remove exact copies alone that way, or move the files to a holding folder"
    RESUME_OR_UNDO = "run again, or undo, once that is fixed"
    MOUNT_AND_UNDO = "mount its disk, then undo again"
    MAKE_ROOM_AND_UNDO = "move that file elsewhere, then undo again"
    MOVE_BACK_BY_HAND = "move it back yourself if you want it as it is now, else restore the original from a backup"
    SEPARATE_BY_HAND = "copy it, and replace it by the copy, if it must be a file apart from its keeper"
    PUT_BACK_FROM_TRASH = "put it back from there"
    RUN_AS_OWNER = "run as that user or as an administrator, or choose a holding folder on the same disk"
    LIST_RUNS = "list the runs and choose one of them"
    INDEX_REFERENCE = "check its name, or index that folder first"
    KEEP_RULES = "choose among {rules}"
    FORMAT_RULE = "write formats as in format:raw>heic>jpg"


class RetrievalError(Exception):
    """Base of everything this library raises on purpose.

    `what` says what happened and to which file; `remedy` what to do, with its `details` by name. The message is both.
    """

    def __init__(self, what: str, remedy: Remedy | None = None, **details: object) -> None:
        super().__init__(what if remedy is None else f"{what}: {remedy.value.format_map(details)}")
        self.what = what
        self.remedy = remedy
        self.details = details


class ArchiveError(RetrievalError):
    """A folder of photos is missing, empty, unmounted or unreadable."""


class ArchiveLockedError(ArchiveError):
    """Another process is changing files in a folder of photos, or in one that holds it or lies in it."""


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


class StorageError(RetrievalError, OSError):
    """A file cannot be written. `filename`, `errno` and `strerror` are those of the OSError that it comes from."""

    def __init__(self, path: Path, errno: int | None, reason: str, remedy: Remedy | None) -> None:
        super().__init__(f"{path} cannot be written: {reason}", remedy)
        self.errno, self.strerror, self.filename = errno, reason, str(path)

    def __str__(self) -> str:
        return str(self.args[0])


class DedupeError(RetrievalError):
    """Duplicates cannot be found or removed."""


class PlanError(DedupeError):
    """A plan of removals cannot be read or written, or contradicts itself."""


class RunError(DedupeError):
    """A run that changes files cannot start, resume or be undone, or must leave a file alone."""


class JournalError(RunError):
    """The journal of a run cannot be written: nothing more may be changed."""


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; everything done until then is kept."""
