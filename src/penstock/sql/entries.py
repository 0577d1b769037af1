"""How a function of Flink SQL is declared here: its names, its signatures, and the term of the plan that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.dtypes import (
    INTEGERS,
    Binary,
    Boolean,
    Date,
    Datetime,
    DType,
    Duration,
    Float64,
    Int32,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
    is_numeric,
)
from penstock.core.errors import PlanError
from penstock.expr.ast import Literal, plain
from penstock.expr.infer import Typed
from penstock.sql.terms import MONTHS, Session, call, constant, plain_cast, widened


class MismatchError(PlanError):
    """Arguments do not fit a signature; another one may."""


@dataclass(frozen=True)
class Given:
    """What a call was given.

    Attributes:
        args: The typed arguments, converted to the signature.
        session: See `Session`.
        options: What is written with words: RETURNING, ON EMPTY and the like.
    """

    args: tuple[Typed, ...]
    session: Session
    options: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, place: int) -> Typed:
        return self.args[place]

    def __len__(self) -> int:
        return len(self.args)

    def constant(self, place: int, what: str) -> Any:
        """The value of an argument that must be a constant.

        Raises:
            PlanError: If it is none.
        """
        found = known(self.args[place])
        if found is None:
            raise PlanError(f"{what} must be a constant, found {self.args[place].term}")
        return found


def known(value: Typed) -> Any:
    """The value of a constant; None if it is none."""
    return plain(value.term.value, value.dtype) if isinstance(value.term, Literal) else None


Build = Callable[[Given], Typed]


@dataclass(frozen=True)
class Entry:
    """A function by one of its signatures.

    Attributes:
        names: Flink's names; the first is the usual one.
        takes: One code per argument (see `CODES`); `?` behind it: may be left out; `*`: none or more.
        build: From the arguments to the term.
        options: The names of the options that it knows.
        function: The function of the plan, where it is that one with the same arguments.
    """

    names: tuple[str, ...]
    takes: str
    build: Build
    options: tuple[str, ...] = ()
    function: str | None = None

    @property
    def signature(self) -> str:
        """For messages: `SUBSTRING(STRING, INT [, INT])`."""
        shown = ""
        for i, code in enumerate(self.takes.split()):
            comma = ", " if i else ""
            word = CODES[code[0]].word
            shown += (
                f"[{comma}{word}]"
                if code.endswith("?")
                else f"[{comma}{word}...]"
                if code.endswith("*")
                else comma + word
            )
        return f"{self.names[0]}({shown})"

    def fit(self, args: Sequence[Typed]) -> tuple[Typed, ...] | None:
        """The arguments converted to the signature; None if they do not fit."""
        codes = self.takes.split()
        least = sum(code[-1] not in "?*" for code in codes)
        repeats = bool(codes) and codes[-1].endswith("*")
        if len(args) < least or (len(args) > len(codes) and not repeats):
            return None
        found = []
        for i, arg in enumerate(args):
            code = CODES[codes[min(i, len(codes) - 1)][0]]
            if not code.accepts(arg.dtype) and arg.dtype != Null:
                return None
            found.append(code.convert(arg))
        return tuple(found)


@dataclass(frozen=True)
class Code:
    """What an argument may be, its word in messages, and the type that it is converted to (None: it stays)."""

    word: str
    accepts: Callable[[DType], bool]
    target: DType | None = None
    empty: DType | None = None

    def convert(self, arg: Typed) -> Typed:
        """The argument in the type that the function takes; a bare NULL gets one."""
        if arg.dtype == Null and (self.target or self.empty):
            return constant(None, self.target or self.empty or Null)
        if self.target is None or arg.dtype == self.target:
            return arg
        if self.target in (Int32, Int64) and arg.dtype in INTEGERS:
            return call("sql.cast", [arg], dtype=self.target) if arg.dtype == Int64 else plain_cast(arg, self.target)
        return widened(arg, self.target)


def _is(kind: type[DType]) -> Callable[[DType], bool]:
    return lambda dtype: isinstance(dtype, kind)


CODES: dict[str, Code] = {
    "s": Code("STRING", lambda t: t == String, String),
    "z": Code("BYTES", lambda t: t == Binary, Binary),
    "i": Code("INT", lambda t: t in INTEGERS, Int32),
    "l": Code("BIGINT", lambda t: t in INTEGERS, Int64),
    "n": Code("NUMERIC", is_numeric, None, Int32),
    "w": Code("INTEGER NUMERIC", lambda t: t in INTEGERS, None, Int32),
    "d": Code("DOUBLE", is_numeric, Float64),
    "b": Code("BOOLEAN", lambda t: t == Boolean, Boolean),
    "D": Code("DATE", lambda t: t == Date, Date),
    "H": Code("TIME", lambda t: t == Time, Time),
    "T": Code("TIMESTAMP", _is(Datetime), None, Datetime("ms")),
    "W": Code("TIMESTAMP", lambda t: isinstance(t, Datetime) and t.zone is None, None, Datetime("ms")),
    "L": Code("TIMESTAMP_LTZ", lambda t: isinstance(t, Datetime) and t.zone is not None),
    "t": Code("DATE or TIMESTAMP", lambda t: t == Date or isinstance(t, Datetime), None, Datetime("ms")),
    "p": Code("DATE, TIME or TIMESTAMP", lambda t: t in (Date, Time) or isinstance(t, Datetime), None, Datetime("ms")),
    "v": Code("INTERVAL DAY TO SECOND", _is(Duration), None, Duration("ms")),
    "y": Code("INTERVAL YEAR TO MONTH", lambda t: t == MONTHS, MONTHS),
    "a": Code("ARRAY", _is(List)),
    "m": Code("MAP", _is(Map)),
    "r": Code("ROW", lambda t: isinstance(t, Struct) and t != MONTHS),
    "x": Code("ANY", lambda t: True),
}


def plan(function: str, **options: Any) -> Build:
    """The function of the plan of this name, with the same arguments."""
    return lambda given: call(function, given.args, **options)


def counted(function: str, **options: Any) -> Build:
    """The same, for a function that gives BIGINT where Flink gives INT."""
    return lambda given: plain_cast(call(function, given.args, **options), Int32)


def entry(names: str, takes: str, build: Build | str, options: str = "") -> Entry:
    """An entry; names and options with blanks between them, a text as the function of the plan."""
    function = build if isinstance(build, str) else None
    made = plan(build) if isinstance(build, str) else build
    return Entry(tuple(names.split(" ")), takes, made, tuple(options.split()), function)
