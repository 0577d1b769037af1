"""Writers of a topic: in transactions with tokens, or at least once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.connectors._kafka_client import Connection, Told, client, said
from penstock.connectors._kafka_publisher import Publisher
from penstock.connectors._kafka_records import Encoder, Records, pack
from penstock.connectors.base import Content, Sealed, Token, Writer
from penstock.core.clock import Clock
from penstock.core.errors import SinkError, SinkLost
from penstock.core.failpoint import hit
from penstock.core.lazy import np
from penstock.core.timespan import SECOND

if TYPE_CHECKING:
    import polars as pl

CONFIRM_US = 120 * SECOND
"""How long an epoch may take to be confirmed, at least once, in microseconds."""


class KafkaWriter(Writer):
    """What both kinds share: the rows of the open epoch are kept, and encoded beside the next steps.

    Args:
        encoder: Makes records of rows.
        changes: Whether rows come and go.
        topic: The topic, for reports.
    """

    def __init__(self, encoder: Encoder, changes: bool, topic: str) -> None:
        self._encoder = encoder
        self._changes = changes
        self._topic = topic
        self._frames: list[tuple[pl.DataFrame, Any]] = []
        self._turn = 0
        self._published = 0

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Keep rows of the open epoch."""
        if frame.height:
            self._frames.append((frame, None if diff is None else np.array(diff, dtype=np.int8)))

    def _taken(self) -> tuple[int, Callable[[], Records]]:
        """End the epoch: how many rows it has, and what encodes them."""
        frames, self._frames = self._frames, []
        rows = sum(frame.height for frame, _ in frames)
        turn, self._turn = self._turn, (self._turn + rows) % self._encoder.partitions
        return rows, lambda: self._encoder.encode(frames, self._changes, turn)

    def report(self) -> str:
        """How many records were published."""
        return f"{self._published:,} records in the topic {self._topic}"


def _value(records: Records) -> dict[str, Any]:
    return {"records": len(records.partitions), "partitions": records.counts()}


class TransactionalWriter(KafkaWriter):
    """Publishes sealed epochs in transactions with their tokens.

    Args:
        encoder: Makes records of rows.
        changes: Whether rows come and go.
        topic: The topic.
        publisher: Publishes.
    """

    def __init__(self, encoder: Encoder, changes: bool, topic: str, publisher: Publisher) -> None:
        super().__init__(encoder, changes, topic)
        self._publisher = publisher
        self._asked = False
        self._last: int | None = None

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """End the epoch; what is given encodes and packs it.

        Raises:
            SinkError: If a row cannot be written, or a record is larger than the topic takes.
        """
        rows, encode = self._taken()

        def seal() -> Content:
            hit("kafka.seal")
            records = encode()
            return Content(_value(records), pack(records), rows)

        return seal

    def last_token(self) -> Token | None:
        """Take over the output, and read which epoch was published last; see `Publisher.open`."""
        self._asked = True
        self._last = None
        token = self._publisher.open()
        self._last = None if token is None else token.epoch
        return token

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Publish epochs in one transaction; those up to the last token are skipped.

        Raises:
            SinkLost: If the outcome is unknown or the cluster cannot be reached: ask `last_token`.
            SinkError: If they can never be published, or an epoch before them is missing.
        """
        if not self._asked and epochs:
            self._begin(epochs[0].token)
        if not self._publisher.is_open and epochs:
            raise SinkLost(f'the connection to the topic "{self._topic}" is lost: its last token must be read')
        new = [sealed for sealed in epochs if self._last is None or sealed.token.epoch > self._last]
        if not new:
            return
        before = self._last
        for sealed in new:
            if before is not None and sealed.token.epoch != before + 1:
                raise SinkError(f"epoch {sealed.token.epoch} cannot follow epoch {before}: one between them is missing")
            before = sealed.token.epoch
        self._publisher.publish(new)
        self._last = before
        self._published += sum(int(sealed.value.get("records", 0)) for sealed in new)

    def _begin(self, first: Token) -> None:
        """Take over for a caller that has not asked what was published, and so must find nothing that clashes."""
        token = self.last_token()
        if token is not None and token.epoch >= first.epoch:
            raise SinkError(
                f'the topic "{self._topic}" has epoch {token.epoch} of this output already, and this run begins with '
                f"epoch {first.epoch}: output of two runs must not be mixed",
                hint="another token_topic= for a run that starts anew",
            )

    def close(self) -> None:
        """Let the producer go."""
        self._frames = []
        self._publisher.drop()


class PlainWriter(KafkaWriter):
    """Sends the rows of an epoch when it ends, and waits until all are confirmed: at least once.

    Args:
        encoder: Makes records of rows.
        changes: Whether rows come and go.
        topic: The topic.
        connection: The cluster.
        message_bytes: How large a record may be.
        clock: For patience.
    """

    def __init__(
        self, encoder: Encoder, changes: bool, topic: str, connection: Connection, message_bytes: int, clock: Clock
    ) -> None:
        super().__init__(encoder, changes, topic)
        self._told = Told()
        self._clock = clock
        self._failed: list[str] = []
        own = {"message.max.bytes": message_bytes, "delivery.report.only.error": True, "acks": "all"}
        self._producer = connection.producer(self._told, own)

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """End the epoch; what is given sends it and returns when the cluster has it.

        Raises:
            SinkError: If a record is refused, or not confirmed in time; some may be there then.
        """
        rows, encode = self._taken()

        def confirm() -> Content:
            records = encode()
            hit("kafka.send")
            self._send(records)
            hit("kafka.confirmed")
            self._published += len(records.partitions)
            return Content(_value(records), rows=rows)

        return confirm

    def _send(self, records: Records) -> None:
        library, limit = client(), self._clock.monotonic() + CONFIRM_US

        def told(error: Any, message: Any) -> None:
            self._failed.append(str(error.str()))

        try:
            for partition, key, value in records.each():
                while True:
                    try:
                        self._producer.produce(self._topic, value, key, partition, told)
                        break
                    except BufferError:
                        self._producer.poll(0.05)
                        self._check(self._clock.monotonic() > limit)
            left = 1
            while left and not self._failed:
                left = self._producer.flush(1.0)
                self._check(bool(left) and self._clock.monotonic() > limit)
        except (library.KafkaException, SystemError) as failure:
            raise SinkError(f'cannot write to "{self._topic}": {said(failure)}{self._told}') from None
        self._check(late=False)

    def _check(self, late: bool) -> None:
        if self._failed:
            raise SinkError(f'cannot write to "{self._topic}": {self._failed[0]}{self._told}')
        if late:
            raise SinkError(f'records for "{self._topic}" were not confirmed in time{self._told}')

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Nothing: what is sealed is there."""

    def close(self) -> None:
        """Let the producer go; what is not confirmed may be lost, and belongs to no sealed epoch."""
        self._frames = []
        self._producer.purge(blocking=False)
