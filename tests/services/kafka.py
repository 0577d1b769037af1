"""Apache Kafka: one node that is broker and controller, without authentication."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tests.services import install
from tests.services.process import Service, connect, free_port

JARS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.apache.kafka:kafka-tools-api:4.3.1", "org.slf4j:slf4j-simple:1.7.36")
"""Maven Central has no kafka-tools-api 4.4.0. Without slf4j-simple the broker logs nothing."""

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # Records with old event times would be deleted during the test.
    "log.retention.ms": "-1",
    # A restart after kill -9 waits until the session of the one that was killed has expired.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "log.cleaner.backoff.ms": "200",
}

FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def jars() -> Path:
    """The folder of Kafka's jars."""
    return install.jars("kafka-4.4.0", *JARS)


class Kafka(Service):
    """A broker.

    Args:
        settings: Lines of server.properties besides, or instead of, `SETTINGS`.

    Attributes:
        servers: What a client's `bootstrap.servers` takes.
        proxy_port: The port that the broker tells clients that came by `behind_proxy`; a test that wants faults
            between client and broker listens there (`Proxy(kafka.behind_proxy, port=kafka.proxy_port)`).
        behind_proxy: The port that such a proxy forwards to.
    """

    name: ClassVar[str] = "kafka"

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.port, self.controller, self.behind_proxy, self.proxy_port = (free_port() for _ in range(4))
        self.servers = f"127.0.0.1:{self.port}"
        self.settings = {
            **SETTINGS,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller}",
            "listeners": f"PLAINTEXT://{self.servers},PROXIED://127.0.0.1:{self.behind_proxy}"
            f",CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": f"PLAINTEXT://{self.servers},PROXIED://127.0.0.1:{self.proxy_port}",
            "log.dirs": str(self.folder / "data"),
            **(settings or {}),
        }

    @classmethod
    def install(cls) -> None:
        """Java and the jars."""
        install.java()
        jars()

    def usage(self) -> str:
        """See `Service.usage`."""
        return f"kafka      bootstrap.servers = {self.servers}"

    def prepare(self) -> None:
        """Write the settings and format the data folder."""
        lines = "".join(f"{key}={value}\n" for key, value in self.settings.items())
        (self.folder / "server.properties").write_text(lines)
        # The tool takes an identifier that begins with a hyphen for an option.
        identifier = "P" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        format_it = ["kafka.tools.StorageTool", "format", "-t", identifier, "-c", "server.properties"]
        self.once("format", [*self._java(), *format_it])

    def launch(self) -> None:
        """Start the broker."""
        self.run("kafka", [*self._java(), "kafka.Kafka", "server.properties"])

    def probe(self) -> None:
        """The broker is registered and says so."""
        connect(self.port)
        from confluent_kafka.admin import AdminClient

        found = AdminClient({"bootstrap.servers": self.servers, "log_level": 0}).list_topics(timeout=1)
        if len(found.brokers) != 1:
            raise ConnectionError("the broker is not registered")

    def _java(self) -> list[str | Path]:
        log = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [install.java(), *FLAGS, log, "-cp", f"{jars()}/*"]
