"""The table of tokens: which epoch of which output is published, and who may publish the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.connectors._postgres_table import LOCK, Target
from penstock.connectors.base import Token
from penstock.core.errors import SinkLost, StartError

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

COLUMNS = {
    "pipeline": "text NOT NULL",
    "output": "text NOT NULL",
    "process": "integer NOT NULL",
    "target": "text NOT NULL",
    "incarnation": "bigint",
    "epoch": "bigint",
    "rows": "bigint",
    "digest": "text",
    "published_at": "timestamptz",
    "owner": "uuid",
    "backend": "integer",
    "backend_since": "timestamptz",
}
"""The columns of the table; a row without an epoch belongs to an output that has published none."""

_CREATE = "CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY (pipeline, output, process))"
_WHICH = " WHERE pipeline = %(pipeline)s AND output = %(output)s AND process = %(process)s"
_INSERT = """
    INSERT INTO {} (pipeline, output, process, target) VALUES (%(pipeline)s, %(output)s, %(process)s, %(target)s)
    ON CONFLICT (pipeline, output, process) DO NOTHING"""
# A process that was stopped in the middle of a transaction would hold the row for as long as it sleeps.
_END_FORMER = (
    "SELECT pg_terminate_backend(a.pid) FROM {} t JOIN pg_stat_activity a"
    " ON a.pid = t.backend AND a.backend_start = t.backend_since" + _WHICH + " AND a.pid <> pg_backend_pid()"
)
_TAKE = (
    "UPDATE {} SET owner = gen_random_uuid(), backend = pg_backend_pid(),"
    " backend_since = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())" + _WHICH + " RETURNING"
    " owner, target, incarnation, epoch, rows, digest"
)
_SELECT = "SELECT owner, target, incarnation, epoch, rows, digest FROM {}" + _WHICH
_MOVE = (
    "UPDATE {} SET incarnation = %(incarnation)s, epoch = %(epoch)s, rows = %(rows)s, digest = %(digest)s,"
    " published_at = now()" + _WHICH + " AND owner = %(owner)s AND epoch IS NOT DISTINCT FROM %(former)s"
)
_HOLD = " FOR UPDATE"
_FORGET = "DELETE FROM {}" + _WHICH


class Stored(NamedTuple):
    """A row of the table.

    Attributes:
        owner: Who may publish: a number drawn anew whenever somebody takes over; None if nobody ever has.
        target: The table that the epochs went to.
        token: What is published; None if nothing is.
    """

    owner: Any
    target: str
    token: Token | None


@dataclass(frozen=True)
class Tokens:
    """The row of one output in the table of tokens.

    Attributes:
        table: The table.
        target: The table of rows.
        pipeline: The pipeline.
        output: The output.
        process: The process.
    """

    table: Target
    target: Target
    pipeline: str
    output: str
    process: int = 0

    def create(self, link: psycopg.Connection[Any]) -> None:
        """Make the table unless it is there: to ask that of the server takes rights that not every user has."""
        from psycopg import sql

        if self._columns(link):
            return
        link.execute(LOCK)
        # Names and types of this file, no input.
        columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        link.execute(sql.SQL(_CREATE).format(self.table.quoted, sql.SQL(columns)))

    def check(self, link: psycopg.Connection[Any]) -> None:
        """Look whether the table is one of tokens.

        Raises:
            StartError: If there is none, or it is another.
        """
        found = self._columns(link)
        if not found:
            kinds = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            hint = f"CREATE TABLE {self.table} ({kinds}, PRIMARY KEY (pipeline, output, process))"
            raise StartError(f"there is no table {self.table} for the tokens", hint=hint)
        missing = [name for name in COLUMNS if (name,) not in found]
        if missing:
            hint = "token_table= names another one"
            raise StartError(f"{self.table} is no table of tokens: it has no {', '.join(missing)}", hint=hint)

    def _columns(self, link: psycopg.Connection[Any]) -> list[Any]:
        return link.execute(
            "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"
            " AND a.attnum > 0 AND NOT a.attisdropped",
            [self.table.schema, self.table.table],
        ).fetchall()

    def forget(self, link: psycopg.Connection[Any]) -> None:
        """Remove the row."""
        link.execute(self._statement(_FORGET), self._which)

    def stored(self, link: psycopg.Connection[Any], *, hold: bool = False) -> Stored | None:
        """The row as it is, or None.

        Args:
            link: The connection.
            hold: Whether nobody else may change it until the transaction ends.
        """
        row = link.execute(self._statement(_SELECT + _HOLD if hold else _SELECT), self._which).fetchone()
        return None if row is None else self._of(row)

    def end_former(self, link: psycopg.Connection[Any]) -> None:
        """End the session that owns the row, if it is still there and this user may."""
        link.execute(self._statement(_END_FORMER), self._which)

    def add(self, link: psycopg.Connection[Any]) -> None:
        """Insert a row without a token unless there is one."""
        link.execute(self._statement(_INSERT), {**self._which, "target": str(self.target)})

    def take(self, link: psycopg.Connection[Any]) -> Stored:
        """Become the owner: whoever was it before cannot publish any more once this is committed.

        Raises:
            SinkLost: If the row has been deleted meanwhile.
        """
        row = link.execute(self._statement(_TAKE), self._which).fetchone()
        if row is None:
            raise SinkLost(f"the row of {self.pipeline}/{self.output} has gone from {self.table}")
        return self._of(row)

    def move(self, link: psycopg.Connection[Any], owner: Any, former: int | None, token: Token) -> bool:
        """Write a token if we own the row and it says what we know, and hold the row until commit; whether we did."""
        values = {
            **self._which, "incarnation": token.incarnation, "epoch": token.epoch, "rows": token.rows,
            "digest": token.digest, "owner": owner, "former": former,
        }  # fmt: skip
        return link.execute(self._statement(_MOVE), values).rowcount == 1

    @property
    def _which(self) -> dict[str, Any]:
        return {"pipeline": self.pipeline, "output": self.output, "process": self.process}

    def _statement(self, text: str) -> sql.Composed:
        from psycopg import sql

        # Values are put in by the driver, which takes a percent sign of a name for the place of one.
        names = (self.table.schema.replace("%", "%%"), self.table.table.replace("%", "%%"))
        return sql.SQL(text).format(sql.Identifier(*names))

    def _of(self, row: Any) -> Stored:
        owner, target, incarnation, epoch, rows, digest = row
        token = None if epoch is None else Token(self.pipeline, self.process, incarnation, epoch, rows, digest)
        return Stored(owner, target, token)
