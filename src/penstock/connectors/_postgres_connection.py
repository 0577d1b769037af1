"""Connections to PostgreSQL: addresses without passwords, servers that are verified, calls that end, errors."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.clock import SystemClock
from penstock.core.errors import JobError, SinkError, SinkLost, StartError
from penstock.core.spec import Secret

if TYPE_CHECKING:
    import psycopg

OLDEST_VERSION = 130_000
VERIFIED = ("verify-ca", "verify-full")
_SHORTEST_SECRET = 4
_HIDDEN = "***"

_LOST_CLASSES = frozenset({"08", "28", "40", "53", "57", "58"})
"""Classes of errors behind which nothing is wrong with the rows: connection, login, conflicts, resources, shutdown."""
_LOST_STATES = frozenset({"25006", "25P03", "25P04", "55006", "55P03"})
_HINTS = {
    "22": "the column has a type that cannot take the value: change the table, or cast in the pipeline",
    "23": "the table has a constraint that the rows break: change the table, or filter in the pipeline",
    "42": "the table or its permissions were changed while the pipeline ran",
    "22P05": "JSON in PostgreSQL cannot hold the character U+0000",
    "21000": "two keys are one in the table's eyes: does its key ignore case?",
    "42501": "grant the user of the url what it needs on the table",
}
KEPT = "the epoch stays in the state directory and is published as soon as the table takes it"


def require_driver() -> None:
    """Look whether the package psycopg is there.

    Raises:
        StartError: If it is not installed, or finds no libpq.
    """
    try:
        importlib.import_module("psycopg")
    except ImportError as missing:
        hint = "pip install 'penstock[postgres]'"
        raise StartError(f'the connector "postgres" needs the package "psycopg": {missing}', hint=hint) from None


@dataclass(frozen=True, repr=False)
class Address:
    """Where a database is, without its password wherever it is shown.

    Attributes:
        parameters: What is told to libpq.
    """

    parameters: Mapping[str, str]

    @classmethod
    def of(cls, url: str | Secret) -> Address:
        """Understand a url, or `name=value` pairs as libpq takes them.

        Raises:
            StartError: If it cannot be understood, or would not verify a server that is somewhere else.
        """
        text = url.reveal() if isinstance(url, Secret) else url
        require_driver()
        import psycopg

        try:
            found = psycopg.conninfo.conninfo_to_dict(text)
        except psycopg.Error:
            # The driver's message quotes the text, and with it the password.
            name = f" in {url}" if isinstance(url, Secret) else ""
            hint = "postgresql://user@host:5432/database"
            raise StartError(f"the url{name} is none of PostgreSQL", hint=hint) from None
        return cls(with_tls({name: str(value) for name, value in found.items()}, os.environ))

    def __str__(self) -> str:
        host, port = self.parameters.get("host", ""), self.parameters.get("port", "")
        return f"{host or 'the local server'}{':' + port if port else ''}/{self.parameters.get('dbname', '')}"

    __repr__ = __str__

    def scrubbed(self, text: str) -> str:
        """A text in one line, without passwords."""
        for name in ("password", "sslpassword"):
            secret = self.parameters.get(name, "")
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, _HIDDEN)
        return " ".join(text.split())


def with_tls(parameters: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The parameters with a mode of TLS that verifies a server that is not on this machine.

    Whoever runs the program may lower that by PGSSLMODE; who writes a pipeline cannot.

    Raises:
        StartError: If the url asks for less.
    """
    found = dict(parameters)
    addresses = found.get("hostaddr") or environment.get("PGHOSTADDR", "")
    hosts = [*addresses.split(","), *(found.get("host") or environment.get("PGHOST", "")).split(",")]
    operated = "PGSSLMODE" in environment or "service" in found or "PGSERVICE" in environment
    if operated or all(is_local(host) for host in hosts):
        return found
    mode = found.setdefault("sslmode", "verify-full")
    if mode not in VERIFIED:
        raise StartError(
            f"the url says sslmode={mode}, which would not verify who the server is",
            hint="sslmode=verify-full (and sslrootcert=FILE); whoever runs the program can set PGSSLMODE to lower it",
        )
    if mode == "verify-full" and "PGSSLROOTCERT" not in environment:
        found.setdefault("sslrootcert", "system")
    return found


def is_local(host: str) -> bool:
    """Whether a host is this machine: a loopback address, or a socket."""
    return host in ("", "localhost", "::1") or host.startswith(("/", "@", "127."))


# -- connections ---------------------------------------------------------------


@functools.cache
def _connection_class() -> Any:
    import psycopg

    clock = SystemClock()

    class BoundedConnection(psycopg.Connection[Any]):
        """A connection whose calls end: a server that has stopped answering counts as lost."""

        limit_us = 0

        def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
            return super().wait(self._bounded(gen), *args, **kwargs)

        def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            end = clock.monotonic() + self.limit_us
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if not ready and self.limit_us and clock.monotonic() > end:
                        self.pgconn.finish()
                        raise psycopg.OperationalError("the server does not answer")
                    wanted = gen.send(ready)
            except StopIteration as ended:
                return ended.value

    return BoundedConnection


def connect(address: Address, connect_timeout_us: int, timeout_us: int) -> psycopg.Connection[Any]:
    """A connection outside of transactions, with settings that make text mean one thing.

    Args:
        address: Where.
        connect_timeout_us: How long to try.
        timeout_us: How long a call may take.

    Raises:
        psycopg.Error: If there is none.
    """
    import psycopg

    more = {
        "connect_timeout": str(max(1, connect_timeout_us // 1_000_000)),
        "application_name": "penstock",
        "tcp_user_timeout": str(timeout_us // 1_000),
        **address.parameters,
        "client_encoding": "UTF8",
    }
    link = _connection_class().connect("", prepare_threshold=None, **more)
    try:
        link.limit_us = timeout_us
        link.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        link.read_only = False
        milliseconds = str(timeout_us // 1_000)
        link.execute(
            "SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false),"
            " set_config('IntervalStyle', 'postgres', false), set_config('statement_timeout', %s, false),"
            " set_config('lock_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false),"
            # A commit that the server may forget takes its token with it, after the epoch was let go.
            " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
            " ELSE current_setting('synchronous_commit') END, false)",
            [milliseconds, str(connect_timeout_us // 1_000), milliseconds],
        )
        link.commit()
    except BaseException:
        link.close()
        raise
    found: psycopg.Connection[Any] = link
    return found


# -- errors --------------------------------------------------------------------


def is_lost(failure: psycopg.Error) -> bool:
    """Whether an error says nothing about the rows: asked again later, the server may do it, or may have done it."""
    import psycopg

    state = failure.sqlstate
    if state is None:
        return isinstance(failure, (psycopg.OperationalError, psycopg.InterfaceError))
    return state[:2] in _LOST_CLASSES or state in _LOST_STATES


def refused(failure: psycopg.Error, address: Address, what: str, *, show_values: bool) -> JobError:
    """The error for users.

    Args:
        failure: What the driver raised.
        address: Where.
        what: What was tried: `'publish epoch 7 to public.totals'`.
        show_values: Whether the server's words, which may quote a value, may be shown.
    """
    state, said = failure.sqlstate or "", failure.diag
    if is_lost(failure):
        return SinkLost(f"cannot {what} at {address}: {address.scrubbed(str(failure) or type(failure).__name__)}")
    words = address.scrubbed(said.message_primary or str(failure)) if show_values else type(failure).__name__
    places = [("column", said.column_name), ("constraint", said.constraint_name), ("type", said.datatype_name)]
    named = ", ".join(f'{kind} "{name}"' for kind, name in places if name)
    hint = _HINTS.get(state) or _HINTS.get(state[:2]) or f"SQLSTATE {state}"
    return SinkError(f"cannot {what}: {words}{f' ({named})' if named else ''}", hint=f"{hint}; {KEPT}")


def not_there(failure: psycopg.Error, address: Address) -> StartError:
    """The error for users if a database cannot be used when a pipeline starts."""
    words = address.scrubbed(failure.diag.message_primary or str(failure) or type(failure).__name__)
    hint = "is the server running, and are host, port, user and database of the url right?"
    if "certificate" in words or "SSL" in words or "TLS" in words:
        hint = "sslrootcert=FILE in the url names the authority that signed the server's certificate"
    elif failure.sqlstate == "42501":
        hint = _HINTS["42501"]
    return StartError(f"cannot use PostgreSQL at {address}: {words}", hint=hint)
