"""The one way to start another process: a child with its output in a file, that can be killed, paused, waited for."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Child:
    """A process that was started.

    Args:
        command: The program and its arguments; no shell is involved.
        log: Where its output goes, both streams, added at the end.
        environment: What its environment has besides that of this process.
        folder: Where it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def wait(self, timeout_us: int | None = None) -> int | None:
        """Wait for its end: its exit code (negative: the signal that ended it), or None if it still runs."""
        try:
            return self._process.wait(None if timeout_us is None else timeout_us / 1e6)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it at once: it can do nothing about it."""
        self._send(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it where it is, until `resume`."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._send(signal.SIGCONT)

    def interrupt(self) -> None:
        """As Ctrl-C."""
        self._send(signal.SIGINT)

    def _send(self, what: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(what)
