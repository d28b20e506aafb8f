"""Files of the model hub, found in the user's own cache or fetched into it; which file is meant is `zoo`'s.

The only module that knows huggingface_hub: its cache, mirror, proxy, token and offline settings apply as they
are, and its exceptions are translated here.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from retrieval.errors import DownloadError, ModelError, Remedy, UnknownModelError
from retrieval.models.digest import sha256 as sha256_of

_LISTING_TIMEOUT_S = 10.0  # as the client's own for a file's metadata


class UnreachableError(DownloadError):
    """The hub gave no answer that is about the file: another try, another place or the cache may have it."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of one repository."""

    repository: str  # "owner/name"
    file: str  # path within the repository
    revision: str = "main"  # branch, tag or commit

    def __str__(self) -> str:
        return f"{self.repository}/{self.file}".rstrip("/")


def cached(wanted: HubFile) -> Path | None:
    """Return the file in the user's cache, if it is there; asks no network, and loads no HTTP library."""
    snapshot = _snapshot(wanted.repository, wanted.revision)
    path = snapshot / wanted.file if snapshot else None
    return path if path is not None and path.is_file() else None


def commit(path: Path, wanted: HubFile) -> str:
    """Return the commit that a cached file belongs to: the cache's layout is `snapshots/<commit>/<file>`."""
    return path.parents[wanted.file.count("/")].name


def stated_sha256(path: Path) -> str | None:
    """Return what the hub said a cached file's SHA-256 is: the cache names the content of large files after it."""
    return _as_sha256(path.resolve().name)


def fetch(wanted: HubFile, *, sha256: str | None = None) -> Path:
    """Return the file in the user's cache, downloaded if necessary, and whole.

    `sha256` is what it must be; without it, what the hub states for large files. Raises UnknownModelError if
    the hub has no such file, UnreachableError if it gives no answer, DownloadError if anything else fails.
    """
    client = _client()
    with _translated(wanted):
        url = client.hf_hub_url(wanted.repository, wanted.file, revision=wanted.revision)
        stated = client.get_hf_file_metadata(url, timeout=client.constants.HF_HUB_ETAG_TIMEOUT)
    if sha256 and _as_sha256(stated.etag) not in (None, sha256):
        raise DownloadError(
            f"{wanted} on {_endpoint()} is not the file that this version knows (SHA-256 {stated.etag}); nothing was "
            "downloaded",
            Remedy.CHECKPOINT_OR_MIRROR,
        )
    expected = sha256 or _as_sha256(stated.etag)
    old = cached(replace(wanted, revision=stated.commit_hash or wanted.revision))
    if old is None:
        _check_space(wanted, stated.size or 0)
    with _translated(wanted):
        # The cache only knows names and sizes, so content that is not as stated has to be replaced by force.
        spoilt = old is not None and expected is not None and sha256_of(old) != expected
        path = client.hf_hub_download(wanted.repository, wanted.file, revision=wanted.revision, force_download=spoilt)
    if expected is not None and sha256_of(Path(path)) != expected:
        raise DownloadError(
            f"{wanted} arrived damaged from {_endpoint()} and is not used: its SHA-256 is not {expected}",
            Remedy.FETCH_AGAIN,
        )
    return Path(path)


def file_names(repository: str, revision: str, *, download: bool) -> list[str]:
    """Return all files of a repository or, without `download` or an answer, those that are in the cache."""
    local = _snapshot(repository, revision)
    here = [path.relative_to(local).as_posix() for path in sorted(local.rglob("*"))] if local else []
    if not download:
        return here
    client = _client()
    try:
        with _translated(HubFile(repository, "", revision)):
            info = client.HfApi().model_info(repository, revision=revision, timeout=_LISTING_TIMEOUT_S)
    except UnreachableError:
        if here:
            return here
        raise
    return [sibling.rfilename for sibling in info.siblings or []]


def _client() -> ModuleType:
    """The client library, loaded on first use, and silent about it unless the user wants otherwise."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # its documented switch, read when it is imported
    import huggingface_hub.constants  # small: what lists and fetches is loaded when it is first named

    return huggingface_hub


def _errors() -> ModuleType:
    _client()
    from huggingface_hub import errors

    return errors


def _snapshot(repository: str, revision: str) -> Path | None:
    folder = Path(_client().constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    try:
        reference = folder / "refs" / revision
        commit = reference.read_text(encoding="ascii").strip() if reference.is_file() else revision
        snapshot = folder / "snapshots" / commit
        return snapshot if snapshot.is_dir() else None
    except (OSError, ValueError):  # a cache that may not be read, or is broken, has nothing
        return None


def _as_sha256(etag: str | None) -> str | None:
    """An ETag is the SHA-256 of a large file, but the git hash of a small one."""
    return etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else None


def _check_space(wanted: HubFile, size: int) -> None:
    cache = Path(_client().constants.HF_HUB_CACHE)
    existing = next(folder for folder in (cache, *cache.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if free < size:
        raise DownloadError(
            f"{wanted} takes {size / 1e6:.0f} MB, but only {free / 1e6:.0f} MB are free in {cache}",
            Remedy.HUB_SPACE,
        )


@contextmanager
def _translated(wanted: HubFile) -> Iterator[None]:
    errors = _errors()
    # OSError: files and answers; ValueError: names that the client refuses; RuntimeError: its accelerator;
    # the rest: connections, by whichever HTTP library this version of the client is built on.
    foreign = (OSError, ValueError, RuntimeError, *errors.HfHubHTTPError.__bases__)
    try:
        yield
    except ModelError:
        raise
    except foreign as error:
        raise _translation(error, wanted) from error


def _translation(error: Exception, wanted: HubFile) -> ModelError:
    errors, repository = _errors(), wanted.repository
    if isinstance(error, errors.GatedRepoError):
        return DownloadError(
            f"{repository} asks for permission",
            Remedy.HUB_PERMISSION,
            page=f"{_endpoint()}/{repository}",
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return UnknownModelError(
            f"there is no repository {repository} at {_endpoint()} that you may read", Remedy.HUB_NAME_OR_LOGIN
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UnknownModelError(f"{repository} has no revision {wanted.revision}", Remedy.CHECK_NAME)
    if isinstance(error, errors.OfflineModeIsEnabled) or _client().constants.HF_HUB_OFFLINE:
        return UnreachableError(f"{wanted} is not in the cache, and HF_HUB_OFFLINE is set", Remedy.CHECKPOINT_OR_MIRROR)
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        page = f"{_endpoint()}/{repository}/tree/main"
        return UnknownModelError(f"{repository} has no file {wanted.file}", Remedy.HUB_FILES, page=page)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(
            f"the disk of {_client().constants.HF_HUB_CACHE} is full, {wanted} needs more", Remedy.HUB_SPACE
        )
    reason = (str(error) or type(error).__name__).partition("\n")[0]
    return UnreachableError(f"cannot fetch {wanted} from {_endpoint()} ({reason})", Remedy.CHECKPOINT_OR_MIRROR)


def _endpoint() -> str:
    return str(_client().constants.ENDPOINT)
