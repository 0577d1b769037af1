"""The source on a real cluster."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

import penstock as ps
from penstock.connectors.base import ReadRequest, Split
from penstock.connectors.kafka import KafkaSource
from penstock.core.errors import SourceError, StartError
from penstock.core.schema import Schema
from penstock.testing.conform import check_source
from tests.services.kafka_topics import (
    add_partitions,
    delete_before,
    fill,
    make_again,
    make_topic,
    send,
    transactional,
    wait_for,
)

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(180)]

SCHEMA = Schema.of({"id": ps.Int64, "word": ps.String})
REQUEST = ReadRequest(SCHEMA, SCHEMA.names)


def rows(first: int, count: int) -> list[dict[str, object]]:
    return [{"id": number, "word": f"wörd {number}"} for number in range(first, first + count)]


class Got:
    """What a reader has given so far."""

    def __init__(self, source: KafkaSource, split: str, position: object = None) -> None:
        self.reader = source.reader(Split(split), position, REQUEST)
        self.ids: list[int] = []
        self.bad: list[int] = []
        self.positions: list[dict[str, int]] = []

    def poll(self) -> bool:
        """Take what is at hand; whether that was anything."""
        polled = self.reader.poll(1_000)
        if polled is None:
            time.sleep(0.01)
            return False
        self.ids += polled.frame["id"].to_list()
        self.bad += [row.offset for row in polled.bad]
        self.positions.append(json.loads(json.dumps(polled.position)))
        return True

    def until(self, count: int, seconds: float = 20) -> Got:
        wait_for(lambda: not self.poll() and len(self.ids) >= count, seconds)
        return self

    def end(self, seconds: float = 20) -> Got:
        wait_for(lambda: not self.poll() and self.reader.ended, seconds)
        self.reader.close()
        return self

    def nothing_more(self, seconds: float = 0.5) -> None:
        end, before = time.monotonic() + seconds, len(self.ids)
        while time.monotonic() < end:
            self.poll()
        assert len(self.ids) == before


def test_it_keeps_the_contract_of_a_source(kafka):
    topic = make_topic(kafka.servers, 2)
    producer = transactional(kafka.servers)
    for first in range(0, 20, 5):
        send(producer, topic, rows(first, 5))
        producer.commit_transaction(10)
        send(producer, topic, rows(1_000 + first, 3))
        producer.abort_transaction(10)
    fill(kafka.servers, topic, [None, b"{bad", b'{"id":"x"}', b'{"id":\n20, "word":"n\\n"}'])
    fill(kafka.servers, topic, rows(30, 10), 1)
    expected = [*rows(0, 20), {"id": 20, "word": "n\n"}, *rows(30, 10)]
    check_source(KafkaSource(topic, servers=kafka.servers, stop="latest"), schema=SCHEMA, expected=expected)


def test_several_topics_are_splits_of_one_source(kafka):
    one, other = make_topic(kafka.servers, 2), make_topic(kafka.servers)
    fill(kafka.servers, other, rows(5, 1))
    source = KafkaSource([one, other], servers=kafka.servers, stop="latest")
    assert [split.name for split in source.splits()] == [f"{one}-0", f"{one}-1", f"{other}-0"]
    assert Got(source, f"{other}-0").end().ids == [5]
    assert Got(source, f"{one}-1").end().ids == []


def test_reading_goes_on_at_a_position_and_waits_for_more(kafka):
    topic = make_topic(kafka.servers)
    source = KafkaSource(topic, servers=kafka.servers)
    fill(kafka.servers, topic, rows(0, 5))
    first = Got(source, f"{topic}-0").until(5)
    assert [position["offset"] for position in first.positions][:: len(first.positions) - 1] == [0, 5]
    first.reader.close()
    fill(kafka.servers, topic, rows(5, 2))
    second = Got(source, f"{topic}-0", first.positions[-1]).until(2)
    assert second.ids == [5, 6]
    assert not second.reader.ended
    fill(kafka.servers, topic, rows(7, 1))
    assert second.until(3).ids == [5, 6, 7]
    second.reader.close()


def test_a_topic_that_does_not_exist_is_an_error_at_once(kafka):
    topic = make_topic(kafka.servers)
    with pytest.raises(StartError, match=r'there is no topic "nowhere"'):
        KafkaSource([topic, "nowhere"], servers=kafka.servers).splits()


def test_the_end_stays_what_it_was_at_the_beginning(kafka):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 5))
    source = KafkaSource(topic, servers=kafka.servers, stop="latest")
    first = Got(source, f"{topic}-0")
    fill(kafka.servers, topic, rows(5, 5))
    first.poll()
    assert (first.positions[0]["offset"], first.positions[0]["end"]) == (0, 5)
    assert first.end().ids == [0, 1, 2, 3, 4]
    assert Got(source, f"{topic}-0", first.positions[0]).end().ids == [0, 1, 2, 3, 4]
    assert Got(source, f"{topic}-0").end().ids == list(range(10))


def test_what_was_committed_behind_an_open_transaction_is_not_left_out(kafka):
    topic = make_topic(kafka.servers)
    slow, fast = transactional(kafka.servers), transactional(kafka.servers)
    send(slow, topic, rows(0, 2))
    send(fast, topic, rows(10, 2))
    fast.commit_transaction(10)
    got = Got(KafkaSource(topic, servers=kafka.servers, stop="latest"), f"{topic}-0")
    got.nothing_more(1)
    assert not got.reader.ended
    slow.abort_transaction(10)
    assert got.end().ids == [10, 11]


def test_latest_is_settled_once(kafka):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 3))
    source = KafkaSource(topic, servers=kafka.servers, start="latest")
    first = Got(source, f"{topic}-0")
    assert first.poll()
    first.reader.close()
    fill(kafka.servers, topic, rows(3, 2))
    # The first checkpoint has the position, though no row had come.
    again = Got(source, f"{topic}-0", first.positions[0]).until(2)
    assert again.ids == [3, 4]
    again.reader.close()


def test_a_run_begins_at_given_offsets(kafka):
    topic = make_topic(kafka.servers, 2)
    fill(kafka.servers, topic, rows(0, 5))
    fill(kafka.servers, topic, rows(5, 5), 1)
    source = KafkaSource(topic, servers=kafka.servers, start={0: 3}, stop="latest")
    assert Got(source, f"{topic}-0").end().ids == [3, 4]
    assert Got(source, f"{topic}-1").end().ids == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(("position", "says"), [(2, "3 offsets were removed"), (50, "it ends before")])
def test_a_position_that_is_not_there_is_an_error_not_a_reset(kafka, position, says):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 8))
    delete_before(kafka.servers, topic, 0, 5)
    got = Got(KafkaSource(topic, servers=kafka.servers), f"{topic}-0", {"offset": position})
    with pytest.raises(
        SourceError, match=rf'"{topic}-0" has no offset {position}, where .*: it has 5 to 8 now, {says}'
    ):
        got.until(1)
    assert got.ids == []
    got.reader.close()


def test_a_topic_that_was_made_anew_is_not_taken_for_the_former(kafka):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 5))
    source = KafkaSource(topic, servers=kafka.servers)
    got = Got(source, f"{topic}-0").until(5)
    got.reader.close()
    make_again(kafka.servers, topic)
    fill(kafka.servers, topic, rows(100, 9))
    with pytest.raises(SourceError, match=rf'"{topic}" was deleted and made anew: offset 5'):
        Got(source, f"{topic}-0", got.positions[-1])


def test_the_beginning_is_what_retention_has_left(kafka):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 8))
    delete_before(kafka.servers, topic, 0, 5)
    assert Got(KafkaSource(topic, servers=kafka.servers, stop="latest"), f"{topic}-0").end().ids == [5, 6, 7]


def test_partitions_that_are_added_are_read_from_their_first_row(kafka):
    topic = make_topic(kafka.servers)
    source = KafkaSource(topic, servers=kafka.servers, start="latest")
    assert len(source.splits()) == 1
    add_partitions(kafka.servers, topic, 3)
    fill(kafka.servers, topic, rows(0, 2), 2)
    assert [split.name for split in source.splits()] == [f"{topic}-{number}" for number in range(3)]
    got = Got(source, f"{topic}-2", source.first_position()).until(2)
    assert got.ids == [0, 1]
    assert got.positions[0]["offset"] == 0
    got.reader.close()


def test_a_group_is_told_what_was_published(kafka):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 5))
    group = f"g-{topic}"
    got = Got(KafkaSource(topic, servers=kafka.servers, group=group), f"{topic}-0").until(5)
    teller = threading.Thread(target=got.reader.published, args=({"offset": 4},))
    teller.start()
    teller.join()
    watcher = Consumer({"bootstrap.servers": kafka.servers, "group.id": group, "log_level": 0})
    wait_for(lambda: watcher.committed([TopicPartition(topic, 0)], timeout=10)[0].offset == 4)
    watcher.close()
    got.reader.close()
    got.reader.published({"offset": 5})


def test_a_reader_that_nobody_reads_closes(kafka):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 100))
    reader = KafkaSource(topic, servers=kafka.servers).reader(Split(f"{topic}-0"), None, REQUEST)
    reader.close()


def test_reading_goes_on_when_the_broker_was_killed(kafka):
    topic = make_topic(kafka.servers)
    fill(kafka.servers, topic, rows(0, 5))
    got = Got(KafkaSource(topic, servers=kafka.servers), f"{topic}-0").until(5)
    kafka.kill()
    got.nothing_more(1)
    kafka.start()
    fill(kafka.servers, topic, rows(5, 5))
    assert got.until(10, 60).ids == list(range(10))
    got.reader.close()


def test_metadata_is_that_of_each_message(kafka):
    topic = make_topic(kafka.servers, 2)
    fill(kafka.servers, topic, rows(0, 3), 1)
    before = dt.datetime.now(dt.UTC)
    source = KafkaSource(
        topic, servers=kafka.servers, stop="latest", metadata={"at": "timestamp", "p": "partition", "o": "offset"}
    )
    schema = {"id": ps.Int64, "at": ps.Datetime("ms", "UTC"), "p": ps.Int32, "o": ps.Int64}
    found = ps.read(source, schema=schema).collect().sort("id")
    assert found["id"].to_list() == [0, 1, 2]
    assert found["p"].to_list() == [1, 1, 1]
    assert found["o"].is_sorted()
    assert all(abs(before - at) < dt.timedelta(hours=1) for at in found["at"])
    assert ps.read(source, schema=schema).select("o").collect().sort("o")["o"].to_list() == found["o"].to_list()
