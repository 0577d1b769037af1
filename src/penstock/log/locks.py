"""Locks between processes: for good manners, and for one writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from penstock.core import files, positioned
from penstock.core.clock import Clock, Signal
from penstock.core.errors import SinkLost, StateError
from penstock.core.threads import lock

WAIT_US = 30_000_000
POLL_US = 500


class ProcessLock:
    """A lock that one thread of one process holds; it ends with the process.

    Args:
        path: The file that is locked; made if it is missing. It says which process holds it.
        clock: Measures how long to wait.
        doing: What the holder does, for the message.
    """

    def __init__(self, path: Path, clock: Clock, doing: str) -> None:
        self._path, self._clock, self._doing = path, clock, doing
        self._file: BinaryIO | None = None
        self._mutex = lock()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock.

        Raises:
            SinkLost: If another process does not let it go.
            StateError: If the directory was removed or replaced meanwhile.
            OSError: If the file cannot be used.
        """
        with self._mutex:
            file = self._open()
            self._wait(file)
            try:
                if not positioned.is_named(file, self._path):
                    # Others lock another file: this lock protects nothing.
                    raise StateError(
                        f'"{self._path.parent}" was removed or replaced while it was open', hint="open the log again"
                    )
                positioned.write_at(file, 0, b"%-20d" % files.process())
                yield
            finally:
                positioned.unlock(file)

    def _open(self) -> BinaryIO:
        if self._file is None:
            if files.kind(self._path) is None:
                with contextlib.suppress(FileExistsError):  # another process was faster
                    files.create(self._path).close()
            self._file = positioned.open_update(self._path)
        return self._file

    def _wait(self, file: BinaryIO) -> None:
        begun = self._clock.monotonic()
        while not positioned.lock_exclusively(file):
            if self._clock.monotonic() - begun > WAIT_US:
                holder = positioned.read_at(file, 0, 20).decode("ascii", "replace").strip() or "?"
                raise SinkLost(
                    f'the process {holder} has been {self._doing} "{self._path.parent}" for {WAIT_US // 1_000_000} s',
                    hint="it is stopped, or it hangs: end it",
                )
            self._clock.wait(Signal(), POLL_US)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
