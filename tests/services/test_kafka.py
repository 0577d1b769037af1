"""The broker that tests get: what is written to it outlives a crash."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.services.kafka import Kafka
from tests.services.proxy import Proxy

pytestmark = pytest.mark.slow

OLD = 1_600_000_000_000


def make_topic(kafka: Kafka, name: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": kafka.servers})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)


def produce(kafka: Kafka, topic: str, values: list[str]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": kafka.servers, "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value.encode(), timestamp=OLD)
    assert producer.flush(30) == 0


def consume(kafka: Kafka, topic: str, count: int) -> list[str]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": topic, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = consumer.consume(count, timeout=30)
        assert all(message.error() is None for message in found)
        return [message.value().decode() for message in found]
    finally:
        consumer.close()


def test_records_with_old_times_outlive_a_crash(kafka: Kafka, fresh: Callable[[str], str]) -> None:
    topic = fresh("topic")
    make_topic(kafka, topic)
    produce(kafka, topic, ["a", "b", "c"])
    kafka.kill()
    kafka.restart()
    produce(kafka, topic, ["d"])
    assert consume(kafka, topic, 4) == ["a", "b", "c", "d"]


def test_a_stalled_broker_takes_the_records_when_it_goes_on(kafka: Kafka, fresh: Callable[[str], str]) -> None:
    from confluent_kafka import Producer

    topic = fresh("topic")
    make_topic(kafka, topic)
    producer = Producer({"bootstrap.servers": kafka.servers, "enable.idempotence": True})
    kafka.pause()
    producer.produce(topic, b"late")
    assert producer.flush(0.3) == 1
    kafka.resume()
    assert producer.flush(30) == 0
    assert consume(kafka, topic, 1) == ["late"]


def test_a_transaction_is_seen_once_it_is_committed(kafka: Kafka, fresh: Callable[[str], str]) -> None:
    from confluent_kafka import Producer

    topic = fresh("topic")
    make_topic(kafka, topic)
    producer = Producer({"bootstrap.servers": kafka.servers, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"aborted")
    producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, b"committed")
    producer.commit_transaction(30)
    assert consume(kafka, topic, 1) == ["committed"]


def test_a_client_stays_behind_the_proxy(kafka: Kafka, fresh: Callable[[str], str]) -> None:
    from confluent_kafka import Producer

    topic = fresh("topic")
    make_topic(kafka, topic)
    with Proxy(kafka.behind_proxy, port=kafka.proxy_port) as proxy:
        producer = Producer({"bootstrap.servers": proxy.address, "enable.idempotence": True, "log_level": 0})
        producer.produce(topic, b"a")
        assert producer.flush(30) == 0
        proxy.drop_replies()
        producer.produce(topic, b"b")
        assert producer.flush(0.5) == 1
        assert consume(kafka, topic, 2) == ["a", "b"]
        proxy.heal()
        assert producer.flush(30) == 0
    produce(kafka, topic, ["c"])
    assert consume(kafka, topic, 3) == ["a", "b", "c"]
