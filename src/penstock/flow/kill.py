"""Switches that end streams from outside."""

from __future__ import annotations

from typing import Any, Protocol

from penstock.flow.errors import StreamAbortedError
from penstock.flow.home import Thread


class Interrupted(Protocol):
    """What a switch stands in."""

    def interrupt(self) -> None:
        """End the pull that is under way."""
        ...


class KillSwitch:
    """Ends streams from outside: `shutdown` lets them complete, `abort` lets them fail.

    One switch may stand in several streams (`source.kill_switch(switch)`); each run has one of its own for its sources.
    Elements that were past the switch still go their way. Thrown once, it stays so.
    """

    def __init__(self) -> None:
        self.thrown = False
        self.failure: Exception | None = None
        self.listeners: set[Interrupted] = set()
        self.thread = Thread()

    def shutdown(self) -> None:
        """End the input as if it had completed; what is under way is finished."""
        self._throw(None)

    def abort(self, failure: Exception | None = None) -> None:
        """End the input with an error, `StreamAbortedError` unless another one is given."""
        self._throw(failure or StreamAbortedError("the stream was aborted by its kill switch"))

    def _throw(self, failure: Exception | None) -> None:
        if not self.thrown:
            if self.listeners:
                self.thread.check("the kill switch")
            self.thrown, self.failure = True, failure
            for listener in list(self.listeners):
                listener.interrupt()

    def end(self) -> list[Any]:
        """What a pull answers behind a switch that was thrown."""
        if self.failure is not None:
            raise self.failure
        return []
