"""Which engine runs a network: the first that serves the device and precision, or the one the user names."""

import importlib
from typing import TYPE_CHECKING, NamedTuple, cast

from retrieval.engines.accelerator import default_device
from retrieval.errors import ModelError, Remedy

if TYPE_CHECKING:  # the command line lists the engines' names: that must cost nothing
    from retrieval.engines.protocol import Engine, EngineModule
    from retrieval.models.lazy_checkpoint import LazyCheckpoint

AUTO = "auto"


class Entry(NamedTuple):
    """Where an engine is, and what it runs on."""

    module: str  # keeps `protocol.EngineModule`; imported when the engine is considered
    devices: tuple[str, ...]  # kinds: cpu, cuda, mps


ENGINES = {  # in the order in which "auto" prefers them; the last is for all that no other serves
    "openvino": Entry("retrieval.engines.openvino.engine", ("cpu",)),
    "torch": Entry("retrieval.engines.torch.engine", ("cpu", "cuda", "mps")),
}


def names() -> tuple[str, ...]:
    """Return what `engine` may be."""
    return (AUTO, *ENGINES)


def require(name: str) -> None:
    """Raise ModelError for a name that no engine has."""
    if name not in names():
        raise ModelError(f"there is no engine '{name}', only {', '.join(names())}", Remedy.OTHER_ENGINE)


def start(checkpoint: "LazyCheckpoint", *, engine: str = AUTO, device: str = AUTO, precision: str = AUTO) -> "Engine":
    """Load a network into the engine that serves it best here; see `engine_for`.

    Raises CheckpointError for weights that cannot be used, ModelError for what cannot be had on this machine.
    """
    name = engine_for(engine, device, precision)
    return module_of(name).start(checkpoint, device=device, precision=precision)


def engine_for(name: str, device: str, precision: str) -> str:
    """Return the name of the engine to use; "auto" is the first that serves device and precision.

    Raises ModelError for an engine that is unknown, cannot be loaded here or does not run on the device.
    """
    if name == AUTO:
        return _preferred(device, precision)
    require(name)
    devices = ENGINES[name].devices
    if device.partition(":")[0] not in (AUTO, *devices):
        raise ModelError(
            f"the engine {name} runs on {' or '.join(devices)}, not on '{device}'", Remedy.OTHER_ENGINE_OR_DEVICE
        )
    module_of(name)
    return name


def module_of(name: str) -> "EngineModule":
    """Import an engine; raises ModelError where it cannot be loaded here."""
    try:
        return cast("EngineModule", importlib.import_module(ENGINES[name].module))
    except ImportError as error:
        raise ModelError(
            f"the engine {name} cannot be loaded here ({error})", Remedy.INSTALL_ENGINE, engine=name
        ) from error


def _preferred(device: str, precision: str) -> str:
    kind = default_device() if device == AUTO else device.partition(":")[0]
    *preferred, last = ENGINES
    for name in preferred:
        if kind in ENGINES[name].devices:
            try:
                possible = module_of(name).precisions()
            except ModelError:
                continue
            if precision in (AUTO, *possible):
                return name
    return last
