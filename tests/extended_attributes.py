"""Extended attributes for tests, where the file system has them."""

import os
from pathlib import Path

import pytest


def mark(path: Path, name: str, value: bytes) -> None:
    """Set an extended attribute, where that is possible."""
    try:
        os.setxattr(path, name, value)
    except (AttributeError, OSError):
        pytest.skip(f"no attribute {name} here")
