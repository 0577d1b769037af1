"""What is done at which error: the table of what held on a real broker, against a producer that fails as told."""

from __future__ import annotations

import errno
from collections import deque

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.connectors import _kafka_publisher
from penstock.connectors._kafka_publisher import ATTEMPTS, Publisher
from penstock.connectors._kafka_records import Records, Texts, pack
from penstock.connectors._kafka_writer import PlainWriter, TransactionalWriter
from penstock.connectors.base import Content, Token, seal
from penstock.core import failpoint
from penstock.core.errors import InvariantError, SinkError, SinkLost, StartError

OWNER = ("p", "out")


def failure(code, *, fatal=False, retriable=False, abort=False):
    return KafkaException(KafkaError(code, "as told", fatal, retriable, abort))


TIMED_OUT = failure(KafkaError._TIMED_OUT, retriable=True)
FENCED = failure(KafkaError._FENCED, fatal=True)
INCONSISTENT = failure(KafkaError._INCONSISTENT, abort=True)
STATE = failure(KafkaError._STATE)


class Clock:
    """Time passes only while somebody waits, or at each look if told so."""

    def __init__(self):
        self.time = self.step = 0

    def now(self):
        return self.time

    def monotonic(self):
        self.time += self.step
        return self.time

    def wait(self, signal, timeout_us):
        self.time += timeout_us or 0
        return False


class Producer:
    """Notes calls; fails as its script says, by the name of the call."""

    def __init__(self):
        self.calls = []
        self.script = {}
        self.open = []
        self.committed = []
        self.callbacks = []

    def fails(self, call, *errors):
        self.script[call] = deque(errors)
        return self

    def _call(self, name):
        self.calls.append(name)
        errors = self.script.get(name)
        error = errors.popleft() if errors else None
        if error is not None:
            raise error

    def init_transactions(self, timeout):
        self._call("init")

    def begin_transaction(self):
        self._call("begin")
        assert not self.open
        self.callbacks = []

    def produce(self, topic, value, key, partition, told=None):
        self._call("produce")
        self.open.append((topic, value, key, partition))
        if told is not None:
            self.callbacks.append(told)

    def commit_transaction(self, timeout):
        self._call("commit")
        self.committed.append(self.open)
        self.open = []

    def abort_transaction(self, timeout):
        self._call("abort")
        self.open = []

    def poll(self, timeout):
        self._call("poll")
        for told in self.callbacks:
            told(None, type("Message", (), {"offset": lambda self: 17})())

    def flush(self, timeout):
        self._call("flush")
        return 0

    def purge(self, blocking):
        self._call("purge")

    def steps(self):
        return [call for call in self.calls if call not in ("produce", "poll")]


class Cluster:
    """Stands for a connection: gives producers in turn."""

    servers = "here:9092"

    def __init__(self, *producers):
        self.producers = deque(producers)
        self.confs = []
        self.gone = None

    def producer(self, told, conf):
        self.confs.append(conf)
        return self.producers.popleft()

    def partitions(self, topics):
        if self.gone:
            raise StartError(self.gone)
        return dict.fromkeys(topics, 1)


@pytest.fixture
def token(monkeypatch):
    """What is found in the token topic."""
    found = {"token": None, "fence": None}

    def token_before(connection, topic, fence, owner, clock, patience_us):
        found["fence"] = fence
        return found["token"]

    monkeypatch.setattr(_kafka_publisher, "token_before", token_before)
    return found


def publisher(*producers, clock=None):
    return Publisher(Cluster(*producers), "out", "tokens", OWNER, 15_000, 1_000_000, clock or Clock())


def opened(producer, token, clock=None):
    made = publisher(producer, clock=clock)
    made.open()
    producer.calls.clear()
    producer.committed.clear()
    return made


def epoch(number, *values):
    lengths = np.array([len(value) for value in values], np.int32)
    none = Texts(b"", np.full(len(values), -1, np.int32))
    records = Records(np.zeros(len(values), np.int32), none, Texts(b"".join(values), lengths))
    content = Content({"records": len(values), "partitions": records.counts()}, pack(records), len(values))
    return seal("p", number, content)


def test_opening_fences_by_a_record_and_asks_for_what_is_before_it(token):
    token["token"] = Token("p", 0, 1, 5, 2, "d")
    producer = Producer()
    made = publisher(producer)
    assert made.open() == token["token"]
    assert token["fence"] == 17
    assert producer.steps() == ["init", "begin", "commit"]
    ((record,),) = producer.committed
    assert record[0] == "tokens"
    assert b'"fence"' in record[1]
    conf = made._connection.confs[0]
    assert conf == {"transactional.id": "tokens", "transaction.timeout.ms": 15_000, "message.max.bytes": 1_000_000}


def test_a_takeover_repeats_init_while_it_may():
    producer = Producer().fails("init", TIMED_OUT, failure(KafkaError.CONCURRENT_TRANSACTIONS, retriable=True), FENCED)
    with pytest.raises(SinkLost, match="cannot take over"):
        publisher(producer).open()
    assert producer.steps() == ["init", "init", "init", "purge"]


def test_what_no_repetition_heals_is_no_lost_connection():
    producer = Producer().fails("init", failure(KafkaError.INVALID_TRANSACTION_TIMEOUT, fatal=True))
    with pytest.raises(SinkError) as caught:
        publisher(producer).open()
    assert not isinstance(caught.value, SinkLost)


def test_a_topic_that_has_gone_is_told(token):
    made = publisher(Producer())
    made._connection.gone = 'there is no topic "out"'
    with pytest.raises(SinkLost, match='there is no topic "out"'):
        made.open()


def test_all_epochs_and_their_tokens_are_one_transaction(token):
    producer = Producer()
    made = opened(producer, token)
    made.publish([epoch(1, b"a", b"b"), epoch(2), epoch(3, b"c")])
    assert producer.steps() == ["begin", "commit"]
    ((*rows, one, two, three),) = producer.committed
    assert rows == [("out", value, None, 0) for value in (b"a", b"b", b"c")]
    assert all(record[0] == "tokens" and record[3] == 0 for record in (one, two, three))
    assert b'"epoch": 1' in one[1]
    assert b'"partitions": {"0": 2}' in one[1]
    assert b'"epoch": 2' in two[1]


def test_commit_is_repeated_as_the_same_call(token):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("commit", TIMED_OUT, TIMED_OUT)
    made.publish([epoch(1, b"a")])
    assert producer.steps() == ["begin", "commit", "commit", "commit"]
    assert len(producer.committed) == 1
    assert made.is_open


def test_a_commit_that_is_never_answered_has_an_unknown_outcome(token):
    producer, clock = Producer(), Clock()
    made = opened(producer, token, clock)
    producer.fails("commit", *[TIMED_OUT] * 100)
    clock.step = 5_000_000
    with pytest.raises(SinkLost, match=r"cannot publish to \"out\" at here:9092: as told"):
        made.publish([epoch(1, b"a")])
    # No abort: it would be in conflict with the commit.
    assert set(producer.steps()) == {"begin", "commit", "purge"}
    assert not made.is_open


@pytest.mark.parametrize("code", [KafkaError._INCONSISTENT, KafkaError._TIMED_OUT, 45])
def test_an_abortable_commit_is_aborted_and_made_anew(token, code):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("commit", failure(code, abort=True))
    made.publish([epoch(1, b"a")])
    assert producer.steps() == ["begin", "commit", "abort", "begin", "commit"]
    assert next(record[1] for record in producer.committed[0]) == b"a"
    assert len(producer.committed[0]) == 2


def test_aborting_is_not_tried_for_ever(token):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("commit", *[INCONSISTENT] * 100)
    with pytest.raises(SinkLost):
        made.publish([epoch(1, b"a")])
    assert producer.steps() == ["begin", "commit", "abort"] * ATTEMPTS + ["purge"]


def test_an_abort_that_fails_means_another_producer(token):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("commit", INCONSISTENT).fails("abort", TIMED_OUT, FENCED)
    with pytest.raises(SinkLost):
        made.publish([epoch(1, b"a")])
    assert producer.steps() == ["begin", "commit", "abort", "abort", "purge"]


def test_who_is_fenced_publishes_nothing_more(token):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("commit", FENCED)
    with pytest.raises(SinkLost):
        made.publish([epoch(1, b"a")])
    assert producer.steps() == ["begin", "commit", "purge"]
    with pytest.raises(SinkLost, match="connection to Kafka is lost"):
        made.publish([epoch(1, b"a")])


@pytest.mark.parametrize("error", [STATE, SystemError("returned a result with an exception set")])
def test_what_is_fenced_while_producing_is_lost(token, error):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("produce", None, error)
    with pytest.raises(SinkLost):
        made.publish([epoch(1, b"a", b"b")])
    assert producer.steps() == ["begin", "abort", "purge"]
    assert not producer.committed


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._UNKNOWN_PARTITION])
def test_a_record_that_is_refused_aborts_all(token, code):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("produce", None, failure(code))
    with pytest.raises(SinkError) as caught:
        made.publish([epoch(1, b"a", b"b")])
    assert not isinstance(caught.value, SinkLost)
    assert producer.steps() == ["begin", "abort", "purge"]


def test_size_does_not_heal(token):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("commit", failure(KafkaError.MSG_SIZE_TOO_LARGE, abort=True))
    with pytest.raises(SinkError, match="cannot publish"):
        made.publish([epoch(1, b"a")])
    assert producer.steps() == ["begin", "commit", "abort", "purge"]


def test_a_full_queue_is_waited_for(token):
    producer = Producer()
    made = opened(producer, token)
    producer.fails("produce", BufferError(), BufferError())
    made.publish([epoch(1, b"a")])
    assert len(producer.committed[0]) == 2


def test_a_queue_that_stays_full_is_lost(token):
    producer, clock = Producer(), Clock()
    made = opened(producer, token, clock)
    producer.fails("produce", *[BufferError()] * 1_000)
    clock.step = 5_000_000
    with pytest.raises(SinkLost, match="takes nothing more"):
        made.publish([epoch(1, b"a")])


@pytest.mark.parametrize("point", ["kafka.produced", "kafka.tokens_produced", "kafka.commit"])
def test_any_failure_while_producing_aborts(token, point, monkeypatch):
    producer = Producer()
    made = opened(producer, token)
    monkeypatch.setitem(failpoint.ACTIONS, point, failpoint.KINDS["eio"])
    with pytest.raises(OSError, match="error") as caught:
        made.publish([epoch(1, b"a")])
    assert caught.value.errno == errno.EIO
    assert producer.steps() == ["begin", "abort", "purge"]


def test_payloads_that_cannot_be_read_publish_nothing(token):
    producer = Producer()
    made = opened(producer, token)
    with pytest.raises(SinkError, match="damaged"):
        made.publish([epoch(1, b"a"), epoch(2, b"b")._replace(payload=b"PKAF")])
    assert not producer.committed
    producer = Producer()
    made = opened(producer, token)
    producer.fails("produce", ZeroDivisionError())
    with pytest.raises(InvariantError):
        made.publish([epoch(1, b"a")])


# -- writers -------------------------------------------------------------------


class Encoder:
    partitions = 2


def writer(made):
    return TransactionalWriter(Encoder(), False, "out", made)


def test_epochs_up_to_the_last_token_are_skipped(token):
    token["token"] = Token("p", 0, 0, 2, 1, "d")
    producer = Producer()
    one = writer(publisher(producer))
    assert one.last_token().epoch == 2
    producer.committed.clear()
    one.commit([epoch(1, b"a"), epoch(2, b"b"), epoch(3, b"c")])
    one.commit([epoch(3, b"c")])
    one.commit([])
    assert [next(record[1] for record in sent) for sent in producer.committed] == [b"c"]
    assert one.report() == "1 records in the topic out"


def test_an_epoch_is_never_left_out(token):
    token["token"] = Token("p", 0, 0, 2, 1, "d")
    one = writer(publisher(Producer()))
    one.last_token()
    with pytest.raises(SinkError, match="epoch 4 cannot follow epoch 2"):
        one.commit([epoch(4, b"a")])
    with pytest.raises(SinkError, match="epoch 5 cannot follow epoch 3"):
        one.commit([epoch(3, b"a"), epoch(5, b"b")])


def test_after_a_loss_the_token_is_read_first(token):
    first, second = Producer(), Producer()
    one = writer(publisher(first, second))
    one.last_token()
    first.fails("commit", FENCED)
    with pytest.raises(SinkLost):
        one.commit([epoch(1, b"a")])
    with pytest.raises(SinkLost, match="its last token must be read"):
        one.commit([epoch(1, b"a")])
    token["token"] = Token("p", 0, 0, 1, 1, "d")
    assert one.last_token().epoch == 1
    second.committed.clear()
    one.commit([epoch(1, b"a"), epoch(2, b"b")])
    assert len(second.committed) == 1
    one.close()
    assert second.calls[-1] == "purge"


def test_a_new_run_does_not_take_old_tokens_for_its_own(token):
    token["token"] = Token("p", 0, 0, 9, 1, "d")
    one = writer(publisher(Producer()))
    with pytest.raises(SinkError, match="output of two runs must not be mixed"):
        one.commit([epoch(0, b"a")])


class Plain(Encoder):
    def encode(self, frames, changes, turn):
        none = Texts(b"", np.full(2, -1, np.int32))
        return Records(np.array([0, 1], np.int32), none, Texts(b"ab", np.ones(2, np.int32)))


def test_at_least_once_waits_until_all_is_confirmed():
    producer = Producer()
    one = PlainWriter(Plain(), False, "out", Cluster(producer), 1_000, Clock())
    content = one.prepare(1)()
    assert content == Content({"records": 2, "partitions": {"0": 1, "1": 1}}, b"", 0)
    assert producer.calls == ["produce", "produce", "flush"]


def test_at_least_once_says_what_was_refused():
    producer, clock = Producer(), Clock()
    one = PlainWriter(Plain(), False, "out", Cluster(producer), 1_000, clock)
    producer.flush = lambda timeout: [one._failed.append("too large"), 0][1]
    with pytest.raises(SinkError, match="too large"):
        one.prepare(1)()
    slow = PlainWriter(Plain(), False, "out", Cluster(producer), 1_000, clock)
    producer.flush, clock.step = (lambda timeout: 1), 10_000_000
    with pytest.raises(SinkError, match="not confirmed in time"):
        slow.prepare(1)()
