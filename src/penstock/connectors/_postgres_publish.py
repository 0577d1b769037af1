"""Rows of sealed epochs into a table, inside a transaction that somebody else begins and commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.connectors._postgres_epoch import DELETES, ROWS, Payload
from penstock.connectors._postgres_table import Target, names
from penstock.core.failpoint import hit

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

_STAGED = {ROWS: "penstock_rows", DELETES: "penstock_keys"}
"""Temporary tables of a session, empty between its transactions."""
_TEMPORARY = "pg_temp"
_WRITE_BYTES = 1 << 20


class Publisher:
    """Writes payloads over one connection.

    Args:
        link: The connection; a transaction is open whenever `publish` is called.
        target: The table.
    """

    def __init__(self, link: psycopg.Connection[Any], target: Target) -> None:
        self._link, self._target = link, target
        self._staged: dict[str, tuple[str, ...]] = {}

    def publish(self, payload: Payload) -> None:
        """Append the rows; or, by key: remove keys that have gone, and put rows in place of those of their keys."""
        if not payload.key:
            self._copy(payload, ROWS, self._target.quoted, payload.columns)
            hit("postgres.copied")
            return
        if payload.deletes:
            self._stage(payload, DELETES, payload.key)
            self._link.execute(_delete(self._target, payload.key))
        if payload.rows:
            self._stage(payload, ROWS, payload.columns)
            hit("postgres.copied")
            self._link.execute(_upsert(self._target, payload.columns, payload.key))
        hit("postgres.merged")

    def _stage(self, payload: Payload, kind: str, columns: tuple[str, ...]) -> None:
        """Fill a temporary table with the types of the target."""
        from psycopg import sql

        table = sql.Identifier(_TEMPORARY, _STAGED[kind])
        if self._staged.get(kind) == columns:
            self._link.execute(sql.SQL("TRUNCATE {}").format(table))
        else:
            self._link.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            self._link.execute(
                sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA").format(
                    sql.Identifier(_STAGED[kind]), names(columns), self._target.quoted
                )
            )
            self._staged[kind] = columns
        self._copy(payload, kind, table, columns)

    def _copy(self, payload: Payload, kind: str, table: sql.Identifier, columns: tuple[str, ...]) -> None:
        from psycopg import sql

        statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT text, ENCODING 'UTF8')").format(table, names(columns))
        with self._link.cursor() as cursor, cursor.copy(statement) as copy:
            for text in payload.lines(kind):
                for start in range(0, len(text), _WRITE_BYTES):
                    copy.write(text[start : start + _WRITE_BYTES])


def _upsert(target: Target, columns: tuple[str, ...], key: tuple[str, ...]) -> sql.Composed:
    from psycopg import sql

    rest = tuple(name for name in columns if name not in key)
    action: sql.Composable = sql.SQL("NOTHING")
    if rest:
        assignments = (sql.SQL("{} = {}").format(sql.Identifier(one), sql.Identifier("excluded", one)) for one in rest)
        action = sql.SQL("UPDATE SET {}").format(sql.SQL(", ").join(assignments))
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ({}) DO {}").format(
        target.quoted, names(columns), names(columns), sql.Identifier(_TEMPORARY, _STAGED[ROWS]), names(key), action
    )


def _delete(target: Target, key: tuple[str, ...]) -> sql.Composed:
    from psycopg import sql

    same = (sql.SQL("t.{0} = k.{0}").format(sql.Identifier(name)) for name in key)
    return sql.SQL("DELETE FROM {} AS t USING {} AS k WHERE {}").format(
        target.quoted, sql.Identifier(_TEMPORARY, _STAGED[DELETES]), sql.SQL(" AND ").join(same)
    )
