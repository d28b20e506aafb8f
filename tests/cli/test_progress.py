import signal

import pytest

from retrieval.cli.progress import LABELS, shown
from retrieval.errors import Interrupted
from retrieval.records import Progress


def test_the_first_ctrl_c_stops_at_the_next_batch_and_the_second_at_once(capsys):
    before = signal.getsignal(signal.SIGINT)
    with shown(False) as show:
        show(Progress("embedding", 1, 2))
        signal.raise_signal(signal.SIGINT)
        assert "Ctrl-C again" in capsys.readouterr().err
        with pytest.raises(Interrupted):
            show(Progress("embedding", 2, 2))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("total", [None, 7])
def test_every_phase_can_be_drawn_on_stderr(capsys, total):
    with shown(True) as show:
        for phase in LABELS:
            show(Progress(phase, 3, total, failed=2))
    assert capsys.readouterr().out == ""


def test_where_nothing_is_drawn_stderr_stays_empty(capsys):
    with shown(False) as show:
        show(Progress("scanning", 1, None))
    assert capsys.readouterr() == ("", "")
