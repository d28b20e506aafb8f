"""Which engine runs a network: OpenVINO on CPUs, torch on everything else, or what the user says."""

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.engines.openvino.calibrated import Kept
from retrieval.errors import CheckpointError, ModelError
from retrieval.models.head import HEAD_NAME, Head
from retrieval.models.known import LabelKind
from retrieval.models.transform import InputTransform
from retrieval.models.zoo import Weights

if TYPE_CHECKING:  # comes with torch
    from retrieval.models.checkpoint import Checkpoint

Floats = NDArray[np.float32]
ENGINES = ("auto", "torch", "openvino")
INT8 = "int8"


class Engine(Protocol):
    """A network that is ready to run."""

    @property
    def device(self) -> str:
        """Where it runs: cpu, cuda, cuda:N or mps."""

    @property
    def precision(self) -> str:
        """The arithmetic of its matrix products."""

    @property
    def transform(self) -> InputTransform:
        """What it takes."""

    @property
    def batch_size(self) -> int:
        """How many images a run should have."""

    @property
    def batches_ahead(self) -> int:
        """How many batches to submit beyond the one whose answer is waited for: 0 where that gains nothing."""

    def expect(self, images: int, batch_size: int) -> None:
        """Say that so many images will come, in batches of this size."""

    def run(self, images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Features (n, d), not normalised, and logits (n, classes) of RGB images (n, height, width, 3)."""

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Callable[[], tuple[Floats, Floats]]:
        """Begin a run of images, each (height, width, 3), and return the function that waits for its answer."""


class Started(NamedTuple):
    """A network in its engine, and what else its file told."""

    engine: Engine
    head: Head
    label_kind: LabelKind


def start(weights: Weights, *, engine: str = "auto", device: str = "auto", precision: str = "auto") -> Started:
    """Load a network into the engine that serves it best here; see `choose`. torch is imported only if that needs it.

    Raises CheckpointError for weights that cannot be used, ModelError for what cannot be had on this machine.
    """
    if choose(engine, device, precision) == "torch":
        from retrieval.engines.torch.engine import TorchEngine
        from retrieval.models import checkpoint

        loaded = checkpoint.load(weights.path)
        return Started(TorchEngine(loaded, device=device, precision=precision), Head.of(loaded), loaded.label_kind)
    from retrieval.engines.openvino.cache import converted
    from retrieval.engines.openvino.engine import OpenVinoEngine

    network = converted(weights.sha256, partial(_checkpoint, weights.path))
    return Started(OpenVinoEngine(network, precision=precision), network.head, network.label_kind)


def start_kept(kept: Kept, weights: Callable[[], Weights], *, engine: str = "auto", device: str = "auto") -> Started:
    """Start the network in int8 that was calibrated for an index; `weights` serve only where its head was lost.

    Raises IndexFormatError if its files are not as they were, ModelError where OpenVINO is not to be had.
    """
    _require_cpu(engine, device)
    from retrieval.engines.openvino.calibrated_files import read
    from retrieval.engines.openvino.engine import OpenVinoEngine

    def head() -> Head:
        try:
            return Head.load(kept.folder / HEAD_NAME)
        except CheckpointError:
            return Head.of(_checkpoint(weights().path))

    network = read(kept, head)
    return Started(OpenVinoEngine(network, precision=INT8), network.head, network.label_kind)


def require_int8(engine: str, device: str) -> None:
    """Raise ModelError unless a new index can be made in int8 here, and should be."""
    _require_cpu(engine, device)
    if device == "auto" and _accelerated():
        raise ModelError(
            "int8 runs on the CPU, and the GPU here is faster: leave --precision out, or add --device cpu."
        )


def _require_cpu(engine: str, device: str) -> None:
    if device not in ("auto", "cpu"):
        raise ModelError(f"int8 runs on the CPU, not on '{device}'. Choose --device cpu, or another precision.")
    if engine not in ("auto", "openvino"):
        raise ModelError(f"int8 runs through OpenVINO, not '{engine}'. Choose --engine openvino, or another precision.")
    if not _possible():
        raise ModelError(
            "int8 runs through OpenVINO, which cannot be loaded here: install it (`pip install openvino`), or choose "
            "another precision."
        )


def choose(engine: str, device: str, precision: str) -> str:
    """Return "openvino" or "torch"; "auto" is OpenVINO on a CPU wherever it can do what is asked, else torch.

    Raises ModelError if OpenVINO is asked for what it cannot do.
    """
    if engine not in ENGINES:
        raise ModelError(f"There is no engine '{engine}'. Choose one of: {', '.join(ENGINES)}.")
    if engine == "openvino":
        if device not in ("auto", "cpu"):
            raise ModelError(
                f"OpenVINO runs on the CPU here, not on '{device}'. Choose --device cpu, or --engine torch."
            )
        if not _possible():
            raise ModelError("OpenVINO cannot be loaded here: install it (`pip install openvino`), or --engine torch.")
        return engine
    if engine == "torch" or device not in ("auto", "cpu") or (device == "auto" and _accelerated()):
        return "torch"
    possible = _possible()
    return "openvino" if precision in possible or (possible and precision == "auto") else "torch"


def _possible() -> tuple[str, ...]:
    """The precisions that OpenVINO offers; none where there is no OpenVINO."""
    try:
        from retrieval.engines.openvino.engine import precisions
    except ImportError:
        return ()
    return precisions()


def _accelerated() -> bool:
    """Whether "auto" is another device than the CPU. Loads torch only where that may be."""
    if not _may_be_accelerated():
        return False
    from retrieval.engines.torch.device import choose_device

    return choose_device("auto") != "cpu"


def _may_be_accelerated() -> bool:
    """Whether there is a driver that torch could use."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()  # AMD's driver
    return True


def _checkpoint(path: Path) -> "Checkpoint":
    from retrieval.models import checkpoint

    return checkpoint.load(path)
