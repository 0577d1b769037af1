"""Publishes sealed epochs: one transaction has whole epochs and their tokens, or nothing.

What to do at which error is what held on a real broker. An error that may be repeated: the same call again. One that
asks for an abort: abort, and the same epochs in a new transaction. Anything else leaves the outcome unknown: the
producer is dropped, and a new one, behind its fence, reads which epoch was the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from penstock.connectors._kafka_client import Connection, Told, client
from penstock.connectors._kafka_records import unpack
from penstock.connectors._kafka_tokens import (
    TOKEN_PARTITION,
    fence_record,
    token_before,
    token_record,
)
from penstock.connectors.base import Sealed, Token
from penstock.core.clock import Clock, Signal
from penstock.core.errors import InvariantError, PenstockError, SinkError, SinkLost, StartError
from penstock.core.failpoint import hit
from penstock.core.timespan import SECOND

CALL_S = 5.0
"""How long one call waits for the cluster before the same call is made again, in seconds."""
PATIENCE_US = 30 * SECOND
"""How long calls are repeated before the connection counts as lost."""
ATTEMPTS = 5
"""How many transactions are tried with one producer."""
_PAUSE_US = 20_000


class Publisher:
    """The one that may publish an output: owns a transactional producer as long as nobody takes over.

    Args:
        connection: The cluster.
        topic: Where rows go.
        token_topic: Where tokens go; it also names the writer to the cluster.
        owner: Pipeline and output.
        timeout_ms: When the cluster gives up a transaction of a writer that is gone, in milliseconds.
        message_bytes: How large a record may be.
        clock: For patience.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        token_topic: str,
        owner: tuple[str, str],
        timeout_ms: int,
        message_bytes: int,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._topic, self._token_topic = topic, token_topic
        self._owner = owner
        self._conf = {
            "transactional.id": token_topic,
            "transaction.timeout.ms": timeout_ms,
            "message.max.bytes": message_bytes,
        }
        self._clock = clock
        self._told = Told()
        self._producer: Any = None

    @property
    def is_open(self) -> bool:
        """Whether it holds a producer that has not failed."""
        return self._producer is not None

    def open(self) -> Token | None:
        """Take over from whoever published before, and say what was published last.

        Raises:
            SinkLost: If the cluster cannot be reached now.
            SinkError: If it does not let this user publish, or the token topic is of another pipeline.
        """
        self.drop()
        self._told = Told()
        try:
            self._connection.partitions([self._topic, self._token_topic])
        except StartError as failure:
            raise SinkLost(failure.message, hint=failure.hint) from None
        self._producer = self._connection.producer(self._told, self._conf)
        try:
            hit("kafka.init")
            self._repeated(self._producer.init_transactions)
            hit("kafka.fence")
            fence = self._fence()
            hit("kafka.fenced")
            token = token_before(self._connection, self._token_topic, fence, self._owner, self._clock, PATIENCE_US)
            hit("kafka.token")
        except BaseException as failure:  # noqa: BLE001  (whatever it is: the producer must not be used again)
            self._fail(failure, "take over")
        return token

    def _fence(self) -> int:
        """Commit a fence; its offset."""
        offsets: list[int] = []

        def told(error: Any, message: Any) -> None:
            if error is None:
                offsets.append(message.offset())

        def produce() -> None:
            offsets.clear()
            self._send(self._token_topic, fence_record(*self._owner), None, TOKEN_PARTITION, told)

        self._transact(produce)
        limit = self._clock.monotonic() + PATIENCE_US
        while not offsets:
            self._producer.poll(0.05)
            if self._clock.monotonic() > limit:
                raise SinkLost(f'no word of the fence in "{self._token_topic}"{self._told}')
        return offsets[-1]

    def publish(self, epochs: Sequence[Sealed]) -> None:
        """Publish epochs and their tokens in one transaction.

        Raises:
            SinkLost: If it is unknown whether they were published, or another process has taken over.
            SinkError: If they can never be published.
        """
        if self._producer is None:
            raise SinkLost("the connection to Kafka is lost")

        def produce() -> None:
            for sealed in epochs:
                for partition, key, value in unpack(sealed.payload).each():
                    self._send(self._topic, value, key, partition)
            hit("kafka.produced")
            for sealed in epochs:
                self._send(self._token_topic, token_record(sealed, *self._owner), None, TOKEN_PARTITION)
            hit("kafka.tokens_produced")

        try:
            hit("kafka.begin")
            self._transact(produce)
            hit("kafka.committed")
        except BaseException as failure:  # noqa: BLE001  (whatever it is: the producer must not be used again)
            self._fail(failure, "publish")

    def _transact(self, produce: Callable[[], None]) -> None:
        """What is produced becomes visible at once or never; tried again where Kafka says that it may be."""
        for left in reversed(range(ATTEMPTS)):
            self._producer.begin_transaction()
            committing = False
            try:
                produce()
                hit("kafka.commit")
                committing = True
                self._repeated(self._producer.commit_transaction)
                self._producer.poll(0)
                return
            except BaseException as failure:
                asked = isinstance(failure, client().KafkaException) and failure.args[0].txn_requires_abort()
                # What failed to be produced is not missed by a later commit, which would succeed without it.
                if asked or not committing:
                    self._abort()
                if not asked or not left or failure.args[0].code() == client().KafkaError.MSG_SIZE_TOO_LARGE:
                    raise

    def _abort(self) -> None:
        """Abort the open transaction. If that fails, the producer is of no use, and the error is raised."""
        hit("kafka.abort")
        self._repeated(self._producer.abort_transaction)

    def _repeated(self, call: Callable[[float], object]) -> None:
        """Make a call until it is answered: the same one again, anything else would be in conflict with it."""
        limit = self._clock.monotonic() + PATIENCE_US
        while True:
            try:
                call(CALL_S)
                return
            except client().KafkaException as failure:
                error = failure.args[0]
                may = error.retriable() and not error.fatal() and not error.txn_requires_abort()
                if not may or self._clock.monotonic() > limit:
                    raise
            self._clock.wait(Signal(), _PAUSE_US)

    def _send(self, topic: str, value: bytes | None, key: bytes | None, partition: int, told: Any = None) -> None:
        """Hand a record to the client; waits while its queue is full."""
        try:
            self._producer.produce(topic, value, key, partition, told)
            return
        except BufferError:
            limit = self._clock.monotonic() + PATIENCE_US
        while True:
            self._producer.poll(0.05)
            try:
                self._producer.produce(topic, value, key, partition, told)
                return
            except BufferError:
                if self._clock.monotonic() > limit:
                    raise SinkLost(f"Kafka at {self._connection.servers} takes nothing more{self._told}") from None

    def drop(self) -> None:
        """Let the producer go without waiting for the cluster: a transaction of it that is open is never committed."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(blocking=False)

    def _fail(self, failure: BaseException, what: str) -> NoReturn:
        self.drop()
        judged = self._judged(failure, what)
        if judged is failure:
            raise failure
        raise judged from failure

    def _judged(self, failure: BaseException, what: str) -> BaseException:
        """The error to raise for a failure after which the producer was dropped."""
        library = client()
        if isinstance(failure, library.KafkaException):
            error = failure.args[0]
            text = f'cannot {what} to "{self._topic}" at {self._connection.servers}: {error.str()}{self._told}'
            if error.code() == library.KafkaError.MSG_SIZE_TOO_LARGE:
                return SinkError(text, hint="raise max.message.bytes of the topic and message.max.bytes in settings=")
            return SinkError(text) if error.code() in _never(library.KafkaError) else SinkLost(text)
        if isinstance(failure, PenstockError) or not isinstance(failure, Exception):
            return failure
        if isinstance(failure, SystemError):
            # The client was told of something fatal while it called back.
            return SinkLost(f'cannot {what} to "{self._topic}": {failure}{self._told}')
        return failure if isinstance(failure, OSError) else InvariantError(f"publishing to Kafka failed: {failure!r}")


def _never(codes: Any) -> frozenset[int]:
    """Errors that no repetition heals."""
    return frozenset(
        {
            codes.INVALID_TRANSACTION_TIMEOUT,
            codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            codes.TOPIC_AUTHORIZATION_FAILED,
            codes.CLUSTER_AUTHORIZATION_FAILED,
            codes.INVALID_RECORD,
            codes._UNKNOWN_PARTITION,
            codes._UNKNOWN_TOPIC,
            codes._UNSUPPORTED_FEATURE,
        }
    )
