"""How a network is run: one record from the command line to the engine. Loads no engine."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from retrieval.decode.picture import MAX_PIXELS
from retrieval.engines import registry
from retrieval.errors import QueryError

MOST_INPUT = 2048  # pixels of either side: 16,384 patches, and attention goes by the square of that


class RuntimeOptions(TypedDict, total=False):
    """The keyword arguments of Embedder, Index.create and Index.open that say how to run: the fields of Runtime."""

    engine: str
    device: str
    precision: str
    input_size: int | None
    batch_size: int | None
    workers: int | None
    max_pixels: int
    allow_truncated: bool
    notify: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a network is run, and photos are decoded for it.

    Raises QueryError for numbers that make no sense, ModelError for an unknown engine. Whether device and precision can
    be had, the engine says when it is started.
    """

    engine: str = registry.AUTO  # "auto", or a name that `engines.registry` has
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:N" or "mps"
    precision: str = "auto"  # "auto", "fp32", "bf16", "fp16" or, for an index alone, "int8"
    input_size: int | None = None  # pixels of either side; None for the network's own; an index keeps its size
    batch_size: int | None = None  # photos in one network pass; None for what suits the engine
    workers: int | None = None  # threads that read and decode; None for one a core
    max_pixels: int = MAX_PIXELS  # larger photos are not decoded
    allow_truncated: bool = False  # files that end early are read as far as they go
    notify: Callable[[str], None] = warnings.warn  # called with what a person should know

    def __post_init__(self) -> None:
        for name in ("engine", "device", "precision"):
            if not isinstance(getattr(self, name), str):
                raise QueryError(f"{name} is {getattr(self, name)!r}: it must be a name")
        for name in ("input_size", "batch_size", "workers", "max_pixels"):
            value = getattr(self, name)
            optional = name != "max_pixels"
            if not (value is None and optional) and (type(value) is not int or value < 1):
                raise QueryError(f"{name} is {value!r}: it must be a whole number from 1 on")
        if (self.input_size or 0) > MOST_INPUT:
            raise QueryError(f"input_size is {self.input_size:,}: it must be at most {MOST_INPUT:,} pixels")
        registry.require(self.engine)

    def with_options(self, **options: Unpack[RuntimeOptions]) -> "Runtime":
        """Return the same with some fields changed. Raises as a new one does."""
        return replace(self, **options)


DEFAULT_RUNTIME = Runtime()
