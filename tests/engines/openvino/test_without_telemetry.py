import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

SCRIPT = """
import sys
from retrieval.engines.openvino.without_telemetry import openvino
assert "openvino_telemetry" not in sys.modules
openvino.Core()
assert hasattr(openvino, "convert_model"), "nothing else is taken away"
assert "torch" not in sys.modules
import openvino_telemetry  # stays there for whoever wants it
"""


def test_importing_it_reports_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    environment |= {"HOME": str(home), "LOCALAPPDATA": str(home), "USERPROFILE": str(home)}
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, timeout=100)
    assert list(home.iterdir()) == []


def test_what_was_imported_before_is_left_alone() -> None:
    script = (
        "import sys, types; reporter = sys.modules['openvino_telemetry'] = types.ModuleType('openvino_telemetry')\n"
        "reporter.Telemetry = object\n"
        "from retrieval.engines.openvino.without_telemetry import _without\n"
        "with _without('openvino_telemetry'):\n"
        "    assert sys.modules['openvino_telemetry'] is reporter\n"
        "assert sys.modules['openvino_telemetry'] is reporter\n"
        "with _without('of that name there is nothing'):\n"
        "    try:\n"
        "        __import__('of that name there is nothing')\n"
        "    except ImportError:\n"
        "        pass\n"
        "assert 'of that name there is nothing' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)
