"""What can be said wrong about a topic, without a cluster."""

from __future__ import annotations

import sys

import pytest

import penstock as ps
from penstock.connectors import BUILTIN, _kafka_client, sink_class, source_class
from penstock.connectors._kafka_client import Connection, Told, checked_settings
from penstock.connectors._kafka_tokens import fence_record, read_token, token_record
from penstock.connectors.base import (
    AT_LEAST_ONCE,
    TRANSACTIONAL,
    Content,
    ReadRequest,
    Split,
    Token,
    WriteRequest,
    seal,
)
from penstock.connectors.kafka import KafkaSink, KafkaSource, token_topic_of
from penstock.core.errors import PlanError, SinkError, StartError
from penstock.core.schema import Schema
from penstock.core.spec import configure

NOWHERE = "127.0.0.1:1"
SCHEMA = Schema.of({"id": ps.Int64, "word": ps.String, "list": ps.List(ps.Int64)})


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(_kafka_client, "ANSWER_S", 0.3)


def request(**more):
    return WriteRequest(**{"schema": SCHEMA, "key": (), "updating": False, "pipeline": "p", **more})


def test_it_is_a_connector():
    assert BUILTIN["kafka"] == "penstock.connectors.kafka"
    assert (source_class("kafka"), sink_class("kafka")) == (KafkaSource, KafkaSink)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"topic": "a b"}, "a topic is named by"),
        ({"topic": []}, "a name or several"),
        ({"topic": ["a", "a"]}, "several different"),
        ({"start": "yesterday"}, "yesterday"),
        ({"start": {"9x": 3}}, "no offset of a partition"),
        ({"start": {0: -1}}, "no offset of a partition"),
        ({"stop": "earliest"}, "earliest"),
        ({"format": "avro"}, "avro"),
        ({"settings": ["x"]}, "takes a mapping"),
        ({"settings": {"group.id": "x"}}, "the option group="),
        ({"settings": {"auto.offset.reset": "latest"}}, "lost in silence"),
        ({"settings": {"isolation.level": "read_uncommitted"}}, "aborted"),
        ({"settings": {"sasl.password": "clear"}}, "takes a reference only"),
        ({"settings": {"error_cb": print}}, "takes a text or a number"),
    ],
)
def test_wrong_options_of_the_source(wrong, says):
    with pytest.raises(PlanError, match=says) as caught:
        KafkaSource(**{"topic": "orders", "servers": NOWHERE, **wrong})
    assert "clear" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"topic": "ü"}, "a topic is named by"),
        ({"token_topic": "out"}, "need different topics"),
        ({"guarantee": "exactly"}, "exactly_once"),
        ({"partition": "random"}, "random"),
        ({"key": []}, "key is a name"),
        ({"transaction_timeout": "1 h"}, "1 s to 15 min"),
        ({"transaction_timeout": "1 ms"}, "1 s to 15 min"),
        ({"settings": {"transactional.id": "x"}}, "token topic"),
        ({"settings": {"message.timeout.ms": 5}}, "derives"),
    ],
)
def test_wrong_options_of_the_sink(wrong, says):
    with pytest.raises(PlanError, match=says):
        KafkaSink(**{"topic": "out", "servers": NOWHERE, **wrong})


def test_a_source_is_a_value():
    source = KafkaSource(["a", "b"], servers=NOWHERE, start={"a-1": 5}, settings={"sasl.password": ps.secret("PW")})
    options = source.plan_value()["options"]
    assert options["settings"] == {"sasl.password": "secret:PW"}
    assert configure(KafkaSource, options) == source
    assert KafkaSource("a-b", servers=NOWHERE, start={"3": 7}).start == {"a-b-3": 7}
    assert source.default_name() == "a"
    assert not source.bounded
    assert KafkaSource("a", servers=NOWHERE, stop="latest").bounded
    with pytest.raises(PlanError, match="does not say its columns"):
        source.schema()


def test_the_delivery_depends_on_the_guarantee():
    sink = KafkaSink("out", servers=NOWHERE)
    assert (sink.delivery, sink.remembers, sink.place) == (TRANSACTIONAL, True, None)
    weaker = configure(KafkaSink, {**sink.plan_value()["options"], "guarantee": "at_least_once"})
    assert (weaker.delivery, weaker.remembers) == (AT_LEAST_ONCE, False)
    assert (KafkaSink.delivery, KafkaSink.remembers) == (TRANSACTIONAL, True)
    assert KafkaSink("out", servers=NOWHERE, token_topic="tokens").place == 'the token topic "tokens"'
    assert KafkaSink("out", servers=NOWHERE, key=["id"]).key == "id"


@pytest.mark.parametrize(
    ("options", "asked", "says"),
    [
        ({"key": "idd"}, {}, "no column"),
        ({"key": "word"}, {"key": ("id",), "updating": True}, "the Table is keyed by id"),
        ({"partition": "round_robin"}, {"key": ("id",), "updating": True}, "one partition"),
        ({"partition": "key"}, {}, "needs a key"),
        ({"key": ["id", "word"], "key_format": "text"}, {}, "takes one column"),
        ({"key": "list", "key_format": "text"}, {}, "not nested"),
    ],
)
def test_a_key_must_go_with_the_rows(options, asked, says):
    with pytest.raises(StartError, match=says):
        KafkaSink("out", servers=NOWHERE, **options).writer(request(**asked))


def test_no_server_is_an_error_of_the_start():
    source = KafkaSource("orders", servers=NOWHERE)
    with pytest.raises(StartError, match=r"no answer from Kafka at 127\.0\.0\.1:1"):
        source.splits()
    with pytest.raises(StartError, match="no answer from Kafka"):
        KafkaSink("out", servers=NOWHERE).writer(request())
    with pytest.raises(StartError, match="does not say where partition 0"):
        source.reader(Split("orders-0"), None, read_request())


def read_request():
    return ReadRequest(SCHEMA, SCHEMA.names)


def test_settings_that_do_not_exist_are_told():
    with pytest.raises(StartError, match=r'No such configuration property: "no\.such\.thing"'):
        KafkaSource("orders", servers=NOWHERE, settings={"no.such.thing": 1}).splits()


def test_secrets_are_read_at_the_start(monkeypatch):
    connection = Connection(NOWHERE, checked_settings({"sasl.password": "secret:NOT_THERE"}))
    with pytest.raises(StartError, match='no secret "NOT_THERE"'):
        connection.admin(Told())
    monkeypatch.setenv("NOT_THERE", "hidden-word")
    assert connection._conf({}, Told())["sasl.password"] == "hidden-word"
    assert "hidden-word" not in repr(connection)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(StartError, match="needs the package") as caught:
        KafkaSource("orders", servers=NOWHERE).splits()
    assert 'penstock[kafka]"' in str(caught.value)


def test_token_topics_of_different_outputs_differ():
    assert token_topic_of("flights", "delays") == "__penstock.flights.delays"
    pairs = [("a.b", "c"), ("a", "b.c"), ("a", "ü"), ("a", "_"), ("x" * 100, "y" * 300), ("x" * 100, "y" * 301)]
    names = [token_topic_of(*pair) for pair in pairs]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 249 for name in names)


def test_tokens_are_read_as_they_were_written():
    sealed = seal("p", 7, Content({"records": 3, "partitions": {"0": 3}}, b"x", 3), incarnation=5)
    record = token_record(sealed, "p", "out")
    assert read_token(record, "p", "out") == sealed.token == Token("p", 0, 5, 7, 3, sealed.token.digest)
    assert read_token(fence_record("p", "out"), "p", "out") is None


@pytest.mark.parametrize("record", [None, b"", b"{", b"[]", b'{"version":2}', b'{"version":1,"kind":"token"}'])
def test_what_is_no_token_is_refused(record):
    with pytest.raises(SinkError, match="no token of this version"):
        read_token(record, "p", "out")


def test_tokens_of_others_are_refused():
    with pytest.raises(SinkError, match='the output "other" of the pipeline "p"'):
        read_token(fence_record("p", "other"), "p", "out")
