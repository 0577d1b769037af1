"""The exceptions of Penstock.

    PenstockError
    ├── PlanError                 a definition cannot mean anything; exit code 2
    │   ├── UnknownNameError      a column, function, verb or option that does not exist
    │   └── UnsupportedError      it means something that is not offered (yet); says which and why
    ├── StartError                a source, sink or setting is not there at the start; exit code 2
    └── JobError                  a running pipeline failed; exit code 1
        ├── SourceError           input cannot be read
        │   └── SourceLost        the source cannot be reached now
        ├── SinkError             output cannot be written
        │   └── SinkLost          the sink cannot be reached, or the outcome is unknown: it is asked again
        ├── StateError            what is stored cannot be used: damaged, of another pipeline, or in use; exit code 3
        │   └── SupersededError   another process has taken over: this one has ended and removed nothing
        ├── RowError              a row was refused and the policy says "fail"
        └── InvariantError        the engine contradicted itself: a bug of ours

A message says what was wrong, what was found, and where in the user's text; a hint says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from penstock.core.where import Where


class PenstockError(Exception):
    """Base of all errors of Penstock.

    Attributes:
        message: What was wrong and what was found, one sentence without a full stop.
        where: The user's own line, if there is one.
        hint: What to do about it, if that is known.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: Where | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        snippet = self.where.snippet if self.where is not None else None
        shown = "".join(f"\n  {line}" for line in snippet.split("\n")) if snippet else ""
        hint = f"\n\nhint: {self.hint}" if self.hint else ""
        return f"{place}{self.message}{shown}{hint}"

    def at(self, where: Where | None) -> PenstockError:
        """The same error with the user's line, unless it has one already."""
        if self.where is None:
            self.where = where
        return self


class PlanError(PenstockError):
    """A definition that cannot mean anything: found while the plan is built, before anything runs."""

    exit_code = 2


class UnknownNameError(PlanError):
    """A column, function, verb or option that does not exist; the message names the nearest.

    Attributes:
        kind: What was looked for: `"column"`.
        wanted: The name that does not exist.
        known: The names that do.
        scope: Where it was looked for, in words, if there are several places: `the right side "users"`.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        *,
        inside: str | None = None,
        where: Where | None = None,
        guess: str | None = None,
        hint: str | None = None,
        scope: str | None = None,
    ) -> None:
        self.kind, self.wanted, self.known, self.scope = kind, name, tuple(known), scope
        found = f'; did you mean "{guess}"?' if guess else nearest(name, self.known)
        scope = f" in {scope}" if scope else f' in "{inside}"' if inside else ""
        listed = f"known: {', '.join(self.known[:40])}" if self.known else f"there is no {kind} at all"
        super().__init__(f'no {kind} "{name}"{scope}{found}', where=where, hint=hint or (None if found else listed))

    def inside(self, label: str) -> UnknownNameError:
        """The same error, saying in what it was looked for, unless it says so already."""
        if self.scope is not None:
            return self
        return type(self)(self.kind, self.wanted, self.known, inside=label, where=self.where)


class UnsupportedError(PlanError):
    """A definition that means something, but something that is not offered; the message says why."""


class StartError(PenstockError):
    """A source, a sink or a setting that is not there when a pipeline starts."""

    exit_code = 2


class JobError(PenstockError):
    """A pipeline failed while it ran."""


class SourceError(JobError):
    """Input that cannot be read: the bytes or the system behind them, not a single bad row."""


class SourceLost(SourceError):
    """A source that cannot be reached now: the pipeline goes on from its last checkpoint, some times."""


class SinkError(JobError):
    """Output that cannot be written; nothing of the open epoch is visible to readers."""


class SinkLost(SinkError):
    """A sink that cannot be reached, or of which it is unknown what it has done: it is asked for its token again."""


class StateError(JobError):
    """Stored state that cannot be used: damaged, ahead of or behind its sinks, of another plan, or in use.

    Nothing is guessed: a person must decide.

    Attributes:
        damaged: Whether bytes are missing or are not those that were stored, so that an older copy may serve.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, where: Where | None = None, hint: str | None = None, damaged: bool = False
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.damaged = damaged


class SupersededError(StateError):
    """Another process has taken over this pipeline: this one ends, and has removed and published nothing since."""


class ScratchError(JobError):
    """There is no room for state that is larger than memory: the disk of the scratch files is full, or refuses."""


class RowError(JobError):
    """A row was refused where the policy is `on_error="fail"`, or too many rows were."""


class RefusedRowsWarning(UserWarning):
    """What was collected lacks rows that were refused, late ones or bad ones, and that nobody took."""


class InvariantError(JobError):
    """Something that must hold inside the engine did not: a bug of Penstock, never of its user."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the nearest known name, else the empty string."""
    import difflib  # only a mistake pays for it

    candidates = list(known)
    lowered = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return f'; did you mean "{lowered[found[0]]}"?' if found else ""


def one_of(kind: str, name: str, known: Iterable[str], *, where: Where | None = None) -> UnknownNameError:
    """The error for a `name` that is none of the `known` names of a `kind`."""
    return UnknownNameError(kind, name, sorted(known), where=where)
