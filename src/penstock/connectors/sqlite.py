"""SQLite: a table of a file that is asked by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from penstock.connectors.lookups import Lookup, LookupRequest, LookupSource, frame_of_columns
from penstock.core.dtypes import FLOATS, INTEGERS, Binary, Boolean, DType, Float64, Int64, String
from penstock.core.errors import PlanError, SourceError, SourceLost
from penstock.core.schema import Field, Schema
from penstock.core.spec import option

if TYPE_CHECKING:
    import sqlite3

    import polars as pl

MOST_KEYS = 500
"""Keys of one query: even old libraries take so many parameters of a key of two columns."""
_LOST = frozenset({5, 6, 10, 14})
"""Busy, locked, an error of the disk, cannot be opened: another time it may go."""


@dataclass(frozen=True)
class SqliteSource(LookupSource):
    """A table of a SQLite file that is asked by key: `stream.lookup(SqliteSource(...), on="id")`.

    The file is opened for reading only, once for each call that runs at a time. A file that is locked or away is asked
    again. Values are those of the declared columns: integers, floats, texts, booleans and bytes; say `schema=` where
    a column is declared as something else.
    """

    connector: ClassVar[str] = "sqlite"

    table: str = option(doc="The table.", example="users")
    _: KW_ONLY
    path: str = option(doc="The file.", example="data/users.db")

    @property
    def most_keys(self) -> int:
        """As many as a query takes."""
        return MOST_KEYS

    def schema(self) -> Schema:
        """The columns of the table."""
        import sqlite3

        try:
            link = _opened(self.path, 5_000_000)
            try:
                found = link.execute(f"PRAGMA table_info({_quoted(self.table)})").fetchall()
            finally:
                link.close()
        except sqlite3.Error as failure:
            raise PlanError(f'cannot read "{self.path}": {failure}') from None
        if not found:
            raise PlanError(f'"{self.path}" has no table "{self.table}"')
        return Schema(
            tuple(Field(name, _type_of(text), not (strict or key)) for _, name, text, strict, _, key in found)
        )

    def lookup(self, request: LookupRequest) -> Lookup:
        """Open the file."""
        return SqliteLookup(self, request)

    def default_name(self) -> str:
        """The name of the table."""
        return self.table


def _opened(path: str, timeout_us: int) -> sqlite3.Connection:
    import sqlite3

    # The loop hands a connection from thread to thread; one at a time uses it.
    return sqlite3.connect(
        f"file:{quote(path)}?mode=ro", uri=True, timeout=timeout_us / 1e6, check_same_thread=False, isolation_level=None
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _type_of(declared: str) -> DType:
    """The type of a column's values by SQLite's rules of affinity."""
    text = declared.upper()
    for words, dtype in (
        (("INT",), Int64), (("CHAR", "CLOB", "TEXT"), String), (("BLOB",), Binary), (("REAL", "FLOA", "DOUB"), Float64),
        (("BOOL",), Boolean), (("DATE", "TIME", "JSON", "UUID"), String), (("NUM", "DEC"), Float64),
    ):  # fmt: skip
        if any(word in text for word in words):
            return dtype
    return String


class SqliteLookup(Lookup):
    """A connection on which a table is asked.

    Args:
        source: The table.
        request: What is wanted.

    Raises:
        SourceLost: If the file cannot be opened.
    """

    def __init__(self, source: SqliteSource, request: LookupRequest) -> None:
        import sqlite3

        self._source, self._request = source, request
        for field in request.schema:
            if field.dtype not in (*INTEGERS, *FLOATS, String, Boolean, Binary):
                raise SourceError(f'SQLite holds no {field.dtype}, which is declared of "{field.name}"')
        try:
            self._link = _opened(source.path, request.timeout_us)
        except sqlite3.Error as failure:
            raise self._refused(failure) from None
        names = ", ".join(map(_quoted, request.schema.names))
        self._query = f"SELECT {names} FROM {_quoted(source.table)}"

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """One query with the keys as parameters."""
        values = [value for key in keys.iter_rows() for value in key]
        if keys.width == 1:
            where = f" WHERE {_quoted(keys.columns[0])} IN ({', '.join('?' * keys.height)})"
            return self._select(self._query + where, values)
        # `(a, b) IN (VALUES ...)` would read the whole table; CROSS JOIN looks each key up in the index.
        row = f"({', '.join('?' * keys.width)})"
        names = [f"_k{i}" for i in range(keys.width)]
        equal = [f"_t.{_quoted(name)} = _k.{key}" for name, key in zip(keys.columns, names, strict=True)]
        columns = ", ".join(f"_t.{_quoted(name)}" for name in self._request.schema.names)
        query = (
            f"WITH _k({', '.join(names)}) AS (VALUES {', '.join([row] * keys.height)}) SELECT {columns} "
            f"FROM _k CROSS JOIN {_quoted(self._source.table)} AS _t WHERE {' AND '.join(equal)}"
        )
        return self._select(query, values)

    def load(self) -> pl.DataFrame:
        """All rows."""
        return self._select(self._query, [])

    def _select(self, query: str, values: Sequence[Any]) -> pl.DataFrame:
        import sqlite3

        try:
            rows = self._link.execute(query, values).fetchall()
        except sqlite3.Error as failure:
            raise self._refused(failure) from None
        schema = self._request.schema
        columns: list[Any] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema.names]
        for i, field in enumerate(schema):
            if field.dtype == Boolean:
                columns[i] = [None if value is None else bool(value) for value in columns[i]]
        return frame_of_columns(columns, schema)

    def _refused(self, failure: sqlite3.Error) -> SourceError:
        # The extended code has that of the class in its last byte.
        lost = getattr(failure, "sqlite_errorcode", 1) & 0xFF in _LOST
        kind = SourceLost if lost else SourceError
        return kind(f'cannot ask "{self._source.table}" of "{self._source.path}": {failure}')

    def close(self) -> None:
        """Close the file."""
        self._link.close()


SOURCE = None
SINK = None
LOOKUP = SqliteSource
