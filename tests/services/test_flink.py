"""The Flink cluster that tests get: SQL over REST, and Kafka in both directions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.services.flink import Flink
from tests.services.kafka import Kafka
from tests.services.process import StartFailed
from tests.services.test_kafka import consume, make_topic, produce

pytestmark = pytest.mark.slow


def test_a_query_runs_on_the_cluster(flink: Flink) -> None:
    with flink.session(execution__runtime_mode="batch") as session:
        rows = session.rows(
            "SELECT a, SUM(b) FROM (VALUES ('x', 1), ('y', 2), ('x', 3)) AS t(a, b) GROUP BY a ORDER BY a"
        )
    assert rows == [["x", 4], ["y", 2]]


def test_a_query_that_is_wrong_says_so(flink: Flink) -> None:
    with flink.session() as session, pytest.raises(StartFailed, match="nowhere"):
        session.rows("SELECT * FROM nowhere")


def test_rows_go_from_topic_to_topic_exactly_once(flink: Flink, kafka: Kafka, fresh: Callable[[str], str]) -> None:
    source, sink = fresh("source"), fresh("sink")
    make_topic(kafka, source)
    make_topic(kafka, sink)
    produce(kafka, source, ['{"a": 1}', '{"a": 2}', '{"a": 3}'])
    table = (
        "CREATE TABLE {0} (a INT) WITH ('connector' = 'kafka', 'topic' = '{0}', 'format' = 'json', "
        f"'properties.bootstrap.servers' = '{kafka.servers}', {{1}})"
    )
    with flink.session(execution__checkpointing__interval="500ms") as session:
        session.rows(
            table.format(source, "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'")
        )
        exactly_once = "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 't', "
        session.rows(table.format(sink, exactly_once + "'properties.transaction.timeout.ms' = '600000'"))
        session.wait_for_job(session.insert(f"INSERT INTO {sink} SELECT a * 10 FROM {source}"))
    assert consume(kafka, sink, 3) == ['{"a":10}', '{"a":20}', '{"a":30}']
