"""Topics of a test: made, filled and read with the client library alone, so that it tells on the connector."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

QUIET = {"log_level": 0}


def admin(servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": servers, **QUIET})


def make_topic(servers: str, partitions: int = 1, **settings: str) -> str:
    """A new topic; settings have underscores for dots."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    config = {key.replace("_", "."): value for key, value in settings.items()}
    client = admin(servers)
    (answer,) = client.create_topics([NewTopic(name, partitions, 1, config=config)]).values()
    answer.result(20)
    wait_for(lambda: name in client.list_topics(timeout=5).topics)
    return name


def add_partitions(servers: str, topic: str, total: int) -> None:
    client = admin(servers)
    (answer,) = client.create_partitions([NewPartitions(topic, total)]).values()
    answer.result(20)
    wait_for(lambda: len(client.list_topics(timeout=5).topics[topic].partitions) == total)


def delete_before(servers: str, topic: str, partition: int, offset: int) -> None:
    """As retention does."""
    client = admin(servers)
    (answer,) = client.delete_records([TopicPartition(topic, partition, offset)]).values()
    answer.result(20)


def make_again(servers: str, topic: str) -> None:
    """Delete a topic and make another one of its name."""
    client = admin(servers)
    (answer,) = client.delete_topics([topic]).values()
    answer.result(20)
    wait_for(lambda: topic not in client.list_topics(timeout=5).topics)
    (answer,) = client.create_topics([NewTopic(topic, 1, 1)]).values()
    answer.result(20)
    wait_for(lambda: topic in client.list_topics(timeout=5).topics)


def wait_for(holds: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def message(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else json.dumps(value).encode()


def fill(servers: str, topic: str, values: Iterable[Any], partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": 1_000_000, **QUIET})
    for value in values:
        producer.produce(topic, message(value), partition=partition)
    assert producer.flush(20) == 0


def transactional(servers: str, **settings: Any) -> Producer:
    """A producer of transactions, with an id of its own."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": uuid.uuid4().hex, **QUIET, **settings})
    producer.init_transactions(20)
    return producer


def send(producer: Producer, topic: str, values: Sequence[Any], partition: int = 0) -> None:
    """One transaction, left open; the records are with the broker."""
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, message(value), partition=partition)
    assert producer.flush(20) == 0


Record = tuple[int, bytes | None, bytes | None]


def read_all(servers: str, topic: str) -> list[Record]:
    """All that readers of committed records see now: partition, key and value, in order per partition."""
    partitions = len(admin(servers).list_topics(timeout=10).topics[topic].partitions)
    audit = {"group.id": "audit", "isolation.level": "read_committed", "enable.partition.eof": True}
    consumer = Consumer({"bootstrap.servers": servers, "auto.offset.reset": "earliest", **audit, **QUIET})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    found: list[Record] = []
    ended: set[int] = set()
    end = time.monotonic() + 60
    while len(ended) < partitions:
        assert time.monotonic() < end, "the topic has no end"
        for one in consumer.consume(1_000, 0.05):
            error = one.error()
            if error is None:
                found.append((one.partition(), one.key(), one.value()))
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(one.partition())
    consumer.close()
    return found


def read_rows(servers: str, topic: str) -> list[dict[str, Any]]:
    return [json.loads(value) for _, _, value in read_all(servers, topic) if value is not None]


def read_tokens(servers: str, topic: str) -> list[dict[str, Any]]:
    return [record for record in read_rows(servers, topic) if record["kind"] == "token"]


def read_table(servers: str, topic: str) -> list[dict[str, Any]]:
    """What is left of each key, as a compacted topic has it."""
    table: dict[bytes | None, bytes] = {}
    for _, key, value in read_all(servers, topic):
        if value is None:
            del table[key]
        else:
            table[key] = value
    return [json.loads(value) for value in table.values()]
