"""What a lookup source is: an outside system that is asked for the rows of some keys, or loaded whole.

A source is a value, as all connectors are; `lookup` opens it. What it gives is used by one thread at a time, several
of them at once, so a call may block. An own source is a subclass of `LookupSource` with a subclass of `Lookup`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from penstock.connectors.base import ReadRequest, Source
from penstock.core.errors import PlanError, SourceError, SourceLost, UnsupportedError
from penstock.core.lazy import pl
from penstock.core.schema import Schema
from penstock.core.spec import given_options
from penstock.expr.user_functions import SHOWN, UserFunction
from penstock.expr.user_values import conform_row

if TYPE_CHECKING:
    import polars as pl

LOADED_ROWS = 1 << 16


class LookupRequest(NamedTuple):
    """What a plan wants of a lookup source.

    Attributes:
        keys: The columns by which rows are asked for.
        schema: The columns that answers have, those of the key among them.
        timeout_us: How long an answer may take, in microseconds: a source that can end a call then does.
    """

    keys: tuple[str, ...]
    schema: Schema
    timeout_us: int


class Lookup(ABC):
    """An open lookup source. Used by one thread at a time."""

    @abstractmethod
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """The rows of some keys, in any order; none for a key that the source does not have.

        Args:
            keys: Distinct keys without nulls, in columns named as `LookupRequest.keys`. Rows of other keys do no harm.

        Raises:
            SourceLost: If the source cannot be reached now, or does not answer: it is asked again.
            SourceError: If it would answer the same the next time.
        """

    def load(self) -> pl.DataFrame:
        """All rows that there are now.

        Raises:
            UnsupportedError: If it can be asked by key only.
            SourceError: As for `ask`.
        """
        raise UnsupportedError("this source is asked by key, and cannot be loaded whole")

    def close(self) -> None:
        """Release what is open; called once, also after an error."""


class LookupSource(ABC):
    """Where rows of some keys come from. A value: opening it is `lookup`."""

    connector: ClassVar[str] = "lookup"

    @property
    def most_keys(self) -> int:
        """The most keys of one call of `ask`; 1 for a source that is asked key by key."""
        return 10_000

    @property
    def whole(self) -> bool:
        """Whether it can be loaded whole only."""
        return False

    @abstractmethod
    def schema(self) -> Schema:
        """The columns, asked of the source while a plan is built.

        Raises:
            PlanError: If the source cannot know them, so that the user must state them; or is not there.
        """

    @abstractmethod
    def lookup(self, request: LookupRequest) -> Lookup:
        """Open it, in the thread that will ask.

        Raises:
            SourceLost: If it cannot be reached now.
        """

    @property
    def inline(self) -> bool:
        """Whether an answer costs next to nothing, so that rows need not wait for it."""
        return False

    @property
    def identity(self) -> str | None:
        """What tells the source from others with equal options: set by those that hold data of the program.

        A source that is no dataclass does not say what its options are: it is equal to itself only.
        """
        return None if hasattr(self, "__dataclass_fields__") else str(id(self))

    def default_name(self) -> str:
        """What the source is called in messages."""
        return self.connector

    def plan_value(self) -> dict[str, Any]:
        """How a plan stores the source: its connector and the options that are not defaults."""
        options = given_options(self) if hasattr(self, "__dataclass_fields__") else {}
        return {"role": "lookup", "connector": self.connector, "options": options}


def frame_of(rows: Iterable[Mapping[str, Any]], schema: Schema) -> pl.DataFrame:
    """Rows as a frame of the declared columns; what is missing is null.

    Raises:
        SourceError: If a value is not of the declared type.
    """
    kept = list(rows)
    return frame_of_columns([[row.get(name) for row in kept] for name in schema.names], schema)


def frame_of_columns(columns: Iterable[Sequence[Any]], schema: Schema) -> pl.DataFrame:
    """The values of the declared columns as a frame.

    Raises:
        SourceError: If a value is not of the declared type.
    """
    made = []
    for field, dtype, values in zip(schema, schema.to_polars().values(), columns, strict=True):
        try:
            made.append(pl.Series(field.name, values, dtype=dtype))
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as wrong:
            raise SourceError(f'the answer has a "{field.name}" that is no {field.dtype}: {wrong}') from None
    return pl.DataFrame(made)


# -- a source that is read whole ---------------------------------------------------


@dataclass(frozen=True)
class Whole(LookupSource):
    """A bounded source, such as a file, that is loaded whole.

    Attributes:
        source: The source.
        columns: Its columns, as declared; None: it is asked.
    """

    source: Source
    columns: Schema | None = None
    connector: ClassVar[str] = "whole"

    @property
    def whole(self) -> bool:
        """It is."""
        return True

    def schema(self) -> Schema:
        """The columns of the source."""
        return self.columns or self.source.schema()

    @property
    def inline(self) -> bool:
        """Whether its rows are at hand."""
        return self.source.inline

    @property
    def identity(self) -> str | None:
        """That of the source."""
        return self.source.identity

    def default_name(self) -> str:
        """That of the source."""
        return self.source.default_name()

    def lookup(self, request: LookupRequest) -> Lookup:
        """Open it."""
        return WholeLookup(self.source, ReadRequest(self.schema(), request.schema.names))

    def plan_value(self) -> dict[str, Any]:
        """As the source, under a role of its own."""
        return {"role": "whole", "source": self.source, "columns": self.columns}


class WholeLookup(Lookup):
    """Reads all splits to their end whenever it is loaded.

    Args:
        source: The source.
        request: What is read of it.
    """

    def __init__(self, source: Source, request: ReadRequest) -> None:
        self._source, self._request = source, request

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Refuse: it is loaded."""
        raise UnsupportedError("a source that is read whole is not asked by key")

    def load(self) -> pl.DataFrame:
        """All rows; one that cannot be decoded fails it."""
        frames = [pl.DataFrame(schema=self._request.read_schema.to_polars())]
        for split in self._source.splits():
            reader = self._source.reader(split, None, self._request)
            try:
                while not reader.ended:
                    polled = reader.poll(LOADED_ROWS)
                    if polled is None:
                        continue
                    if polled.bad:
                        raise SourceError(f"{split.name}: {polled.bad[0].reason}")
                    frames.append(polled.frame)
            finally:
                reader.close()
        return pl.concat(frames)


# -- a function of the program -----------------------------------------------------


@dataclass(frozen=True)
class Called(LookupSource):
    """A function that gives the row of a key, a list of rows, or None.

    Attributes:
        function: The function: it takes the values of the key, in order.
        columns: The columns of its rows; those of the key may be left out.
    """

    function: UserFunction
    columns: Schema
    connector: ClassVar[str] = "function"

    @property
    def most_keys(self) -> int:
        """One: it is called for each."""
        return 1

    def schema(self) -> Schema:
        """The declared columns."""
        return self.columns

    def default_name(self) -> str:
        """The name of the function."""
        return self.function.name

    def lookup(self, request: LookupRequest) -> Lookup:
        """Bind it."""
        return CalledLookup(self, request)

    def plan_value(self) -> dict[str, Any]:
        """A reference of the function, and its columns."""
        return {"role": "called", "function": self.function, "columns": self.columns}


class CalledLookup(Lookup):
    """Calls the function key by key.

    Args:
        source: The function, and what was declared of it.
        request: What is wanted.
    """

    def __init__(self, source: Called, request: LookupRequest) -> None:
        self._name, self._columns, self._request = source.function.name, source.columns, request
        self._function = source.function.bound()

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Call it; whatever it raises counts as a source that cannot be reached, and is tried again."""
        rows: list[dict[str, Any]] = []
        for key in keys.iter_rows():
            named = dict(zip(self._request.keys, key, strict=True))
            try:
                given = self._function(*key)
            except (Exception, SystemExit) as failed:
                raise SourceLost(f"{self._name} failed: {type(failed).__name__}: {str(failed)[:SHOWN]}") from failed
            found = [] if given is None else [given] if isinstance(given, Mapping) else list(given)
            rows += [self._row({**named, **row}) for row in found]
        return frame_of(rows, self._request.schema)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return conform_row(row, self._columns)
        except Exception as wrong:  # noqa: BLE001  (whatever the values of a user's row raise)
            raise SourceError(f"{self._name} {wrong}") from None


def as_lookup(value: Any, columns: Schema | None, function: UserFunction | None) -> LookupSource:
    """What users look up in as a source.

    Args:
        value: A lookup source, a bounded source, a frame, a list of dicts.
        columns: The declared columns, or None.
        function: The reference of it, if it is a function.

    Raises:
        PlanError: If it is none of these.
    """
    if function is not None:
        if columns is None:
            raise PlanError(f"{function.name} does not say which columns it gives", hint='schema={"name": ps.String}')
        return Called(function, columns)
    if isinstance(value, LookupSource):
        return value
    if not isinstance(value, Source):
        from penstock.connectors.memory import as_source

        value = as_source(value, columns)
    if not value.bounded:
        raise PlanError(
            f'"{value.default_name()}" never ends, and cannot be loaded whole',
            hint="read it, and join it as a Table: .join(ps.read(...).as_table(key), as_of=...)",
        )
    return Whole(value, columns)
