"""PostgreSQL: a table that gets whole epochs, exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from penstock.connectors._postgres_connection import Address
from penstock.connectors._postgres_epoch import Limits
from penstock.connectors._postgres_lookup import Place, PostgresLookup, columns_of
from penstock.connectors._postgres_table import Target, check_name
from penstock.connectors._postgres_writer import PostgresWriter, Settings
from penstock.connectors.base import TRANSACTIONAL, Sink, Writer, WriteRequest
from penstock.connectors.lookups import Lookup, LookupRequest, LookupSource
from penstock.core.errors import PlanError, StartError, one_of
from penstock.core.schema import Schema
from penstock.core.spec import Secret, given_options, option
from penstock.core.timespan import duration

CREATE = ("if_missing", "never")
MODES = ("error", "append")
_HIDDEN = "***"


@dataclass(frozen=True)
class PostgresSink(Sink):
    """A table of PostgreSQL 13 or newer.

    An epoch and its token are committed in one transaction, so that readers see whole epochs only, and each once,
    whatever is killed when. Without a key rows are appended. With one, a row takes the place of that of its key, and
    changes of a Table update and delete; the key is that of the Table, or that of `write(sink, key=...)`, or
    `key` here. Keys have no nulls.

    A table that is missing is created; one that is there must have our columns, with types that hold every value of
    ours, and by key a unique index of exactly the columns of the key. A second table remembers for each
    output which epoch was published last, and who may publish the next.

    A server that is not on this machine must prove who it is: `sslmode=verify-full` unless the url says `verify-ca`.
    """

    connector: ClassVar[str] = "postgres"
    delivery: ClassVar[str] = TRANSACTIONAL
    takes_changes: ClassVar[bool] = True
    needs_key: ClassVar[bool] = True
    remembers: ClassVar[bool] = True

    table: str = option(doc="The table.", example="totals")
    _: KW_ONLY
    url: str | Secret = option(  # noqa: RUF009  (declares a field)
        doc="The database. In Python also as text; without a reference it is never shown.", secret=True,
        example="postgresql://user:password@host:5432/database",
    )  # fmt: skip
    key: str | Sequence[str] | None = option(None, doc="The columns by which rows are replaced.", example="user_id")
    create: str = option("if_missing", doc="Whether tables that are missing are created.", choices=CREATE)
    schema: str = option("public", doc="The schema of the tables in the database.")
    token_table: str = option("penstock_tokens", doc="The table that remembers what is published.")
    mode: str = option(
        "error", doc="What a run that starts anew does if a former one has published: refuse, or add to it.",
        choices=MODES,
    )  # fmt: skip
    connect_timeout: str = option("10 s", doc="How long to try to connect, and to wait for locks.", span=True)
    timeout: str = option("2 min", doc="How long a statement may take.", example="10 min", span=True)
    batch_bytes: int = option(32 << 20, doc="From how many bytes of rows on an open epoch is packed.")
    epoch_bytes: int = option(1 << 30, doc="The most bytes of an epoch: packed ones, or by key those of its rows.")

    def __post_init__(self) -> None:
        for what in ("table", "schema", "token_table"):
            check_name(f'option "{what}"', getattr(self, what))
        if "." in self.table:
            schema, _, table = self.table.rpartition(".")
            hint = f'PostgresSink("{table}", schema="{schema}", ...)'
            raise PlanError(f'the table "{self.table}" is given with its schema', hint=hint)
        if not isinstance(self.url, (str, Secret)):
            raise PlanError(f"the url is a text or a reference to a secret, found {type(self.url).__name__}")
        if self.create not in CREATE:
            raise one_of("create", self.create, CREATE)
        if self.mode not in MODES:
            raise one_of("mode", self.mode, MODES)
        for name in ("connect_timeout", "timeout"):
            if duration(getattr(self, name)) < 1_000_000:
                raise PlanError(f'{name} is at least a second, found "{getattr(self, name)}"')
        if self.batch_bytes < 1 or self.epoch_bytes < 1:
            raise PlanError("batch_bytes and epoch_bytes are at least 1")

    def writer(self, request: WriteRequest) -> Writer:
        """Check the tables, or make them.

        Raises:
            StartError: If the database is not there, the table does not take these rows, or holds what must not be
                mixed with this run's output.
        """
        settings = Settings(
            Target(self.schema, self.table),
            Target(self.schema, self.token_table),
            self._key(request),
            self.create == "if_missing",
            self.mode == "append",
            duration(self.connect_timeout),
            duration(self.timeout),
            Limits(self.batch_bytes, self.epoch_bytes),
        )
        return PostgresWriter(Address.of(self.url), settings, request)

    def _key(self, request: WriteRequest) -> tuple[str, ...]:
        """The columns by which rows are replaced."""
        given = (self.key,) if isinstance(self.key, str) else tuple(self.key or ())
        if given and request.key and set(given) != set(request.key):
            raise StartError(
                f"rows with the key {', '.join(request.key)} would collide by {', '.join(given)}",
                hint="leave key= of the sink out",
            )
        return given or request.key

    def default_name(self) -> str:
        """The name of the table."""
        return self.table

    def plan_value(self) -> dict[str, Any]:
        """How a plan stores the sink; of a url that is no reference the password is left out."""
        options = given_options(self)
        if isinstance(self.url, str):
            options["url"] = _without_password(self.url)
        if "key" in options and not isinstance(options["key"], str):
            options["key"] = list(options["key"])
        return {"role": "sink", "connector": self.connector, "options": options}

    def __repr__(self) -> str:
        url = str(self.url) if isinstance(self.url, Secret) else _without_password(self.url)
        return f"PostgresSink({self.table!r}, url={url!r})"


@dataclass(frozen=True)
class PostgresSource(LookupSource):
    """A table or view of PostgreSQL 13 or newer that is asked by key: `stream.lookup(PostgresSource(...), on="id")`.

    One query for each batch of distinct keys, on a connection for each call that runs at a time. A query ends after
    the timeout of the lookup; a server that is away, shuts down or refuses for lack of resources is asked again, what
    it refuses otherwise (no such table, no permission) is not. Columns of types that we do not have are texts, as the
    server writes them. A key is compared in the type of its column, if that is a number, a text or a time; else as
    text, which needs an index on `(column::text)`.

    A server that is not on this machine must prove who it is: `sslmode=verify-full` unless the url says `verify-ca`.
    """

    connector: ClassVar[str] = "postgres"

    table: str = option(doc="The table.", example="users")
    _: KW_ONLY
    url: str | Secret = option(  # noqa: RUF009  (declares a field)
        doc="The database. In Python also as text; without a reference it is never shown.", secret=True,
        example="postgresql://user:password@host:5432/database",
    )  # fmt: skip
    namespace: str = option("public", doc="The schema of the table in the database.")
    connect_timeout: str = option("10 s", doc="How long to try to connect.", span=True)

    def __post_init__(self) -> None:
        for what in ("table", "namespace"):
            check_name(f'option "{what}"', getattr(self, what))
        if not isinstance(self.url, (str, Secret)):
            raise PlanError(f"the url is a text or a reference to a secret, found {type(self.url).__name__}")

    def _place(self) -> Place:
        return Place(Address.of(self.url), Target(self.namespace, self.table), duration(self.connect_timeout))

    def schema(self) -> Schema:
        """The columns of the table, asked of the server."""
        return columns_of(self._place())

    def lookup(self, request: LookupRequest) -> Lookup:
        """A connection."""
        return PostgresLookup(self._place(), request)

    def default_name(self) -> str:
        """The name of the table."""
        return self.table

    def plan_value(self) -> dict[str, Any]:
        """How a plan stores it; of a url that is no reference the password is left out."""
        options = given_options(self)
        if isinstance(self.url, str):
            options["url"] = _without_password(self.url)
        return {"role": "lookup", "connector": self.connector, "options": options}

    def __repr__(self) -> str:
        url = str(self.url) if isinstance(self.url, Secret) else _without_password(self.url)
        return f"PostgresSource({self.table!r}, url={url!r})"


def _without_password(url: str) -> str:
    """A url with its user, host and database only; anything else that might hide a password is left out."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("postgres", "postgresql"):
            return _HIDDEN
        access, at, place = parts.netloc.rpartition("@")
        user, colon, _ = access.partition(":")
        return urlunsplit((parts.scheme, f"{user}{colon}{_HIDDEN if colon else ''}{at}{place}", parts.path, "", ""))
    except ValueError:
        return _HIDDEN


SOURCE = None
SINK = PostgresSink
LOOKUP = PostgresSource
