"""The sink on a real cluster."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from confluent_kafka import Producer

import penstock as ps
from penstock.connectors.base import Sealed, Writer, WriteRequest, seal
from penstock.connectors.kafka import KafkaSink
from penstock.core.errors import SinkError, SinkLost, StartError
from penstock.core.schema import Schema
from penstock.testing.conform import check_sink
from tests.services.kafka_topics import fill, make_topic, read_all, read_rows, read_table, read_tokens

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(180)]

FRAMES = [
    pl.DataFrame({"id": [1, 2], "word": ["a", None]}),
    pl.DataFrame({"id": [3], "word": ['ü|,"\n']}),
    pl.DataFrame({"id": list(range(4, 400)), "word": ["x"] * 396}),
]
SCHEMA = Schema.of({"id": ps.Int64, "word": ps.String})


def request(**more) -> WriteRequest:
    return WriteRequest(**{"schema": SCHEMA, "key": (), "updating": False, "pipeline": "p", "output": "o", **more})


def sink(kafka, topic: str | None = None, partitions: int = 1, **more) -> KafkaSink:
    topic = topic or make_topic(kafka.servers, partitions)
    return KafkaSink(topic, servers=kafka.servers, **{"token_topic": f"{topic}-tokens", **more})


def frame(*ids: int, word: str = "w") -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "word": [word] * len(ids)}, schema=SCHEMA.to_polars())


def sealed(writer: Writer, epoch: int, *ids: int, word: str = "w") -> Sealed:
    writer.write(frame(*ids, word=word), None)
    return seal("p", epoch, writer.prepare(epoch)(), incarnation=1)


def ids(kafka, one: KafkaSink) -> list[int]:
    return [row["id"] for row in read_rows(kafka.servers, one.topic)]


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_it_keeps_the_contract_of_a_sink(kafka, guarantee):
    check_sink(
        lambda: sink(kafka, partitions=3, guarantee=guarantee),
        lambda one: read_table(kafka.servers, one.topic),
        frames=FRAMES,
        key=("id",),
    )
    check_sink(
        lambda: sink(kafka, partitions=3, guarantee=guarantee),
        lambda one: read_rows(kafka.servers, one.topic),
        frames=FRAMES,
    )


def test_several_epochs_are_one_transaction_and_empty_ones_have_tokens(kafka):
    one = sink(kafka, partitions=2)
    writer = one.writer(request())
    assert writer.last_token() is None
    epochs = [sealed(writer, 1, 1, 2, 3), sealed(writer, 2), sealed(writer, 3, 4)]
    assert read_all(kafka.servers, one.topic) == []
    writer.commit(epochs)
    assert sorted(ids(kafka, one)) == [1, 2, 3, 4]
    tokens = read_tokens(kafka.servers, one.token_topic)
    assert [(token["epoch"], token["rows"], token["incarnation"]) for token in tokens] == [
        (1, 3, 1),
        (2, 0, 1),
        (3, 1, 1),
    ]
    assert [token["digest"] for token in tokens] == [epoch.token.digest for epoch in epochs]
    assert [sum(token["partitions"].values()) for token in tokens] == [3, 0, 1]
    writer.close()
    again = one.writer(request(fresh=False))
    assert again.last_token() == epochs[-1].token
    again.commit([*epochs, sealed(again, 4, 5)])
    assert sorted(ids(kafka, one)) == [1, 2, 3, 4, 5]
    again.close()


def test_the_last_token_is_found_behind_many_fences(kafka):
    one = sink(kafka)
    writer = one.writer(request())
    writer.last_token()
    first = sealed(writer, 1, 1)
    writer.commit([first])
    for _ in range(40):  # each leaves two offsets
        assert writer.last_token() == first.token
    writer.close()


def test_a_zombie_publishes_nothing(kafka):
    one = sink(kafka)
    zombie, successor = one.writer(request()), one.writer(request())
    zombie.last_token()
    zombie.commit([sealed(zombie, 1, 1)])
    late = sealed(zombie, 2, 2)
    assert successor.last_token().epoch == 1
    with pytest.raises(SinkLost):
        zombie.commit([late])
    successor.commit([sealed(successor, 2, 20)])
    with pytest.raises(SinkLost, match="its last token must be read"):
        zombie.commit([late])
    assert ids(kafka, one) == [1, 20]
    # The engine asks again only if its manifest is the newest. Then it learns what was published, and repeats none.
    assert zombie.last_token().epoch == 2
    zombie.commit([late])
    assert ids(kafka, one) == [1, 20]
    with pytest.raises(SinkLost):
        successor.commit([sealed(successor, 3, 3)])
    zombie.close()
    successor.close()


def test_a_transaction_that_a_dead_writer_left_open_is_gone(kafka):
    one = sink(kafka)
    dead = one.writer(request())
    dead.last_token()
    dead._publisher._producer.begin_transaction()
    dead._publisher._producer.produce(one.topic, b'{"id":666}', partition=0)
    dead._publisher._producer.flush(10)
    successor = one.writer(request())
    assert successor.last_token() is None
    successor.commit([sealed(successor, 1, 1)])
    assert ids(kafka, one) == [1]
    dead.close()
    successor.close()


def test_a_transaction_that_timed_out_is_published_again(kafka):
    one = sink(kafka, transaction_timeout="1 s")
    writer = one.writer(request())
    writer.last_token()
    epochs = [sealed(writer, 1, 1)]

    def slow() -> None:
        import time

        time.sleep(3)

    from penstock.core import failpoint

    failpoint.ACTIONS["kafka.tokens_produced"] = slow
    try:
        with pytest.raises(SinkLost):
            writer.commit(epochs)
    finally:
        del failpoint.ACTIONS["kafka.tokens_produced"]
    assert writer.last_token() is None
    writer.commit(epochs)
    assert ids(kafka, one) == [1]
    writer.close()


def test_a_topic_that_does_not_exist_is_an_error_of_the_start(kafka):
    with pytest.raises(StartError, match='there is no topic "nowhere"'):
        sink(kafka, "nowhere").writer(request())


def test_a_run_that_starts_anew_does_not_mix_with_a_former_one(kafka):
    one = sink(kafka)
    writer = one.writer(request())
    writer.commit([sealed(writer, 1, 1)])
    writer.close()
    anew = one.writer(request())
    with pytest.raises(SinkError, match="output of two runs must not be mixed"):
        anew.commit([sealed(anew, 1, 1)])
    anew.close()
    assert ids(kafka, one) == [1]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cleanup_policy": "compact"}, "cleanup.policy=compact, and must have delete"),
        ({"retention_ms": "1000"}, "retention.ms=1000, and must have -1"),
        ({"partitions": 2, "retention_ms": "-1"}, "has 2 partitions"),
    ],
)
def test_a_token_topic_that_would_lose_tokens_is_refused(kafka, settings, says):
    with pytest.raises(StartError, match=says):
        sink(kafka, token_topic=make_topic(kafka.servers, **settings)).writer(request())


def test_a_token_topic_has_one_owner(kafka):
    one = sink(kafka)
    writer = one.writer(request())
    writer.commit([sealed(writer, 1, 1)])
    writer.close()
    other = one.writer(request(pipeline="other"))
    with pytest.raises(SinkError, match='belongs to the output "o" of the pipeline "p"'):
        other.last_token()
    other.close()


def test_the_default_token_topic_is_named_after_the_output(kafka):
    one = KafkaSink(make_topic(kafka.servers), servers=kafka.servers)
    name = f"n{one.topic[2:]}"
    writer = one.writer(request(pipeline=name, output="out"))
    writer.commit([sealed(writer, 1, 1)])
    (token,) = read_tokens(kafka.servers, f"__penstock.{name}.out")
    assert (token["pipeline"], token["output"], token["epoch"]) == (name, "out", 1)
    writer.close()


def test_a_record_is_as_large_as_the_topic_takes_or_refused_when_it_is_sealed(kafka):
    one = sink(kafka, make_topic(kafka.servers, max_message_bytes="20000"))
    writer = one.writer(request())
    limit = writer._encoder.limit
    assert limit == 20_000 - 128
    fits = "x" * (limit - len('{"id":1,"word":""}'))
    # Random text: what cannot be compressed takes all the room.
    noise = (
        "".join(chr(33 + code) for code in np.random.default_rng(1).integers(0, 90, len(fits)))
        .replace('"', "q")
        .replace("\\", "q")
    )
    writer.commit([sealed(writer, 1, 1, word=noise)])
    writer.write(frame(2, word=f"{fits}y"), None)
    with pytest.raises(SinkError, match="the topic takes 19,872"):
        writer.prepare(2)()
    writer.write(frame(*range(3, 10), word="z" * 15_000), None)  # more than a batch may have
    writer.commit([seal("p", 2, writer.prepare(2)())])
    assert ids(kafka, one) == [1, *range(3, 10)]
    writer.close()


def test_more_records_than_the_client_queues(kafka):
    one = sink(kafka, partitions=3, settings={"queue.buffering.max.messages": 1_000})
    writer = one.writer(request())
    writer.commit([sealed(writer, 1, *range(20_000)), sealed(writer, 2, *range(20_000, 25_000))])
    assert sorted(ids(kafka, one)) == list(range(25_000))
    writer.close()


def test_keys_go_where_other_clients_send_them(kafka):
    words = ["a", "bc", "foobar", "a-little-bit-long-string", "ü", ""]
    one = sink(kafka, partitions=5, key="word", key_format="text")
    writer = one.writer(request())
    writer.write(pl.DataFrame({"id": range(len(words)), "word": words}), None)
    writer.commit([seal("p", 1, writer.prepare(1)())])
    writer.close()
    other = make_topic(kafka.servers, 5)
    producer = Producer({"bootstrap.servers": kafka.servers, "partitioner": "murmur2"})
    for word in words:
        producer.produce(other, b"", key=word.encode())
    assert producer.flush(10) == 0
    places = [{key: place for place, key, _ in read_all(kafka.servers, topic)} for topic in (one.topic, other)]
    assert places[0] == places[1]
    assert len(places[0]) == len(words)


def test_changes_are_upserts_and_tombstones(kafka):
    one = sink(kafka, partitions=2)
    writer = one.writer(request(key=("id",), updating=True))
    writer.write(frame(1, 2, 3), np.ones(3, np.int8))
    writer.commit([seal("p", 1, writer.prepare(1)())])
    writer.write(
        pl.concat([frame(1, 2), frame(1, word="new"), frame(4), frame(4)]), np.array([-1, -1, 1, 1, -1], np.int8)
    )
    writer.commit([seal("p", 2, writer.prepare(2)())])
    writer.close()
    records = [
        (json.loads(key)["id"], value and json.loads(value)["word"])
        for _, key, value in read_all(kafka.servers, one.topic)
    ]
    assert sorted(records, key=str) == sorted([(1, "w"), (2, "w"), (3, "w"), (2, None), (1, "new")], key=str)
    assert {row["id"]: row["word"] for row in read_table(kafka.servers, one.topic)} == {1: "new", 3: "w"}


def test_at_least_once_is_there_when_it_is_sealed(kafka):
    one = sink(kafka, guarantee="at_least_once")
    fill(kafka.servers, one.topic, [{"id": 0}])
    writer = one.writer(request())
    assert writer.last_token() is None
    content = sealed(writer, 1, 1, 2)
    assert ids(kafka, one) == [0, 1, 2]
    assert content.payload == b""
    writer.commit([content])
    assert writer.report() == f"2 records in the topic {one.topic}"
    writer.close()
    with pytest.raises(StartError, match='no topic "nowhere"'):
        sink(kafka, "nowhere", guarantee="at_least_once").writer(request())
