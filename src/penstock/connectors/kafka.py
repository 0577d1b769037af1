"""Topics of Kafka as source and sink: own offsets, and exactly-once by transactions with tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from hashlib import blake2b
from typing import Any, ClassVar

from penstock.connectors._kafka_client import Connection, checked_settings
from penstock.connectors._kafka_metadata import check_columns, checked_metadata
from penstock.connectors._kafka_publisher import Publisher
from penstock.connectors._kafka_reader import KafkaReader
from penstock.connectors._kafka_records import RECORD_OVERHEAD, Encoder
from penstock.connectors._kafka_tokens import ensure_topic
from penstock.connectors._kafka_writer import PlainWriter, TransactionalWriter
from penstock.connectors.base import (
    AT_LEAST_ONCE,
    TRANSACTIONAL,
    Reader,
    ReadRequest,
    Sink,
    Source,
    Split,
    Writer,
    WriteRequest,
)
from penstock.core.clock import SystemClock
from penstock.core.dtypes import Json, List, Map, Struct
from penstock.core.errors import PlanError, SourceError, StartError, one_of
from penstock.core.schema import Schema
from penstock.core.spec import option
from penstock.core.timespan import MILLISECOND, SECOND, duration

STARTS = ("earliest", "latest")
GUARANTEES = ("exactly_once", "at_least_once")
PARTITIONINGS = ("key", "round_robin")
KEY_FORMATS = ("json", "text")
FORMATS = ("json",)

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_LONGEST_TRANSACTION_US = 900 * SECOND


def _require_name(name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PlanError(f"a topic is named by up to 249 letters, digits, '.', '_' and '-', found {name!r}")


def _require_one_of(kind: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise one_of(kind, str(value), known)


def _names(value: Any, what: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise PlanError(f"{what} is a name or several different ones, found {value!r}")
    return names


# -- Source --------------------------------------------------------------------


@dataclass(frozen=True)
class KafkaSource(Source):
    """The messages of one topic or several; each partition is a split, `orders-0`, in the order of its offsets.

    Only what was committed is read. Positions are offsets of Penstock's own: no group is joined, nothing is
    rebalanced or committed to begin from, and no position is ever reset. A position that retention has passed is an
    error that names it, and so is a topic that is not there.

    A value is one JSON object. One that cannot be decoded is a bad row; so is a message without a value.

    Each partition has a client of its own (a few threads and connections): meant for dozens of partitions.
    """

    connector: ClassVar[str] = "kafka"
    rediscovers: ClassVar[bool] = True

    topic: str | Sequence[str] = option(doc="The topic, or several.", example="orders")
    _: KW_ONLY
    servers: str = option(doc="host:port of one or more servers.", example="localhost:9092")
    format: str = option("json", doc="What values are.", choices=FORMATS)
    start: str | Mapping[str, int] = option(
        "earliest",
        doc="Where a new run begins: earliest, latest, or offsets by partition (those not named: earliest).",
        example="latest",
    )
    stop: str | None = option(
        None,
        doc='"latest" = end at what is there when reading begins; by default it never ends.',
        choices=(None, "latest"),
    )
    metadata: Mapping[str, str] = option(
        {}, doc="Columns that are no part of values: each the topic, partition, offset or timestamp of its message.",
        example={"at": "timestamp"},
    )  # fmt: skip
    group: str | None = option(None, doc="A consumer group that is told how far the sinks are, for tools to show.")
    settings: Mapping[str, Any] = option({}, doc="More settings of librdkafka, such as those of security.")

    def __post_init__(self) -> None:
        for name in _names(self.topic, "topic"):
            _require_name(name)
        if not isinstance(self.topic, str):
            object.__setattr__(self, "topic", tuple(self.topic))
        _require_one_of("format", self.format, FORMATS)
        if isinstance(self.start, str):
            _require_one_of("start", self.start, STARTS)
        else:
            object.__setattr__(self, "start", self._offsets(self.start))
        if self.stop is not None:
            _require_one_of("stop", self.stop, ("latest",))
        object.__setattr__(self, "metadata", checked_metadata(self.metadata))
        object.__setattr__(self, "settings", checked_settings(self.settings))

    @property
    def _topics(self) -> tuple[str, ...]:
        return _names(self.topic, "topic")

    def _offsets(self, given: Any) -> dict[str, int]:
        """Offsets by the names of splits; numbers of partitions are enough for one topic."""
        if not isinstance(given, Mapping):
            raise PlanError(f"start is earliest, latest, or offsets by partition, found {given!r}")
        found = {}
        for key, offset in given.items():
            name = str(key) if not str(key).isdigit() or len(self._topics) > 1 else f"{self._topics[0]}-{key}"
            topic, _, partition = name.rpartition("-")
            if topic not in self._topics or not partition.isdigit() or not isinstance(offset, int) or offset < 0:
                raise PlanError(f"start: {key!r}: {offset!r} is no offset of a partition of {', '.join(self._topics)}")
            found[name] = offset
        return found

    @property
    def _connection(self) -> Connection:
        return Connection(self.servers, self.settings)

    @property
    def bounded(self) -> bool:
        """Whether reading ends at what is there when it begins."""
        return self.stop is not None

    def schema(self) -> Schema:
        """Nothing says what is in a topic.

        Raises:
            PlanError: Always.
        """
        raise PlanError("a topic of Kafka does not say its columns", hint="say schema={...}")

    def splits(self) -> Sequence[Split]:
        """The partitions there are now, by topic and number; asked again it names those that have been added.

        Raises:
            StartError: If a topic does not exist, or no server answers.
        """
        found = self._connection.partitions(self._topics)
        return [Split(f"{topic}-{number}") for topic in self._topics for number in range(found[topic])]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader of a partition.

        Args:
            split: The partition.
            position: A position that a reader gave; None = where `start` says; `first_position()` for a partition
                that was added while the pipeline ran, whose first rows are new whatever `start` says.
            request: What is wanted.

        Raises:
            StartError: If no server answers, or a column of metadata has a type that does not fit.
            SourceError: If the position is one of a topic that was deleted, and another has its name now.
        """
        check_columns(self.metadata, request.schema)
        topic, _, number = split.name.rpartition("-")
        partition, connection = int(number), self._connection
        identity = connection.topic_id(topic)
        known = None if position is None else position.get("topic")
        if identity is not None and known not in (None, identity):
            raise SourceError(
                f'the topic "{topic}" was deleted and made anew: offset {position["offset"]}, '
                "where reading must go on, is one of the former topic",
                hint="rows of the former topic are lost; start anew",
            )
        if position is None:
            position = {"offset": self._beginning(split.name, connection, topic, partition)}
        elif position == self.first_position():
            position = {"offset": connection.offset(topic, partition, latest=False, committed=False)}
        if self.bounded and "end" not in position:
            # What is there, committed or not yet: what was committed early may lie behind what is still open.
            position = {**position, "end": connection.offset(topic, partition, latest=True, committed=False)}
        if identity is not None:
            position = {**position, "topic": identity}
        return KafkaReader(connection, topic, partition, position, self.group, request, self.metadata)

    def _beginning(self, name: str, connection: Connection, topic: str, partition: int) -> int:
        if not isinstance(self.start, str) and name in self.start:
            return self.start[name]
        latest = self.start == "latest"
        return connection.offset(topic, partition, latest=latest, committed=latest)

    def first_position(self) -> dict[str, str]:
        """The position with which to open a partition that was found after the start: all of it is new."""
        return {"offset": "earliest"}

    def default_name(self) -> str:
        """The name of the topic."""
        return self._topics[0]


# -- Sink ----------------------------------------------------------------------


@dataclass(frozen=True)
class KafkaSink(Sink):
    """A topic to which each epoch is written once, whole, in a transaction with its token.

    `exactly_once`: an epoch is published from what its checkpoint holds, in one transaction with a token in a topic
    of its own; readers with `isolation.level=read_committed` see every row once, others may see what is
    aborted. `at_least_once`: an epoch is sent when it ends, and confirmed before its checkpoint; after a crash
    rows may come again.

    Changes of a Table become, epoch by epoch, what is left of each key: the new row, or a record without a value
    (a tombstone) if the key is gone. That is what compacted topics take.
    """

    connector: ClassVar[str] = "kafka"
    delivery: ClassVar[str] = TRANSACTIONAL
    takes_changes: ClassVar[bool] = True
    remembers: ClassVar[bool] = True

    topic: str = option(doc="The topic; it must exist.", example="delays")
    _: KW_ONLY
    servers: str = option(doc="host:port of one or more servers.", example="localhost:9092")
    format: str = option("json", doc="What values are.", choices=FORMATS)
    key: str | Sequence[str] | None = option(
        None, doc="The columns of the record's key; by default those that key the rows.", example="user_id"
    )
    key_format: str = option(
        "json", doc="json = an object of the key's columns; text = the only one, as plain text.", choices=KEY_FORMATS
    )
    partition: str | None = option(
        None,
        doc="key = by the hash that Kafka's own clients use; round_robin; by default key where there is one.",
        choices=(None, *PARTITIONINGS),
    )
    guarantee: str = option("exactly_once", doc="What readers see after a crash.", choices=GUARANTEES)
    token_topic: str | None = option(None, doc="Where tokens are kept; by default __penstock.<pipeline>.<output>.")
    transaction_timeout: str = option(
        "15 s", doc="When Kafka gives up a transaction of a writer that is gone; readers wait for that.", span=True
    )
    settings: Mapping[str, Any] = option({}, doc="More settings of librdkafka, such as those of security.")

    def __post_init__(self) -> None:
        for name in (self.topic, *([] if self.token_topic is None else [self.token_topic])):
            _require_name(name)
        if self.token_topic == self.topic:
            raise PlanError("tokens and rows need different topics")
        _require_one_of("format", self.format, FORMATS)
        _require_one_of("key_format", self.key_format, KEY_FORMATS)
        _require_one_of("guarantee", self.guarantee, GUARANTEES)
        if self.partition is not None:
            _require_one_of("partition", self.partition, PARTITIONINGS)
        if self.key is not None:
            key = _names(self.key, "key")
            object.__setattr__(self, "key", key if len(key) > 1 else key[0])
        if not SECOND <= duration(self.transaction_timeout) <= _LONGEST_TRANSACTION_US:
            raise PlanError(f'transaction_timeout is 1 s to 15 min, found "{self.transaction_timeout}"')
        object.__setattr__(self, "settings", checked_settings(self.settings))
        if self.guarantee == "at_least_once":
            # The class says what it does by default; this one does less.
            object.__setattr__(self, "delivery", AT_LEAST_ONCE)
            object.__setattr__(self, "remembers", False)

    def writer(self, request: WriteRequest) -> Writer:
        """Look at the topic and open it; the token topic is made if it is missing.

        Raises:
            StartError: If the topic does not exist, no server answers, the token topic would lose tokens, or the
                key does not go with the rows.
        """
        key = self._record_key(request)
        connection = Connection(self.servers, self.settings)
        topic = connection.topic(self.topic)
        most = int(self.settings.get("message.max.bytes", topic.message_bytes))
        limit = min(most, topic.message_bytes - RECORD_OVERHEAD)
        by_key = self.partition == "key" if self.partition is not None else bool(key)
        encoder = Encoder(request.schema, key, self.key_format, by_key, topic.partitions, limit)
        if self.guarantee == "at_least_once":
            return PlainWriter(encoder, request.updating, self.topic, connection, most, SystemClock())
        tokens = self.token_topic or token_topic_of(request.pipeline, request.output)
        ensure_topic(connection, tokens)
        timeout_ms = duration(self.transaction_timeout) // MILLISECOND
        owner = (request.pipeline, request.output)
        publisher = Publisher(connection, self.topic, tokens, owner, timeout_ms, most, SystemClock())
        return TransactionalWriter(encoder, request.updating, self.topic, publisher)

    def _record_key(self, request: WriteRequest) -> tuple[str, ...]:
        key = request.key if self.key is None else _names(self.key, "key")
        missing = [name for name in key if name not in request.schema]
        if missing:
            raise StartError(f'the key "{missing[0]}" is no column: {", ".join(request.schema.names)}')
        if request.updating and (not request.key or set(key) != set(request.key)):
            raise StartError(
                f"the Table is keyed by {', '.join(request.key)}: its records need that key, found {', '.join(key)}"
            )
        if request.updating and self.partition == "round_robin":
            raise StartError("changes of a key must be in one partition", hint='partition="key"')
        if self.partition == "key" and not key:
            raise StartError('partition="key" needs a key', hint='key="..."')
        if key and self.key_format == "text":
            dtype = request.schema[key[0]].dtype
            if len(key) > 1 or dtype == Json or isinstance(dtype, (List, Struct, Map)):
                raise StartError('key_format="text" takes one column that is not nested', hint='key_format="json"')
        return key

    @property
    def place(self) -> str | None:
        """The token topic, if it is given: no two outputs may share it."""
        return None if self.token_topic is None else f'the token topic "{self.token_topic}"'

    def default_name(self) -> str:
        """The name of the topic."""
        return self.topic


def token_topic_of(pipeline: str, output: str) -> str:
    """The token topic of an output: its own, whatever the names are."""
    name = f"__penstock.{pipeline}.{output}"
    if _NAME.fullmatch(name) and "." not in pipeline + output:
        return name
    digest = blake2b(f"{pipeline}\0{output}".encode(), digest_size=8).hexdigest()
    return f"{re.sub('[^a-zA-Z0-9._-]', '_', name)[:200]}-{digest}"


SOURCE = KafkaSource
SINK = KafkaSink
