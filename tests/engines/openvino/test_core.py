import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

from retrieval.engines.openvino.core import core

SCRIPT = """
import signal

import numpy as np
from tiny import tiny_network

from retrieval.engines.openvino.cache import convert
from retrieval.engines.openvino.engine import OpenVinoEngine

images = np.zeros((1, 32, 32, 3), np.uint8)
first, second = (OpenVinoEngine(convert(tiny_network()), precision="fp32") for _ in range(2))
first.run(images)
second.run(images)
del first
del second
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_is_noticed_after_networks_have_come_and_gone() -> None:
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_a_process_has_one() -> None:
    assert core() is core()
