"""Which signals the command line takes over, and that it gives them back."""

import os
import signal
import threading

import pytest

from elasticluster.cli.app import main
from elasticluster.cli.signals import Interruptions

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handlers():
    return [signal.getsignal(number) for number in ALL]


@pytest.fixture
def ignoring_hangups():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def heeding_interrupts():
    """Be like a program in the foreground, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [*zip(ALL, (130, 143, 129), strict=True)])
def test_first_signal_is_a_keyboard_interrupt_and_gives_the_exit_status(number, status, capfd):
    before = handlers()
    with pytest.raises(KeyboardInterrupt), Interruptions() as interruptions:
        os.kill(os.getpid(), number)
    assert interruptions.status == status
    assert handlers() == before
    assert "press Ctrl-C again to end at once" in capfd.readouterr().err


def test_later_hangups_do_not_end_the_program():
    with Interruptions():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)


def test_second_signal_ends_the_program_at_once():
    child = os.fork()
    if not child:
        with Interruptions():
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 143


def test_signals_that_are_to_be_ignored_stay_so(ignoring_hangups):
    with Interruptions():
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGHUP)


def test_nothing_is_taken_over_outside_of_the_main_thread():
    seen = []

    def work():
        with Interruptions():
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handlers()]


def test_command_line_that_is_called_from_python_gives_signals_back(tmp_path, capsys):
    before = handlers()
    assert main(["-s", str(tmp_path), "list"]) == 0
    assert handlers() == before
