"""From an exception to one line for people and an exit code; only a bug of ours leaves a traceback, in a file."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from penstock.cli import terminal
from penstock.cli.trace import is_ours, user_error, user_frames
from penstock.control.protocol import Refused
from penstock.core import files
from penstock.core.errors import InvariantError, JobError, PenstockError
from penstock.core.where import Where, caller

FAILED, WRONG, INTERRUPTED, TERMINATED = 1, 2, 130, 143
CRASH = "crash.txt"
_EXPECTED = (PenstockError, OSError, MemoryError)


class Guard:
    """Turns what escapes from a command into a line on stderr and an exit code.

    Attributes:
        state: Where a crash is written: the state directory, once it is known.
    """

    def __init__(self) -> None:
        self.state = Path(".penstock")
        self._entry = caller()

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if failure is None or isinstance(failure, (SystemExit, GeneratorExit)):
            return
        raise SystemExit(self.report(failure)) from None

    def report(self, failure: BaseException) -> int:
        """Say what went wrong; the exit code."""
        if isinstance(failure, KeyboardInterrupt):
            terminal.tell("interrupted")
            return INTERRUPTED
        cause = _cause(failure)
        if isinstance(cause, Exception) and not isinstance(cause, _EXPECTED) and not is_ours(cause):
            terminal.error(str(user_error(cause)))
            return FAILED if isinstance(failure, JobError) else WRONG
        if not isinstance(cause, _EXPECTED) or isinstance(cause, InvariantError):
            self._crash(failure, cause)
            return FAILED
        if isinstance(cause, BrokenPipeError):
            terminal.error("nobody reads the standard output any more")
            return FAILED
        if isinstance(failure, PenstockError):
            if failure.where == self._entry:  # the innermost frame outside of this package is not the user's here
                failure.where = None
            terminal.error(str(failure))
            return failure.code if isinstance(failure, Refused) else failure.exit_code
        terminal.error(_operating(failure))
        return WRONG

    def _crash(self, failure: BaseException, cause: BaseException) -> None:
        report = terminal.redaction(_full(failure))
        path = self.state / CRASH
        try:
            files.make_directory(self.state)
            files.remove(path)
            with files.create(path) as file:
                files.write(file, report.encode())
        except OSError:
            terminal.tell(report)
            place = "above"
        else:
            place = f"in {path}"
        where = _users_line(failure)
        text = cause.message if isinstance(cause, PenstockError) else f"{type(cause).__name__}: {cause}"
        first = text.strip().splitlines()[0] if text.strip() else type(cause).__name__
        terminal.error(f"{f'{where}: ' if where else ''}this is a bug in Penstock: {first}")
        terminal.tell(f"\nThe traceback is {place}; please report it, with the pipeline if you can.")


def exit_now(code: int) -> None:
    """End the process at once, whatever its threads are doing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read it may be gone
            stream.flush()
    os._exit(code)


def _cause(failure: BaseException) -> BaseException:
    """What failed, under the JobError that the engine wraps around what it did not expect."""
    return failure.__cause__ if type(failure) is JobError and failure.__cause__ is not None else failure


def _operating(failure: BaseException) -> str:
    """What the world refused, on one line."""
    if isinstance(failure, MemoryError):
        return "there is not enough memory"
    if isinstance(failure, OSError) and failure.strerror:
        place = f": {failure.filename}" if failure.filename else ""
        return f"{failure.strerror}{place}"
    return f"{type(failure).__name__}: {failure}"


def _users_line(failure: BaseException) -> Where | None:
    if isinstance(failure, PenstockError) and failure.where is not None:
        return failure.where
    frames = user_frames(failure.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).name not in (Path(sys.argv[0]).name, "__main__.py")]
    return Where(Path(own[-1].filename).name, own[-1].lineno or 1) if own else None


def _full(failure: BaseException) -> str:
    head = [
        f"penstock {version('penstock') if _installed() else '(not installed)'}",
        f"python {platform.python_version()} on {platform.platform()}",
        f"command {' '.join(sys.argv[1:])}",
        "",
    ]
    return "\n".join(head) + "\n" + "".join(traceback.format_exception(failure))


def _installed() -> bool:
    from importlib.metadata import PackageNotFoundError

    try:
        version("penstock")
    except PackageNotFoundError:
        return False
    return True
