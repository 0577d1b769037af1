"""Clients of a Kafka cluster with settings that keep what is promised, and what they tell of its topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.core.errors import PlanError, StartError
from penstock.core.spec import Secret

ANSWER_S = 10.0
"""How long to wait for an answer about topics, in seconds."""

DEFAULT_MESSAGE_BYTES = 1_000_000
"""What a record may have where the cluster does not tell."""

_OWN = {
    "bootstrap.servers": "it is the option servers=",
    "metadata.broker.list": "it is the option servers=",
    "group.id": "it is the option group= of the source",
    "transactional.id": "it tells a sink from all others, and follows from the token topic",
    "transaction.timeout.ms": "it is the option transaction_timeout=",
    "enable.idempotence": "it must be on",
    "acks": 'it must be "all"',
    "request.required.acks": 'it must be "all"',
    "message.timeout.ms": "the client derives it",
    "delivery.timeout.ms": "the client derives it",
    "partitioner": "it is the option partition=",
    "delivery.report.only.error": "the sink counts on it",
    "isolation.level": "it must be read_committed: what was aborted must not be seen",
    "enable.auto.commit": "positions live in checkpoints",
    "enable.auto.offset.store": "positions live in checkpoints",
    "auto.offset.reset": "it must be an error: rows would be lost in silence",
    "enable.partition.eof": "the source counts on it",
    "allow.auto.create.topics": "a topic that does not exist is an error",
}
"""Settings that users may not give, and why."""

_SECRET_WORDS = ("password", "secret", "ssl.key.pem", "oauthbearer.config")
_REFERENCE = "secret:"


def checked_settings(given: Any) -> dict[str, str | int | float | bool]:
    """Settings for the client library as JSON values; secrets become references `secret:NAME`.

    Raises:
        PlanError: If one would break what the connector promises, is no plain value, or is a secret in clear.
    """
    if not isinstance(given, Mapping):
        raise PlanError(f"settings= takes a mapping of names of librdkafka to values, found {type(given).__name__}")
    found: dict[str, str | int | float | bool] = {}
    for name, value in given.items():
        if name in _OWN:
            raise PlanError(f'the setting "{name}" cannot be given: {_OWN[name]}')
        if isinstance(value, Secret):
            found[name] = str(value)
        elif not isinstance(value, (str, int, float, bool)):
            raise PlanError(f'the setting "{name}" takes a text or a number, found {type(value).__name__}')
        elif any(word in str(name) for word in _SECRET_WORDS) and not str(value).startswith(_REFERENCE):
            raise PlanError(
                f'the setting "{name}" is a secret and takes a reference only',
                hint='ps.secret("NAME") in Python, secret:NAME elsewhere',
            )
        else:
            found[name] = value
    return found


def client() -> Any:
    """The client library.

    Raises:
        StartError: If it is not installed.
    """
    try:
        import confluent_kafka
        import confluent_kafka.admin
    except ModuleNotFoundError as missing:
        raise StartError(f'Kafka needs the package "{missing.name}"', hint='pip install "penstock[kafka]"') from missing
    return confluent_kafka


class Told:
    """The last trouble that a client has told of by itself: why nothing comes.

    Attributes:
        text: What it said; empty as long as there is none.
    """

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, error: Any) -> None:
        """Keep it: the library calls this from its own code, where nothing may be raised."""
        self.text = str(error.str())

    def __str__(self) -> str:
        return f" (the client says: {self.text})" if self.text else ""


class Topic(NamedTuple):
    """What the cluster says of a topic.

    Attributes:
        partitions: How many partitions it has.
        message_bytes: How large a batch of records may be.
    """

    partitions: int
    message_bytes: int


@dataclass(frozen=True)
class Connection:
    """How to reach a cluster: makes clients, which belong to whoever asks.

    Attributes:
        servers: `host:port`, several with commas between them.
        settings: More settings, as `checked_settings` gives them.
    """

    servers: str
    settings: Mapping[str, str | int | float | bool]

    def _conf(self, own: Mapping[str, Any], told: Told) -> dict[str, Any]:
        conf: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            # What goes wrong is in errors, and in `told`; the library would write to the terminal.
            "log_level": 2,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
        }
        for name, value in self.settings.items():
            secret = isinstance(value, str) and value.startswith(_REFERENCE)
            conf[name] = Secret(str(value).removeprefix(_REFERENCE)).reveal() if secret else value
        return {**conf, **own, "error_cb": told}

    def _made(self, cls: Any, own: Mapping[str, Any], told: Told) -> Any:
        library = client()
        try:
            return cls(self._conf(own, told))
        except (library.KafkaException, TypeError, ValueError) as failure:
            raise StartError(f"the settings of Kafka cannot be used: {said(failure)}") from None

    def consumer(self, told: Told, own: Mapping[str, Any], group: str | None = None) -> Any:
        """A consumer for `assign`, that never moves by itself and sees what was committed only.

        Raises:
            StartError: If the settings cannot be used.
        """
        fixed = {
            "group.id": group or "penstock",  # the library asks for one; without subscription it does nothing
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
        }
        return self._made(client().Consumer, {**fixed, **own}, told)

    def producer(self, told: Told, own: Mapping[str, Any]) -> Any:
        """A producer whose records keep their order and come once per connection.

        Raises:
            StartError: If the settings cannot be used.
        """
        usual = {"linger.ms": 0, "compression.type": "lz4"}
        fixed = {name: value for name, value in usual.items() if name not in self.settings}
        return self._made(client().Producer, {**fixed, "enable.idempotence": True, **own}, told)

    def admin(self, told: Told) -> Any:
        """A client that asks and changes what topics there are; for one use.

        Raises:
            StartError: If the settings cannot be used.
        """
        return self._made(client().admin.AdminClient, {}, told)

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """How many partitions topics have.

        Raises:
            StartError: If one does not exist, or no server answers.
        """
        told = Told()
        library, admin = client(), self.admin(told)
        try:
            # All topics: to ask for one by name may create it.
            known = admin.list_topics(timeout=ANSWER_S).topics
        except library.KafkaException as failure:
            raise StartError(f"no answer from Kafka at {self.servers}: {said(failure)}{told}") from None
        found = {}
        for topic in topics:
            if topic not in known or known[topic].error is not None or not known[topic].partitions:
                why = f": {known[topic].error.str()}" if topic in known and known[topic].error is not None else ""
                raise StartError(
                    f'there is no topic "{topic}" at {self.servers}{why}', hint="topics are not created by themselves"
                )
            found[topic] = len(known[topic].partitions)
        return found

    def topic(self, name: str) -> Topic:
        """A topic that is written to.

        Raises:
            StartError: If it does not exist, or no server answers.
        """
        count = self.partitions([name])[name]
        settings = self.topic_settings(name)
        return Topic(count, int(settings.get("max.message.bytes") or DEFAULT_MESSAGE_BYTES))

    def topic_settings(self, name: str) -> dict[str, str]:
        """The settings of a topic; empty if this user may not see them."""
        told = Told()
        library, admin = client(), self.admin(told)
        resource = library.admin.ConfigResource(library.admin.ResourceType.TOPIC, name)
        try:
            (answer,) = admin.describe_configs([resource], request_timeout=ANSWER_S).values()
            return {key: str(entry.value) for key, entry in answer.result(ANSWER_S).items() if entry.value is not None}
        except (library.KafkaException, TimeoutError):
            return {}

    def topic_id(self, name: str) -> str | None:
        """What tells a topic from a later one of its name; None if this user may not know."""
        told = Told()
        library, admin = client(), self.admin(told)
        try:
            asked = library.TopicCollection([name])
            (answer,) = admin.describe_topics(asked, request_timeout=ANSWER_S).values()
            return str(answer.result(ANSWER_S).topic_id)
        except (library.KafkaException, TimeoutError):
            return None

    def offset(self, topic: str, partition: int, *, latest: bool, committed: bool) -> int:
        """Where a partition begins or ends.

        Args:
            topic: Its topic.
            partition: Its number.
            latest: The end, rather than the beginning.
            committed: The end of what readers may see, rather than of what is there.

        Raises:
            StartError: If no server answers.
        """
        told = Told()
        library, admin = client(), self.admin(told)
        spec = library.admin.OffsetSpec.latest() if latest else library.admin.OffsetSpec.earliest()
        level = library.IsolationLevel.READ_COMMITTED if committed else library.IsolationLevel.READ_UNCOMMITTED
        asked = {library.TopicPartition(topic, partition): spec}
        try:
            (answer,) = admin.list_offsets(asked, isolation_level=level, request_timeout=ANSWER_S).values()
            return int(answer.result(ANSWER_S).offset)
        except (library.KafkaException, TimeoutError) as failure:
            raise StartError(
                f'Kafka does not say where partition {partition} of "{topic}" begins and ends: {said(failure)}{told}'
            ) from None


def said(failure: BaseException) -> str:
    """What the client says of a failure."""
    first = failure.args[0] if failure.args else failure
    return str(first.str()) if hasattr(first, "str") else str(first) or type(failure).__name__
