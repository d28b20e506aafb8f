"""What a model is called: from a name, a hub repository or a path to a file of weights on this machine.

Names are pinned to the SHA-256 of their weights, so that one name always means the same network. Fetching is
left to `hub`, reading to `checkpoint`; neither torch nor the hub's client is loaded before it is needed.
"""

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from retrieval.errors import CheckpointError, DownloadError, Remedy, UnknownModelError
from retrieval.models import hub
from retrieval.models.digest import sha256 as sha256_of
from retrieval.models.hub import HubFile
from retrieval.models.known import ALIASES, AUTO, COMPACT, COMPACT_FILE, FLAGSHIP, HUB_MODELS, KnownModel

KNOWN: Mapping[str, str] = MappingProxyType({name: model.sha256 for name, model in HUB_MODELS.items()})
NAMES = (AUTO, *ALIASES, COMPACT, *KNOWN)
_OWNER = "birder-project"
_SUFFIXES = (".safetensors", ".pt")  # the first is preferred: it cannot carry code
_REVISION = r"refs/pr/\d+|[\w.-]+"
_HUB_URI = re.compile(
    rf"hf://(models/)?(?P<repository>[\w.-]+/[\w.-]+)(@(?P<early>{_REVISION}))?"
    rf"(/(?P<file>[^@\0]+))?(@(?P<late>{_REVISION}))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights that is here and has been checked."""

    name: str  # for people: the known name, or the file's name without its ending
    source: str  # what leads `resolve` to the same weights again
    path: Path
    sha256: str
    note: str = ""  # what a person should know: another model than the best was taken, and why


def resolve(model: str, *, download: bool = True) -> Weights:
    """Return the weights of a known name, of `hf://owner/repository[/file][@revision]`, or of a file.

    "auto" means the flagship, or the compact model of this package where the flagship cannot be had now.

    What is cached under a known name or a commit needs no network; without `download`, only what is on this
    machine is found. Raises UnknownModelError, DownloadError, and CheckpointError for an unreadable file.
    """
    model = ALIASES.get(model, model)
    if model == AUTO:
        return _best(download=download)
    if model == COMPACT:
        return _packaged()
    if model in KNOWN:
        return _known(model, download=download)
    if model.startswith("hf://"):
        return _from_hub(model, download=download)
    return _from_file(model)


def located(name: str) -> str:
    """Return where the weights of a known name are: a path, or "not downloaded"; asks no network."""
    path = hub.cached(HubFile(f"{_OWNER}/{name}", f"{name}.pt"))
    return str(path) if path else "not downloaded"


def packaged_facts() -> KnownModel | None:
    """Return what the compact model of this package is, read from its file's header; None where there is none."""
    if not COMPACT_FILE.is_file():
        return None
    from safetensors import safe_open

    with safe_open(COMPACT_FILE, framework="numpy") as file:
        metadata = file.metadata()
        parameters = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return KnownModel(
        sha256_of(COMPACT_FILE),
        input_size=json.loads(metadata["signature"])["inputs"][0]["data_shape"][2],
        parameters=parameters,
        classes=len(json.loads(metadata["class_to_idx"])),
        about="small and fast, works offline; its labels identify no species",
        label_kind="general" if metadata.get("label_kind") == "general" else "species",
    )


def _best(*, download: bool) -> Weights:
    try:
        return _known(FLAGSHIP, download=download)
    except DownloadError as error:
        if not COMPACT_FILE.is_file():
            raise
        note = f"using the compact model, whose labels identify no species, not the flagship: {error.what}"
        return replace(_packaged(), note=note)


def _packaged() -> Weights:
    if not COMPACT_FILE.is_file():
        raise UnknownModelError("this installation has no compact model", Remedy.OTHER_MODEL)
    return Weights(COMPACT, COMPACT, COMPACT_FILE, sha256_of(COMPACT_FILE))


def _known(name: str, *, download: bool) -> Weights:
    wanted, sha256 = HubFile(f"{_OWNER}/{name}", f"{name}.pt"), KNOWN[name]
    path = hub.cached(wanted)
    if path is None or sha256_of(path) != sha256:
        _require(wanted, download=download)
        path = hub.fetch(wanted, sha256=sha256)
    return Weights(name, name, path, sha256)


def _from_hub(uri: str, *, download: bool) -> Weights:
    wanted = _parse(uri, download=download)
    path = hub.cached(wanted)
    if path is None or (download and not _COMMIT.fullmatch(wanted.revision)):
        path = _latest(wanted, path, download=download)
    sha256 = sha256_of(path)
    if hub.stated_sha256(path) not in (None, sha256):
        _require(wanted, download=download)
        path = hub.fetch(wanted)
        sha256 = sha256_of(path)
    source = f"hf://{wanted.repository}@{hub.commit(path, wanted)}/{wanted.file}"
    return Weights(PurePosixPath(wanted.file).stem, source, path, sha256)


def _latest(wanted: HubFile, path: Path | None, *, download: bool) -> Path:
    """What a branch or tag means now, or when it was last seen if the hub gives no answer."""
    _require(wanted, download=download)
    try:
        return hub.fetch(wanted)
    except hub.UnreachableError:
        if path is None:
            raise
        return path


def _require(wanted: HubFile, *, download: bool) -> None:
    if not download:
        raise DownloadError(f"{wanted} is not on this machine, and downloads are off", Remedy.CHECKPOINT_OR_DOWNLOAD)


def _parse(uri: str, *, download: bool) -> HubFile:
    match = _HUB_URI.fullmatch(uri)
    if match is None or ".." in re.split("[/@]", uri):
        raise UnknownModelError(f"'{uri}' is not a hub address", Remedy.HUB_ADDRESS)
    repository, revision = match["repository"], match["early"] or match["late"] or "main"
    if match["file"] is not None:
        return HubFile(repository, match["file"], revision)
    return HubFile(repository, _only_checkpoint(repository, revision, download=download), revision)


def _only_checkpoint(repository: str, revision: str, *, download: bool) -> str:
    """The file named after the repository, as birder names them, or the only one that can be a checkpoint."""
    names = [name for name in hub.file_names(repository, revision, download=download) if name.endswith(_SUFFIXES)]
    for suffix in _SUFFIXES:
        if (named := repository.partition("/")[2] + suffix) in names:
            return named
    if len(names) == 1:
        return names[0]
    if not names:
        _require(HubFile(repository, "", revision), download=download)
    found = f"several: {', '.join(names)}" if names else "none"
    raise UnknownModelError(
        f"of .pt and .safetensors files, {repository} has {found}", Remedy.HUB_FILE, repository=repository
    )


def _from_file(model: str) -> Weights:
    try:
        path = Path(model).expanduser().absolute()
        exists = path.exists()
    except (RuntimeError, OSError):  # no such user's home; a name that no file can have
        raise _unknown(model) from None
    if not exists:
        raise _unknown(model)
    if not path.is_file():
        raise UnknownModelError(f"{path} is not a file", Remedy.CHECKPOINT_FILE)
    try:
        return Weights(path.stem, str(path), path, sha256_of(path))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}", Remedy.OTHER_MODEL) from error


def _unknown(model: str) -> UnknownModelError:
    if model.endswith(_SUFFIXES) or "/" in model or "\\" in model:
        if re.fullmatch(r"[\w.-]+/[\w.-]+", model):
            return UnknownModelError(f"there is no file {model}", Remedy.CHECKPOINT_OR_REPOSITORY, repository=model)
        return UnknownModelError(f"there is no file {model}", Remedy.OTHER_MODEL)
    close: Sequence[str] = difflib.get_close_matches(model, NAMES, n=1)
    what = f"'{model}' is neither a known model nor a file"
    if close:
        return UnknownModelError(what, Remedy.SIMILAR_MODEL, similar=close[0], known=", ".join(NAMES))
    return UnknownModelError(what, Remedy.KNOWN_MODEL, known=", ".join(NAMES))
