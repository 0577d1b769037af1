"""The sink under SIGKILL, of its process and of the broker: nothing is lost, doubled or torn."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.connectors.base import Sealed
from penstock.connectors.kafka import KafkaSink
from penstock.core.errors import SinkLost
from penstock.core.threads import Worker
from tests.services import kafka_child
from tests.services.kafka_child import expected, rows_of, sealed
from tests.services.kafka_topics import make_topic, read_rows, read_tokens

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
POINTS = [
    "kafka.init", "kafka.fence", "kafka.commit", "kafka.fenced", "kafka.token", "kafka.seal", "kafka.begin",
    "kafka.produced", "kafka.tokens_produced", "kafka.committed",
]  # fmt: skip


def start(kafka, topic: str, last: int, *, per_transaction: int = 2, point: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PENSTOCK_FAILPOINTS": ""}
    if point:
        environment["PENSTOCK_FAILPOINTS"] = f"{point}=kill"
    words = [sys.executable, "-m", "tests.services.kafka_child", kafka.servers, topic, f"{topic}-tokens"]
    return subprocess.Popen([*words, str(last), str(per_transaction)], env=environment, cwd=ROOT)


def run(kafka, topic: str, last: int, **more) -> int:
    child = start(kafka, topic, last, **more)
    try:
        return child.wait(60)
    finally:
        child.kill()


def audit(kafka, topic: str, last: int) -> None:
    """Every row once, in order per partition; every token once; tokens as counted."""
    found = [(row["epoch"], row["row"]) for row in read_rows(kafka.servers, topic)]
    assert sorted(found) == expected(last)
    tokens = read_tokens(kafka.servers, f"{topic}-tokens")
    assert [token["epoch"] for token in tokens] == list(range(1, last + 1))
    assert [(token["rows"], sum(token["partitions"].values())) for token in tokens] == [
        (rows_of(epoch), rows_of(epoch)) for epoch in range(1, last + 1)
    ]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_it_goes_on_behind_its_token(kafka, point):
    topic = make_topic(kafka.servers, 2)
    assert run(kafka, topic, 3) == 0
    assert run(kafka, topic, 7, point=point) == -signal.SIGKILL
    assert run(kafka, topic, 9) == 0
    audit(kafka, topic, 9)


def test_killed_at_random(kafka):
    topic, chance = make_topic(kafka.servers, 2), random.Random(7)
    kills = 0
    for _ in range(12):
        child = start(kafka, topic, 100_000, per_transaction=chance.randint(1, 8))
        time.sleep(chance.uniform(0.8, 2.5))
        child.kill()
        kills += child.wait(20) == -signal.SIGKILL
    assert kills == 12
    last = read_tokens(kafka.servers, f"{topic}-tokens")[-1]["epoch"] + 3
    assert run(kafka, topic, last) == 0
    audit(kafka, topic, last)


def test_a_zombie_wakes_and_publishes_nothing(kafka):
    topic = make_topic(kafka.servers, 2)
    zombie = start(kafka, topic, 100_000)
    time.sleep(3)
    os.kill(zombie.pid, signal.SIGSTOP)
    try:
        last = read_tokens(kafka.servers, f"{topic}-tokens")[-1]["epoch"] + 20
        assert run(kafka, topic, last) == 0
        os.kill(zombie.pid, signal.SIGCONT)
        assert zombie.wait(60) not in (0, -signal.SIGKILL)
    finally:
        zombie.kill()
        zombie.wait(20)
    audit(kafka, topic, last)


class Publishing:
    """Publishes as an engine does: in order; after a loss it asks for the last token and goes on behind it."""

    def __init__(self, kafka, topic: str) -> None:
        self.kafka, self.topic = kafka, topic
        sink = KafkaSink(topic, servers=kafka.servers, token_topic=f"{topic}-tokens")
        self.writer = sink.writer(kafka_child.REQUEST)
        self.losses = 0
        self.published = 0
        self.stop = False

    def run(self) -> None:
        outbox: dict[int, Sealed] = {}
        self.published = self._asked()
        self.losses = 0
        while not self.stop:
            number = self.published + 1
            for one in (number, number + 1):
                if one not in outbox:
                    outbox[one] = sealed(self.writer, one)
            epochs = [outbox[one] for one in (number, number + 1)]
            try:
                self.writer.commit(epochs)
                self.published = number + 1
            except SinkLost:
                self.losses += 1
                self.published = self._asked()

    def _asked(self) -> int:
        while True:
            try:
                token = self.writer.last_token()
                return token.epoch if token else 0
            except SinkLost:
                self.losses += 1


def wait_until(holds, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def publishing(kafka):
    found = Publishing(kafka, make_topic(kafka.servers, 2))
    yield found
    found.stop = True
    found.writer.close()


def disturb(publishing: Publishing, disturbance, times: int = 3) -> None:
    """Publish, disturb, publish on, several times; then look at everything."""
    worker = Worker("publish", publishing.run).start()
    for turn in range(times + 1):
        before = publishing.published
        wait_until(lambda before=before: publishing.published > before + 20 or worker.failure, 60)
        if turn < times:
            disturbance()
    publishing.stop = True
    assert worker.join(60_000_000)
    assert worker.failure is None
    audit(publishing.kafka, publishing.topic, publishing.published)


def hurry(monkeypatch, patience_us: int) -> None:
    """Give up early, so that outcomes are unknown."""
    monkeypatch.setattr("penstock.connectors._kafka_publisher.PATIENCE_US", patience_us)
    monkeypatch.setattr("penstock.connectors._kafka_publisher.CALL_S", patience_us / 2e6)


def test_the_broker_is_killed_in_the_middle_of_commits(kafka, publishing):
    chance = random.Random(3)

    def crash() -> None:
        time.sleep(chance.uniform(0, 0.05))
        kafka.kill()
        time.sleep(chance.uniform(0.1, 1.5))
        kafka.start()

    disturb(publishing, crash)
    assert publishing.losses == 0  # the same calls were made until the broker was back


def test_the_broker_is_killed_and_commits_are_given_up(kafka, publishing, monkeypatch):
    hurry(monkeypatch, 300_000)

    def crash() -> None:
        kafka.kill()
        time.sleep(0.5)
        kafka.start()

    disturb(publishing, crash, 2)
    assert publishing.losses > 0


def test_a_commit_that_was_given_up_and_takes_effect_later_is_found(kafka, publishing, monkeypatch):
    hurry(monkeypatch, 300_000)
    chance = random.Random(5)

    def stall() -> None:
        time.sleep(chance.uniform(0, 0.05))
        kafka.pause()
        time.sleep(1.5)
        kafka.resume()

    disturb(publishing, stall, 5)
    assert publishing.losses > 0
