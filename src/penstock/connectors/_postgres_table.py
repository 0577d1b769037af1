"""The table of a sink: made from the schema if it is missing, else checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.connectors._postgres_connection import OLDEST_VERSION
from penstock.connectors._postgres_types import can_take, is_nested, sql_type
from penstock.core.dtypes import Json
from penstock.core.errors import PlanError, StartError

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    from penstock.core.schema import Schema

LONGEST_NAME = 63
"""How many bytes of a name PostgreSQL keeps; it cuts longer ones without a word."""

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('penstock create table', 0))"
"""Two that make one table at once would run into each other."""
_SERVER = "SELECT pg_is_in_recovery(), has_database_privilege(current_database(), 'TEMPORARY')"
_RELATION = """
    SELECT c.oid, c.relkind::text, c.relpersistence::text, row_security_active(c.oid),
           ARRAY(SELECT p FROM unnest(%s::text[]) p WHERE NOT has_table_privilege(c.oid, p))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s"""
_COLUMNS = """
    SELECT a.attname, format_type(b.oid, CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END),
           b.typtype = 'e', a.attnotnull OR t.typnotnull,
           a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL, a.attgenerated <> '' OR a.attidentity = 'a'
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
# An index of expressions has zeros among its columns, which name none.
_UNIQUE = """
    SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE k.place <= i.indnkeyatts)
    FROM pg_index i
    WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL"""


@dataclass(frozen=True)
class Target:
    """A table by its name.

    Attributes:
        schema: Its schema in the database.
        table: Its name.
    """

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> sql.Identifier:
        """The name for a statement."""
        from psycopg import sql

        return sql.Identifier(self.schema, self.table)


def check_name(what: str, name: str) -> None:
    """Refuse a name that PostgreSQL would not keep as it is.

    Raises:
        PlanError: If it is none.
    """
    if not name or "\0" in name:
        raise PlanError(f"the {what} is a name, found {name!r}")
    if len(name.encode()) > LONGEST_NAME:
        raise PlanError(f'the {what} "{name}" is longer than the {LONGEST_NAME} bytes that PostgreSQL keeps of a name')


def check_columns(schema: Schema, key: tuple[str, ...]) -> None:
    """Refuse columns that no table can have, and keys that PostgreSQL compares in another way than we do.

    Raises:
        StartError: If there is one.
    """
    if not schema.names:
        raise StartError("rows without columns cannot be written to PostgreSQL")
    for field in schema:
        try:
            check_name("column", field.name)
            sql_type(field.dtype)
        except PlanError as refused:
            raise StartError(refused.message, hint="rename or cast it in the pipeline") from None
    for name in key:
        if name not in schema:
            raise StartError(f'there is no column "{name}" for the key', hint=f"columns: {', '.join(schema.names)}")
        if schema[name].dtype == Json or is_nested(schema[name].dtype):
            raise StartError(f'the column "{name}" of the key is {schema[name].dtype}, which is stored as a document')


def check_server(link: psycopg.Connection[Any], *, keyed: bool) -> None:
    """Refuse a server that cannot do what a sink needs.

    Raises:
        StartError: If it cannot.
    """
    if link.info.server_version < OLDEST_VERSION:
        raise StartError(f"PostgreSQL 13 or newer is needed, found {link.info.parameter_status('server_version')}")
    standby, temporary = _rows(link, _SERVER)[0]
    if standby:
        raise StartError("the server is a standby, which takes no writes", hint="target_session_attrs=read-write")
    if keyed and not temporary:
        raise StartError("rows by key go through temporary tables", hint="GRANT TEMPORARY ON DATABASE ... TO ...")


def create(link: psycopg.Connection[Any], target: Target, schema: Schema, key: tuple[str, ...]) -> None:
    """Make the table unless it is there."""
    from psycopg import sql

    columns = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(field.name),
            sql.SQL(sql_type(field.dtype)),
            sql.SQL("" if field.nullable else " NOT NULL"),
        )
        for field in schema
    ]
    if key:
        columns.append(sql.SQL("PRIMARY KEY ({})").format(names(key)))
    link.execute(LOCK)
    link.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(target.quoted, sql.SQL(", ").join(columns)))


def names(columns: tuple[str, ...], prefix: str | None = None) -> sql.Composed:
    """Quoted names of columns with commas between them."""
    from psycopg import sql

    return sql.SQL(", ").join(sql.Identifier(prefix, name) if prefix else sql.Identifier(name) for name in columns)


def check_table(
    link: psycopg.Connection[Any], target: Target, schema: Schema, key: tuple[str, ...]
) -> frozenset[str] | None:
    """Look whether the table takes our rows.

    Returns:
        The columns without nulls; None if there is no such table.

    Raises:
        StartError: If it does not; all that is wrong is named.
    """
    needs = ["INSERT", "SELECT", "UPDATE", "DELETE"] if key else ["INSERT"]
    found = _rows(link, _RELATION, [needs, target.schema, target.table])
    if not found:
        return None
    oid, kind, persistence, secured, missing = found[0]
    if kind not in ("r", "p"):
        raise StartError(f"{target} is no table", hint="views and foreign tables cannot be written exactly once")
    if persistence != "p":
        hint = "its rows would vanish in a crash, and the tokens that say they are there would not"
        raise StartError(f"{target} is an unlogged or temporary table", hint=hint)
    if secured:
        raise StartError(f"{target} has row level security, which COPY does not work with")
    if missing:
        raise StartError(f"the user may not {', '.join(missing)} on {target}", hint=f"GRANT {', '.join(needs)} ON ...")
    columns = {name: rest for name, *rest in _rows(link, _COLUMNS, [oid])}
    wrong = _wrong_columns(columns, schema)
    if key and not any(None not in of and set(of) == set(key) for (of,) in _rows(link, _UNIQUE, [oid])):
        wrong.append(f"no unique index has exactly the columns of the key ({', '.join(key)})")
    if wrong:
        hint = "change the table, or the pipeline; a table that is missing is created"
        raise StartError(f"the table {target} does not take these rows: {'; '.join(wrong)}", hint=hint)
    return frozenset(name for name in schema.names if columns[name][2])


def _wrong_columns(columns: dict[str, list[Any]], schema: Schema) -> list[str]:
    wrong = []
    for field in schema:
        if field.name not in columns:
            wrong.append(f'there is no column "{field.name}" ({sql_type(field.dtype)})')
            continue
        found, is_enum, _, _, generated = columns[field.name]
        if generated:
            wrong.append(f'the column "{field.name}" is generated')
        elif not can_take(found, is_enum, field.dtype):
            wrong.append(f'the column "{field.name}" is {found}, not {sql_type(field.dtype)}')
    for name, (_, _, required, filled, generated) in columns.items():
        if name not in schema and required and not filled and not generated:
            wrong.append(f'the column "{name}" takes no null and has no default, and no row has it')
    return wrong


def _rows(link: psycopg.Connection[Any], query: str, values: list[Any] | None = None) -> list[Any]:
    return link.execute(query, values).fetchall()
