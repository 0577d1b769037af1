"""A text of SQL as a place: offsets become lines and columns, and errors show the line with a caret."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError, nearest
from penstock.core.where import Where

_WIDEST = 160


@dataclass(frozen=True, eq=False)
class Text:
    """What the user wrote.

    Attributes:
        sql: The text.
        file: What it is called in messages: the name of its file, or `<sql>`.
    """

    sql: str
    file: str = "<sql>"

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(i + 1 for i, letter in enumerate(self.sql) if letter == "\n")]

    def where(self, at: int, end: int | None = None) -> Where:
        """The place of an offset, with the line and a caret below it."""
        at = min(max(at, 0), len(self.sql))
        line = bisect_right(self._starts, at)
        start = self._starts[line - 1]
        column = at - start
        source = self.sql[start:].split("\n", 1)[0].rstrip("\r").replace("\t", " ")
        width = max(1, min((end or at + 1) - at, len(source) - column))
        first = max(0, column - _WIDEST + 40)
        shown = source[first : first + _WIDEST]
        caret = " " * (column - first) + "^" * min(width, max(1, len(shown) - column + first))
        return Where(self.file, line, column + 1, snippet=f"{shown}\n{caret}")

    def error(self, message: str, at: int, end: int | None = None, *, hint: str | None = None) -> PlanError:
        """A mistake at a place."""
        return PlanError(message, where=self.where(at, end), hint=hint)

    def unsupported(
        self, message: str, at: int, end: int | None = None, *, hint: str | None = None
    ) -> UnsupportedError:
        """Something that is not offered, at a place."""
        return UnsupportedError(message, where=self.where(at, end), hint=hint)

    def unknown(
        self, kind: str, name: str, known: list[str], at: int, *, inside: str | None = None, hint: str | None = None
    ) -> UnknownNameError:
        """A name that does not exist, at a place, with the nearest that does."""
        if name not in known and name.lower() in {one.lower() for one in known}:
            hint = hint or "names are case-sensitive"
        found = nearest(name, known)
        return UnknownNameError(
            kind, name, known, inside=inside, where=self.where(at, at + len(name)), hint=hint if found or hint else None
        )
