"""Writes epochs to a table: each in one transaction with its token, by whoever has taken over last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.connectors._postgres_connection import Address, connect, not_there, refused
from penstock.connectors._postgres_epoch import Limits, OpenEpoch, unpack
from penstock.connectors._postgres_publish import Publisher
from penstock.connectors._postgres_table import Target, check_columns, check_server, check_table, create
from penstock.connectors._postgres_tokens import Tokens
from penstock.connectors.base import Content, Sealed, Token, Writer, WriteRequest, is_newer_run
from penstock.core.errors import InvariantError, JobError, SinkLost, StartError, StateError, SupersededError
from penstock.core.failpoint import hit
from penstock.core.lazy import np

if TYPE_CHECKING:
    import polars as pl
    import psycopg


class Settings(NamedTuple):
    """What a sink says of its table and its connection.

    Attributes:
        target: The table of rows.
        token_table: The table of tokens.
        key: The columns of the key; empty to append.
        creates: Whether tables that are missing are made.
        adds: Whether a run that starts anew adds to what a former one has published.
        connect_timeout_us: How long to try to connect, and to wait for a lock of somebody else.
        timeout_us: How long a statement may take.
        limits: How much of an epoch is held.
    """

    target: Target
    token_table: Target
    key: tuple[str, ...]
    creates: bool
    adds: bool
    connect_timeout_us: int
    timeout_us: int
    limits: Limits


class PostgresWriter(Writer):
    """Keeps the open epoch, and publishes sealed ones.

    Args:
        address: The database.
        settings: See `Settings`.
        request: What is going to be written.

    Raises:
        StartError: If the database is not there, or the table does not take these rows.
    """

    def __init__(self, address: Address, settings: Settings, request: WriteRequest) -> None:
        self._address, self._settings, self._request = address, settings, request
        self._tokens = Tokens(settings.token_table, settings.target, request.pipeline, request.output)
        self._show_values = not any(field.mask for field in request.schema)
        check_columns(request.schema, settings.key)
        self._forget = request.fresh and settings.adds
        self._seen: Token | None = None
        self._required = self._start()
        self._epoch = self._new_epoch()
        self._link: psycopg.Connection[Any] | None = None
        self._publisher: Publisher | None = None
        self._owner: Any = None
        self._last: Token | None = None
        self._opened = False
        self._published = 0

    # -- the start

    def _start(self) -> frozenset[str]:
        """Check the server and the tables, or make them; the columns without nulls."""
        import psycopg

        settings = self._settings
        try:
            with contextlib.closing(self._connect()) as link:
                check_server(link, keyed=bool(settings.key))
                found = check_table(link, settings.target, self._request.schema, settings.key)
                if found is None:
                    found = self._create(link)
                if settings.creates:
                    self._tokens.create(link)
                self._tokens.check(link)
                self._check_former(link)
                link.commit()
                return found
        except psycopg.Error as failure:
            raise not_there(failure, self._address) from None

    def _create(self, link: psycopg.Connection[Any]) -> frozenset[str]:
        target, schema = self._settings.target, self._request.schema
        if not self._settings.creates:
            raise StartError(f"there is no table {target} at {self._address}", hint='create="if_missing" makes it')
        create(link, target, schema, self._settings.key)
        # Another process may have made it before us, with other columns.
        found = check_table(link, target, schema, self._settings.key)
        if found is None:
            raise StartError(f"the table {target} has gone again")
        return found

    def _check_former(self, link: psycopg.Connection[Any]) -> None:
        """Refuse to mix what two runs have published, or two tables."""
        name = f'output "{self._request.output}" of pipeline "{self._request.pipeline}"'
        stored = self._tokens.stored(link)
        if stored is None:
            return
        if self._forget:
            self._seen = stored.token
            return
        if stored.target != str(self._settings.target) and stored.token is not None:
            raise StartError(
                f"the {name} has been published to {stored.target} up to epoch {stored.token.epoch}, "
                f"and now it would go on in {self._settings.target}",
                hint="give the output another name",
            )
        if self._request.fresh and stored.token is not None:
            raise StartError(
                f"{self._settings.target} holds epochs up to {stored.token.epoch} of the {name}, and this run starts "
                "anew: its rows would be there twice",
                hint='go on with the state directory of that run; or mode="append" adds to what is there',
            )

    def _connect(self) -> psycopg.Connection[Any]:
        return connect(self._address, self._settings.connect_timeout_us, self._settings.timeout_us)

    # -- rows

    def _new_epoch(self) -> OpenEpoch:
        return OpenEpoch(self._request.schema, self._settings.key, self._required, self._settings.limits)

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Keep rows of the open epoch; many are packed at once.

        Raises:
            SinkError: If the epoch has become too large, or holds what the table cannot.
        """
        self._epoch.add(frame, diff)

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """End the open epoch; what is given encodes it.

        Raises:
            SinkError: From what is given, if the table could not hold a value.
        """
        ended, self._epoch = self._epoch, self._new_epoch()
        return ended.seal

    # -- publishing

    def last_token(self) -> Token | None:
        """Connect, become the owner of the row of tokens, and read it.

        Raises:
            SinkLost: If the database cannot be reached now, or somebody holds the row.
            StateError: If the row is that of another table.
            SupersededError: If this run was to begin anew, and a newer one has published.
        """
        self._drop()
        self._opened = True
        import psycopg

        with self._guarded(f"take over {self._settings.target}"):
            link = self._link = self._connect()
            try:
                self._tokens.end_former(link)
                link.commit()
            except psycopg.errors.InsufficientPrivilege:
                # Then it is waited for, and its idle transactions end by themselves.
                link.rollback()
            stored = self._tokens.stored(link, hold=self._forget)
            if self._forget and stored is not None:
                # Not when the sink is opened: only the run that has taken over may.
                hit("postgres.before_forget")
                if is_newer_run(stored.token, self._seen):
                    raise SupersededError(f"another process has taken over {self._settings.target}")
                self._tokens.forget(link)
                stored = None
            if stored is None:
                self._tokens.add(link)
            link.commit()
            self._forget = False
            hit("postgres.before_take_over")
            stored = self._tokens.take(link)
            hit("postgres.taking_over")
            link.commit()
            hit("postgres.taken_over")
        if stored.target != str(self._settings.target):
            self._drop()
            raise StateError(f"the tokens of this output belong to {stored.target}, not to {self._settings.target}")
        self._publisher = Publisher(link, self._settings.target)
        self._owner, self._last = stored.owner, stored.token
        return stored.token

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Publish epochs and the token of the last one in one transaction; those that are published are skipped.

        Raises:
            SinkLost: If the database cannot be reached, the outcome is unknown, or somebody else has taken over.
            SupersededError: If somebody else has taken over and published.
            SinkError: If the table refuses a row; nothing of these epochs is visible.
            StateError: If the table of tokens does not say what it must.
        """
        if not self._opened:
            self.last_token()
        new = self._not_published(epochs)
        if not new:
            return
        link, publisher = self._link, self._publisher
        if link is None or publisher is None:
            raise SinkLost(f"the connection to {self._address} is lost", hint="last_token opens another")
        numbers = f"epoch {new[0].token.epoch}" if len(new) == 1 else f"epochs {_span(new)}"
        with self._guarded(f"publish {numbers} to {self._settings.target}"):
            hit("postgres.before_publish")
            former = self._last.epoch if self._last is not None else None
            # First of all, so that nothing is sent in vain; the row is ours until the end of the transaction.
            if not self._tokens.move(link, self._owner, former, new[-1].token):
                link.rollback()
                raise self._not_ours(link, new[0].token)
            hit("postgres.token_moved")
            for sealed in new:
                if sealed.payload:
                    publisher.publish(unpack(sealed.payload))
            hit("postgres.before_commit")
            link.commit()
            hit("postgres.committed")
        self._last = new[-1].token
        self._published += sum(sealed.token.rows for sealed in new)

    def _not_published(self, epochs: Sequence[Sealed]) -> list[Sealed]:
        last, new = self._last, []
        for sealed in epochs:
            token = sealed.token
            if token.pipeline != self._request.pipeline or token.process != self._tokens.process:
                raise InvariantError(f"{token} came to the output of pipeline {self._request.pipeline}, process 0")
            if last is not None and token.epoch == last.epoch and token.digest != last.digest:
                raise StateError(
                    f"{self._settings.target} holds another epoch {token.epoch} than the one that is sealed",
                    hint="another run with other rows has used this pipeline's name in this database",
                )
            if last is not None and token.epoch <= last.epoch:
                continue
            if last is not None and token.epoch != last.epoch + 1:
                raise InvariantError(f"epoch {token.epoch} was to be published behind epoch {last.epoch}")
            new.append(sealed)
            last = token
        return new

    def _not_ours(self, link: psycopg.Connection[Any], mine: Token) -> JobError:
        """Why the row could not be moved."""
        stored = self._tokens.stored(link)
        link.rollback()
        where = f"{self._request.pipeline}/{self._request.output} in {self._settings.token_table}"
        if stored is None:
            return SinkLost(f"the row of {where} has gone")
        if stored.owner == self._owner:
            return StateError(f"the row of {where} was changed by somebody who does not own it")
        if stored.token is not None and stored.token.incarnation > mine.incarnation:
            return SupersededError(f"another process has taken over the row of {where}")
        return SinkLost(f"another process has taken over the row of {where}")

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        """Turn errors of the driver into ours; after any error the connection is given up."""
        import psycopg

        try:
            yield
        except psycopg.Error as failure:
            self._drop()
            raise refused(failure, self._address, what, show_values=self._show_values) from None
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        link, self._link, self._publisher, self._owner = self._link, None, None, None
        if link is not None:
            link.close()

    def close(self) -> None:
        """Close the connection; what is not sealed is gone."""
        self._epoch = self._new_epoch()
        self._drop()

    def report(self) -> str:
        """How many rows were published, and where."""
        return f"{self._published:,} rows published to {self._settings.target} at {self._address}"


def _span(epochs: Sequence[Sealed]) -> str:
    return f"{epochs[0].token.epoch} to {epochs[-1].token.epoch}"
