import subprocess
import sys

import pytest

from retrieval.engines import accelerator


def test_hidden_graphics_processors_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "darwin":
        pytest.skip("CUDA's variable does not hide Metal")
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert not accelerator._has_driver()


def test_without_a_driver_the_cpu_is_found_without_torch() -> None:
    """Loading torch only to learn that there is no GPU would cost every command a second."""
    if sys.platform == "darwin":
        pytest.skip("CUDA's variable does not hide Metal")
    script = (
        "import os, sys; os.environ['CUDA_VISIBLE_DEVICES'] = ''\n"
        "from retrieval.engines.accelerator import default_device\n"
        "print(default_device(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.split() == ["cpu", "False"]


def test_with_a_driver_torch_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieval.engines.torch.device import choose_device

    monkeypatch.setattr(accelerator, "_has_driver", lambda: True)
    assert accelerator.default_device() == choose_device("auto")
