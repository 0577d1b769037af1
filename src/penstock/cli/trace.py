"""Whose line failed: a user's own, which is shown, or one of ours, which is a bug."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import penstock
from penstock.api.planned import PLANNED
from penstock.core.errors import PenstockError, PlanError
from penstock.core.where import Where

_PACKAGE = str(Path(penstock.__file__).resolve().parent)
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_LINES = 8


class UserCodeError(PlanError):
    """The user's own code failed while a pipeline was made of it.

    Attributes:
        lines: The user's lines that led there, the failing one last, each with its place.
    """

    def __init__(self, message: str, where: Where | None, lines: list[str], hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.lines = lines

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        lines = "".join(f"\n\n{line}" if i == 0 else f"\n{line}" for i, line in enumerate(self.lines))
        return f"{place}{self.message}{lines}" + (f"\n\nhint: {self.hint}" if self.hint else "")


@contextmanager
def user_code() -> Iterator[None]:
    """What fails in here in the user's own code becomes a `UserCodeError`; what fails in ours stays what it is.

    Raises:
        UserCodeError: If the user's code failed, or does not parse.
        PlanError: If it built a plan that cannot be.
    """
    try:
        yield
    except PenstockError as refused:
        raise refused.at(_last_place(refused.__traceback__))  # noqa: B904  (the same error, with the user's line)
    except SyntaxError as failure:
        raise _unparsable(failure) from failure
    except SystemExit as failure:
        frames = user_frames(failure.__traceback__)
        raise UserCodeError("the file ends the program while it is loaded", _place(frames), _shown(frames)) from failure
    except Exception as failure:
        if is_ours(failure):
            raise
        raise user_error(failure) from failure


def user_error(failure: BaseException) -> UserCodeError:
    """An exception of the user's own code, as it is shown."""
    frames = user_frames(failure.__traceback__)
    text = str(failure)
    message = f"{type(failure).__name__}: {text}" if text else type(failure).__name__
    planned = _planned(failure, text)
    if planned is not None:
        message = f"{message}: it is planned and not offered yet"
    return UserCodeError(message, _place(frames), _shown(frames), planned)


def _planned(failure: BaseException, text: str) -> str | None:
    """What there is in the place of a name of ours that an import did not find, if it is planned."""
    if not isinstance(failure, ImportError):
        return None
    found = re.match(r"cannot import name '(\w+)' from 'penstock'|No module named 'penstock\.(\w+)'", text)
    return PLANNED.get(found[1] or found[2]) if found else None


def is_ours(failure: BaseException) -> bool:
    """Whether an exception came out of our code, called by the user's or not, or out of a library that we called."""
    for frame in reversed(traceback.extract_tb(failure.__traceback__)):
        if frame.filename.startswith(_PACKAGE):
            # The line of ours that called the user's code is not the line that failed.
            return True
        if _is_users(frame.filename):
            return False
    return True


def user_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """The frames of a traceback that lie in the user's own files, the innermost last."""
    return [frame for frame in traceback.extract_tb(trace) if _is_users(frame.filename)]


def _is_users(file: str) -> bool:
    if file.startswith(("<", _PACKAGE)):
        return False
    return not any(file.startswith(folder) for folder in _INSTALLED) and "site-packages" not in file


def _last_place(trace: TracebackType | None) -> Where | None:
    return _place(user_frames(trace))


def _place(frames: list[traceback.FrameSummary]) -> Where | None:
    return Where(Path(frames[-1].filename).name, frames[-1].lineno or 1) if frames else None


def _shown(frames: list[traceback.FrameSummary]) -> list[str]:
    return [f"  {Path(f.filename).name}:{f.lineno}: {(f.line or '').strip()}" for f in frames[-_LINES:]]


def _unparsable(failure: SyntaxError) -> UserCodeError:
    name, line = failure.filename or "<text>", failure.lineno or 1
    text = (failure.text or linecache.getline(name, line)).rstrip("\n")
    kept = text.lstrip()
    shown = [f"  {kept}"] if kept else []
    if shown and failure.offset:
        shown.append("  " + " " * max(0, failure.offset - 1 - (len(text) - len(kept))) + "^")
    return UserCodeError(failure.msg, Where(Path(name).name, line), shown)
