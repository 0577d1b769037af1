"""The user's own line: a Python frame, a span of SQL, a line of YAML."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).resolve().parent.parent)
_TESTING = str(Path(_PACKAGE) / "testing")


@dataclass(frozen=True)
class Where:
    """A place in the user's text.

    Attributes:
        file: The file's name as the user would write it (without its folders).
        line: Line number, from 1.
        column: Column number from 1, if known (SQL and YAML).
        snippet: The line itself and a caret below the place, if known (SQL).
    """

    file: str
    line: int
    column: int | None = None
    snippet: str | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        column = f":{self.column}" if self.column is not None else ""
        return f"{self.file}:{self.line}{column}"


_PLACE: ContextVar[Where | None] = ContextVar("_PLACE", default=None)


@contextmanager
def standing_at(where: Where) -> Iterator[None]:
    """What is built in here was written at a place of a text, not by a line of Python."""
    token = _PLACE.set(where)
    try:
        yield
    finally:
        _PLACE.reset(token)


def caller() -> Where | None:
    """The line that the user wrote: a place of a text, else the innermost frame outside of this package."""
    place = _PLACE.get()
    if place is not None:
        return place
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE) and not file.startswith("<"):
            return Where(Path(file).name, frame.f_lineno)
        if file.startswith("<") and not file.startswith("<frozen") and file != "<string>":
            return Where(file, frame.f_lineno)
        frame = frame.f_back
    return None
