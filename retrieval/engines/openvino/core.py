"""OpenVINO's Core, which knows its devices and compiles networks: one for each process."""

import os
from functools import cache
from typing import Any

from retrieval.engines.openvino.without_telemetry import openvino


def core() -> Any:
    """Return the Core of this process, which lives as long as the process does.

    A Core moves the signal stack of the thread that made it into memory of its own, and when it ends it puts back the
    one it found, even where that was another Core's that has ended since. Python handles signals on that stack: after
    two Cores ended in the order in which they were made, Ctrl-C killed the process.
    """
    return _core_of(os.getpid())


@cache
def _core_of(_process: int) -> Any:
    """Return a Core for each process: threads of one that a parent made stay with the parent."""
    return openvino.Core()
