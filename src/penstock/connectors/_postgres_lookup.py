"""Rows of a table of PostgreSQL by key: one query for each batch of keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.connectors._postgres_connection import Address, connect, is_lost, not_there, require_driver
from penstock.connectors._postgres_table import Target
from penstock.connectors._postgres_types import is_nested, sql_type
from penstock.connectors.lookups import Lookup, LookupRequest, frame_of_columns
from penstock.core.dtypes import (
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float32,
    Float64,
    Int16,
    Int32,
    Int64,
    Json,
    String,
    Time,
    from_polars,
)
from penstock.core.errors import PlanError, SourceError, SourceLost
from penstock.core.schema import Field, Schema
from penstock.core.timespan import SECOND

if TYPE_CHECKING:
    import polars as pl
    import psycopg

ASKING = 30 * SECOND
"""How long the server may take to say which columns there are."""

_TYPES: dict[str, DType] = {
    "boolean": Boolean, "smallint": Int16, "integer": Int32, "bigint": Int64, "real": Float32,
    "double precision": Float64, "bytea": Binary, "date": Date, "json": Json, "jsonb": Json,
    "time without time zone": Time, "timestamp without time zone": Datetime("us"),
    "timestamp with time zone": Datetime("us", "UTC"), "interval": Duration("us"),
}  # fmt: skip
_TEXTS = ("text", "character varying", "character", "citext", "name")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_LENGTH = re.compile(r"\(\d+\)")

_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""


class Place(NamedTuple):
    """A table of a server.

    Attributes:
        address: The database.
        target: The table.
        connect_timeout_us: How long to try to connect.
    """

    address: Address
    target: Target
    connect_timeout_us: int


def type_of(found: str) -> DType:
    """The type of a column's values; text for what we have no type for."""
    name = _LENGTH.sub("", found)
    numeric = _NUMERIC.fullmatch(found)
    if numeric and int(numeric[1]) <= 38:
        return Decimal(int(numeric[1]), int(numeric[2]))
    return _TYPES.get(name, String)


def columns_of(place: Place) -> Schema:
    """The columns of a table.

    Raises:
        PlanError: If there is no such table.
        StartError: If the server cannot be asked.
    """
    require_driver()
    import psycopg

    try:
        with connect(place.address, place.connect_timeout_us, ASKING) as link:
            rows = _described(link, place.target)
    except psycopg.Error as failure:
        raise not_there(failure, place.address) from None
    if not rows:
        raise PlanError(f"there is no table {place.target} at {place.address}")
    return Schema(tuple(Field(name, type_of(found), not strict) for name, found, strict in rows))


def _described(link: psycopg.Connection[Any], target: Target) -> list[tuple[str, str, bool]]:
    return link.execute(_COLUMNS, [target.schema, target.table]).fetchall()


class PostgresLookup(Lookup):
    """A connection on which a table is asked.

    Args:
        place: Where.
        request: What is wanted.

    Raises:
        SourceLost: If the server cannot be reached.
        SourceError: If it has no such table.
    """

    def __init__(self, place: Place, request: LookupRequest) -> None:
        require_driver()
        import psycopg

        self._place, self._request = place, request
        try:
            self._link = connect(place.address, place.connect_timeout_us, request.timeout_us)
            self._link.autocommit = True
            found = {name: text for name, text, _ in _described(self._link, place.target)}
        except psycopg.Error as failure:
            raise self._refused(failure) from None
        missing = [name for name in request.schema.names if name not in found]
        if missing:
            self._link.close()
            what = f'column "{missing[0]}"' if found else "table"
            raise SourceError(f"there is no {what} of {place.target} at {place.address}")
        self._found = found

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """One query with the keys as arrays."""
        from psycopg import sql

        types = [from_polars(dtype) for dtype in keys.schema.values()]
        arrays = [series.to_list() for series in keys.get_columns()]
        casts = [sql.SQL("%s::" + sql_type(dtype) + "[]") for dtype in types]
        columns = [self._compared(name, dtype) for name, dtype in zip(keys.columns, types, strict=True)]
        if len(columns) == 1:
            where = sql.SQL(" WHERE {} = ANY({})").format(columns[0], casts[0])
        else:
            where = sql.SQL(" WHERE ({}) IN (SELECT * FROM unnest({}))").format(
                sql.SQL(", ").join(columns), sql.SQL(", ").join(casts)
            )
        return self._select(where, arrays)

    def _compared(self, name: str, dtype: DType) -> Any:
        """A column of the key as it is compared: as text, where it has another type than its values here."""
        from psycopg import sql

        plain = dtype != String or _LENGTH.sub("", self._found[name]) in _TEXTS
        return sql.Identifier(name) if plain else sql.SQL("{}::text").format(sql.Identifier(name))

    def load(self) -> pl.DataFrame:
        """All rows."""
        from psycopg import sql

        return self._select(sql.SQL(""), [])

    def _select(self, where: Any, values: list[Any]) -> pl.DataFrame:
        import psycopg
        from psycopg import sql

        schema = self._request.schema
        texts = {f.name for f in schema if f.dtype in (String, Json) or is_nested(f.dtype)}
        columns = [
            sql.SQL("{}::text").format(sql.Identifier(name)) if name in texts else sql.Identifier(name)
            for name in schema.names
        ]
        target = self._place.target.quoted
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), target) + where
        try:
            rows = self._link.execute(query, values).fetchall()
        except psycopg.Error as failure:
            raise self._refused(failure) from None
        return frame_of_columns(zip(*rows, strict=True) if rows else [()] * len(schema.names), schema)

    def _refused(self, failure: psycopg.Error) -> SourceError:
        address = self._place.address
        # The server's details may quote a key.
        words = address.scrubbed(failure.diag.message_primary or str(failure) or type(failure).__name__)
        kind = SourceLost if is_lost(failure) else SourceError
        return kind(f"cannot ask {self._place.target} at {address}: {words}")

    def close(self) -> None:
        """Close the connection."""
        self._link.close()
