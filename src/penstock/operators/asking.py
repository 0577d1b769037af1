"""Executors that ask somebody outside: rows wait as state, calls go out after a step, answers come with a later one.

The executor starts no thread and sees no clock: it says what it wants asked (`requests`), and whoever drives the engine
asks, and hands it the answers between two steps (`hear`). What was not answered is asked again after a restart.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.operators.base import Executor

if TYPE_CHECKING:
    import polars as pl

    from penstock.connectors.lookups import Lookup
    from penstock.plan.lookup_options import LookupOptions


class Request(NamedTuple):
    """Something to be asked.

    Attributes:
        number: Its number, in the order in which rows came.
        keys: Distinct keys; None: all rows are wanted.
        delay_us: How long to wait before it is asked.
    """

    number: int
    keys: pl.DataFrame | None
    delay_us: int = 0


class Answer(NamedTuple):
    """What was answered.

    Attributes:
        number: The number of the request.
        rows: The rows; None if it failed.
        failure: Why it failed.
    """

    number: int
    rows: pl.DataFrame | None
    failure: str = ""


class AskingExecutor(Executor):
    """An executor whose rows wait for answers from outside."""

    options: LookupOptions
    most_keys: int
    """The most keys of one call."""

    def __init__(self) -> None:
        self._wanted: list[Request] = []
        self._answers: list[Answer] = []

    @abstractmethod
    def opened(self) -> Lookup:
        """Open what is asked: called in the thread that asks, once for each."""

    def ask(self, request: Request) -> None:
        """Let something be asked after the step."""
        self._wanted.append(request)

    def requests(self) -> Sequence[Request]:
        """What is to be asked since the last time."""
        wanted, self._wanted = self._wanted, []
        return wanted

    def hear(self, answers: Sequence[Answer]) -> None:
        """Take answers, which the next step uses, in this order."""
        self._answers += answers

    def heard(self) -> Sequence[Answer]:
        """The answers of this step."""
        answers, self._answers = self._answers, []
        return answers

    def called(self) -> bool:
        """Whether there are answers."""
        return bool(self._answers)

    @property
    @abstractmethod
    def waits(self) -> bool:
        """Whether an answer is missing: the input may be over, and the run is not."""

    @property
    @abstractmethod
    def full(self) -> bool:
        """Whether so many rows wait that no more should come."""


def asking(executors: Sequence[Any]) -> dict[int, AskingExecutor]:
    """Those of some executors that ask, by their places."""
    return {place: one for place, one in enumerate(executors) if isinstance(one, AskingExecutor)}
