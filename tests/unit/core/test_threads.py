"""Threads, and being told to end."""

from __future__ import annotations

import contextlib
import signal

import pytest

from penstock.core.threads import Terminated, Worker, terminable


def test_sigterm_is_an_interrupt_in_here_and_what_it_was_outside():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as raised, terminable():
        signal.raise_signal(signal.SIGTERM)
    assert isinstance(raised.value, Terminated)
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_leave_the_signal_alone():
    found = []

    def look():
        with terminable():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    worker = Worker("look", look).start()
    assert worker.join(10_000_000)
    assert (worker.failure, found) == (None, [before])


def test_an_interrupt_that_was_lost_comes_again():
    with terminable() as interrupts:
        with contextlib.suppress(KeyboardInterrupt):  # as Python does where it finalises an object
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        interrupts.seen()
        interrupts.check()


def test_ctrl_c_is_what_it_was_outside():
    before = signal.getsignal(signal.SIGINT)
    with terminable():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
