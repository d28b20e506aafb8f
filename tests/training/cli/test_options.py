import signal

import pytest

from retrieval.training.cli.options import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_the_second_interrupts(number):
    before = signal.getsignal(number)
    with stop_on_signals() as asked:
        assert not asked
        signal.raise_signal(number)
        assert asked == [number]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before
