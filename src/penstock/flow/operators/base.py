"""What operators are made of: a step of a description, and stages whose work on an element is synchronous."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CoroutineType
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.core.timespan import duration
from penstock.flow.bite import Bite
from penstock.flow.stage import RESTART, STOP, Context, Pull, Stage

Opener = Callable[[Context], Pull]


@dataclass(frozen=True)
class Step:
    """One operator of a description.

    Attributes:
        name: The verb.
        make: Makes the stage below its input.
    """

    name: str
    make: Callable[[Pull, Context], Pull]


class Verbs(ABC):
    """What `Source`, `Flow` and the outlets of graphs share: each verb adds a step."""

    @abstractmethod
    def _then(self, step: Step) -> Self:
        """The same description with one more step."""

    @abstractmethod
    def _enclose(self, name: str, make: Callable[[Opener, Context], Pull]) -> Self:
        """All so far as one stage that may open it in a context of its own, or several times."""


class Elementwise(Stage, ABC):
    """Works on elements one after another, without waiting. Subclasses say how in `each`.

    What came before a failing element goes out before the failure. `resume` goes on behind it, `restart`
    too, after `reset`.
    """

    def __init__(self, up: Pull, context: Context) -> None:
        super().__init__(up, context)
        self.done = False
        self._items: Iterator[Any] | None = None
        self._out: list[Any] = []
        self._failure: Exception | None = None
        self._bite = Bite(context.clock)

    @abstractmethod
    def each(self, items: Iterator[Any], out: list[Any], most: int) -> bool | None:
        """Take elements from `items` and append to `out`. True if items may be left, as `out` has `most` elements.

        Setting `self.done` completes the stream: nothing more is taken.
        """

    def finish(self, out: list[Any]) -> None:
        """Append what is left when the input has completed."""

    def reset(self) -> None:
        """Forget what was gathered, for the verdict `restart`."""

    def want(self, most: int) -> int:
        """How many elements to ask the input for, to give `most`."""
        return most

    def buffered(self) -> int:
        """What is finished and not taken yet."""
        return len(self._out)

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            out = self._out
            if out:
                if len(out) <= most:
                    self._out = []
                    return out
                self._out = out[most:]
                return out[:most]
            if self._failure is not None:
                raise self._failure
            if self.done:
                return []
            n, bite = 0, self._bite
            if self._items is None:
                chunk = await self.up.pull(min(self.want(most), bite.size))
                if not chunk:
                    self.done = True
                    self._try_finish()
                    continue
                self._items, n = iter(chunk), len(chunk)
            bite.begin()
            self._work(self._items, most)
            bite.end(n, self.name)

    def _work(self, items: Iterator[Any], most: int) -> None:
        while True:
            try:
                more = self.each(items, self._out, most)
            except Exception as failure:  # noqa: BLE001  (the decider judges)
                verdict = self.context.verdict(failure)
                if verdict == STOP:
                    self._failure = failure
                else:
                    self.dropped["failed"] += 1
                    if verdict == RESTART:
                        self.reset()
                    continue
            else:
                if more and not self.done:
                    return
            self._items = None
            return

    def _try_finish(self) -> None:
        try:
            self.finish(self._out)
        except Exception as failure:  # noqa: BLE001  (raised by the next pull, behind what was given)
            self._failure = failure


def positive(verb: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number from `least` on.

    Raises:
        PlanError: If it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise PlanError(f"{verb} takes a whole number from {least} on as {name}, found {value!r}")
    return value


def number(verb: str, name: str, value: Any, least: float, most: float = float("inf")) -> float:
    """A number between two others, or equal to one of them.

    Raises:
        PlanError: If it is something else.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        to = "on" if most == float("inf") else f"to {most:g}"
        raise PlanError(f"{verb} takes a number from {least:g} {to} as {name}, found {value!r}")
    return value


def function(verb: str, f: Any, name: str = "f") -> Callable[..., Any]:
    """A function.

    Raises:
        PlanError: If it cannot be called.
    """
    if not callable(f):
        raise PlanError(f"{verb} takes a function as {name}, found {type(f).__name__}")
    if inspect.iscoroutinefunction(f):
        raise PlanError(f"{verb} calls {name} without waiting, found an async function", hint="map_async waits")
    return f  # type: ignore[no-any-return]


def function_or(verb: str, f: Any, name: str, otherwise: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """A function, or what there is if None was given.

    Raises:
        PlanError: If it is neither.
    """
    return otherwise if f is None else function(verb, f, name)


def same(x: Any) -> Any:
    """The element itself."""
    return x


def awaitable(verb: str, f: Any, name: str = "f") -> Callable[..., Awaitable[Any]]:
    """A function that gives something to wait for.

    Raises:
        PlanError: If it cannot be called.
    """
    if not callable(f):
        raise PlanError(f"{verb} takes an async function as {name}, found {type(f).__name__}")
    return f  # type: ignore[no-any-return]


def span_of(verb: str, value: Any, least: int = 1, name: str = "") -> int:
    """A duration in microseconds.

    Raises:
        PlanError: If it is none, or shorter than `least`.
    """
    what = f"{verb} takes a duration{' above zero' if least else ''}{f' as {name}' if name else ''}, found {value!r}"
    try:
        us = duration(value)
    except PlanError as wrong:
        raise PlanError(f"{what}: {wrong.message}", hint=wrong.hint) from wrong
    if us < least:
        raise PlanError(what)
    return us


def iterated(verb: str, values: Any) -> Iterator[Any]:
    """What a function gave, iterated.

    Raises:
        PlanError: If it cannot be iterated.
    """
    if not isinstance(values, Iterable):
        raise PlanError(f"{verb} takes a function that gives an iterable, found one that gave {type(values).__name__}")
    return iter(values)


def pair(verb: str, found: Any) -> tuple[Any, Any]:
    """A state and a value, as a function gave them.

    Raises:
        PlanError: If they are not two.
    """
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise PlanError(
            f"{verb} takes a function that gives two values, the state first, found one that gave {found!r}"
        )
    return found[0], found[1]


def refuse_coroutine(verb: str, found: CoroutineType[Any, Any, Any]) -> None:
    """Say that a function gave what must be awaited: the element fails as one whose function raises.

    Raises:
        PlanError: Always.
    """
    found.close()
    raise PlanError(
        f"{verb} takes a function that is not async, found one that gave a coroutine", hint="map_async waits"
    )


def path_of(verb: str, path: Any) -> Path:
    """The path of a file.

    Raises:
        PlanError: If it is something else.
    """
    if not isinstance(path, str | Path):
        raise PlanError(f"{verb} takes the path of a file, found {path!r}")
    return Path(path)


def listed(verb: str, name: str, values: Any) -> tuple[Any, ...]:
    """Values of a list or another iterable that is no text.

    Raises:
        PlanError: If it is something else.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise PlanError(f"{verb} takes a list as {name}, found {values!r}")
    return tuple(values)


def checked_name(verb: str, name: Any, what: str = "name") -> str:
    """The name of a materialised value.

    Raises:
        PlanError: If it is something else.
    """
    if not isinstance(name, str):
        raise PlanError(f"{verb} takes a text as {what}, found {name!r}")
    return name


def kept(verb: str, keep: Any) -> str | None:
    """The name under which a result is kept, or None."""
    return None if keep is None else checked_name(verb, keep, "keep")


def one_of(verb: str, name: str, value: Any, known: tuple[str, ...]) -> str:
    """One of some words.

    Raises:
        PlanError: If it is something else.
    """
    if value not in known:
        raise PlanError(f"{verb} takes one of {', '.join(known)} as {name}, found {value!r}")
    return str(value)
