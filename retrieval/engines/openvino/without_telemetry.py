"""OpenVINO, imported so that it reports nothing to its makers: the only module that imports it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let imports of a module fail, unless it was imported before."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # what makes an import fail
    try:
        yield
    finally:
        del sys.modules[module]


# Importing OpenVINO sends an event and writes an identity into the home folder, whoever was not asked. It does
# neither where its reporter is not installed. An application that imported OpenVINO itself has had its own say.
with _without("openvino_telemetry"):
    import openvino
    from openvino import opset13

__all__ = ["openvino", "opset13"]
