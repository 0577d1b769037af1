"""Apache Flink: a session cluster of one worker, and its SQL gateway, asked over REST.

The jars are those of PyFlink's package of libraries (Maven Central has no flink-dist), the gateway's and the Kafka
connector's. The three programs are started as Java programs, without Flink's scripts, so that each is one process.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.services import install
from tests.services.process import Child, Service, StartFailed, free_port

VERSION = "2.3.0"

LIBRARIES = f"apache-flink-libraries=={VERSION}"
"""329 MB."""

JARS = (f"org.apache.flink:flink-sql-gateway:{VERSION}", "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2")

JAVA = 21
"""The newest Java that it runs on: on 25 the gateway does not start."""

FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

OPENED = "lang lang.reflect net io nio text time util util.concurrent util.concurrent.atomic util.concurrent.locks"
"""Packages below `java` that Flink looks into, as in its own config.yaml."""

SETTINGS = {
    "jobmanager.rpc.address": "127.0.0.1",
    "jobmanager.bind-host": "127.0.0.1",
    "rest.address": "127.0.0.1",
    "rest.bind-address": "127.0.0.1",
    "sql-gateway.endpoint.rest.address": "127.0.0.1",
    "sql-gateway.endpoint.rest.bind-address": "127.0.0.1",
    "taskmanager.host": "127.0.0.1",
    "taskmanager.bind-host": "127.0.0.1",
    "taskmanager.numberOfTaskSlots": "4",
    # Without Flink's scripts a worker is told all of its memory.
    "taskmanager.cpu.cores": "2",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.heap.size": "256m",
    "taskmanager.memory.task.off-heap.size": "0m",
    "taskmanager.memory.network.min": "64m",
    "taskmanager.memory.network.max": "64m",
    "taskmanager.memory.managed.size": "64m",
    "taskmanager.memory.jvm-metaspace.size": "192m",
    "taskmanager.memory.jvm-overhead.min": "96m",
    "taskmanager.memory.jvm-overhead.max": "96m",
    # A worker that was killed is missed after 5 seconds, not after 50.
    "heartbeat.interval": "500",
    "heartbeat.timeout": "5000",
}

LOG = """
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %-5p %c - %m%n
"""


def libraries() -> Path:
    """The folder of Flink's own jars."""
    python = install.environment("flink", "--no-deps", LIBRARIES)
    return install.package_folder(python, "pyflink") / "lib"


def is_installed() -> bool:
    """Whether the large part of it is there."""
    return install.has_environment("flink", "--no-deps", LIBRARIES)


def jars() -> Path:
    """The folder of the gateway's and the connector's jars."""
    return install.jars(f"flink-{VERSION}", *JARS, transitive=False)


class Flink(Service):
    """A JobManager, a TaskManager with four slots, and a SQL gateway.

    Attributes:
        rest: The address of the JobManager: `/jobs`, `/overview`.
        gateway: The address of the SQL gateway: `/v1/sessions`.
    """

    name: ClassVar[str] = "flink"
    start_seconds: ClassVar[float] = 120

    def __init__(self) -> None:
        super().__init__()
        names = (
            "jobmanager.rpc.port",
            "rest.port",
            "blob.server.port",
            "taskmanager.rpc.port",
            "taskmanager.data.port",
        )
        ports = {name: str(free_port()) for name in (*names, "sql-gateway.endpoint.rest.port")}
        # The gateway's would else be that of the JobManager.
        for name in ("rest", "sql-gateway.endpoint.rest"):
            ports[f"{name}.bind-port"] = ports[f"{name}.port"]
        self.settings = {**SETTINGS, **ports, "io.tmp.dirs": str(self.folder)}
        self.rest = f"http://127.0.0.1:{ports['rest.port']}"
        self.gateway = f"http://127.0.0.1:{ports['sql-gateway.endpoint.rest.port']}"

    @classmethod
    def install(cls) -> None:
        """Java and the jars."""
        install.java(JAVA)
        libraries()
        jars()

    def usage(self) -> str:
        """See `Service.usage`."""
        return (
            f"flink      jobs and metrics: {self.rest}/overview   SQL gateway: {self.gateway}/v1/info\n"
            f"           curl -X POST {self.gateway}/v1/sessions -d '{{}}' -H 'Content-Type: application/json'"
        )

    def prepare(self) -> None:
        """Write the settings."""
        lines = "".join(f"{key}: {value}\n" for key, value in self.settings.items())
        (self.folder / "config.yaml").write_text(lines)
        (self.folder / "log4j.properties").write_text(LOG)

    def launch(self) -> None:
        """Start the JobManager, then the others: a worker that comes first tries again only after seconds."""
        configured = ("--configDir", str(self.folder))
        runtime = "org.apache.flink.runtime"
        self._java("jobmanager", "-Xmx400m", f"{runtime}.entrypoint.StandaloneSessionClusterEntrypoint", *configured)
        self._java("gateway", "-Xmx400m", "org.apache.flink.table.gateway.SqlGateway")
        self.wait_until_ready(lambda: ask(f"{self.rest}/overview"))
        self.start_taskmanager()

    def start_taskmanager(self) -> Child:
        """Start the worker, again after it was killed: `flink.taskmanager.kill()`."""
        self.processes = [child for child in self.processes if child.name != "taskmanager"]
        flags = ("-Xmx384m", "-XX:MaxDirectMemorySize=192m")
        runner = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        return self._java("taskmanager", *flags, runner, "--configDir", str(self.folder))

    @property
    def taskmanager(self) -> Child:
        """The worker's process."""
        return next(child for child in self.processes if child.name == "taskmanager")

    def probe(self) -> None:
        """The worker has come to the JobManager, and the gateway answers."""
        if ask(f"{self.rest}/overview")["taskmanagers"] < 1:
            raise ConnectionError("no worker yet")
        ask(f"{self.gateway}/v1/info")

    def session(self, **settings: str) -> Session:
        """A session of the gateway; settings with `__` for the dot: `execution__runtime_mode="batch"`."""
        properties = {key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()}
        return Session(self, properties)

    def _java(self, name: str, *words: str) -> Child:
        opened = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED.split()]
        opened += ["--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", "--add-exports=java.base/sun.net.util=ALL-UNNAMED"]
        logs = f"-Dlog4j.configurationFile=file:{self.folder}/log4j.properties"
        path = f"{libraries()}/*:{jars()}/*"
        return self.run(
            name,
            [install.java(JAVA), *FLAGS, *opened, logs, "-cp", path, *words],
            environment={"FLINK_CONF_DIR": str(self.folder)},
        )


class Session:
    """A session of the SQL gateway; a context manager that closes it."""

    def __init__(self, flink: Flink, properties: Mapping[str, str]) -> None:
        self.flink = flink
        handle = ask(f"{flink.gateway}/v1/sessions", {"properties": dict(properties)})["sessionHandle"]
        self.url = f"{flink.gateway}/v1/sessions/{handle}"

    def rows(self, statement: str, seconds: float = 120) -> list[list[Any]]:
        """Run a statement to its end and give the rows of its result.

        Raises:
            StartFailed: Flink refused it, or it failed or took too long.
        """
        until, found = time.monotonic() + seconds, []
        operation = ask(f"{self.url}/statements", {"statement": statement})["operationHandle"]
        status = ""
        while status not in ("FINISHED", "ERROR", "CANCELED"):
            status = ask(f"{self.url}/operations/{operation}/status")["status"]
            _wait(until, statement)
        next_uri = f"/operations/{operation}/result/0?rowFormat=JSON"
        while next_uri:
            answer = ask(f"{self.flink.gateway}{next_uri}" if next_uri.startswith("/v") else self.url + next_uri)
            found += [row["fields"] for row in answer.get("results", {}).get("data", [])]
            if answer["resultType"] == "EOS":
                break
            next_uri = answer.get("nextResultUri", "")
            _wait(until, statement)
        return found

    def insert(self, statement: str) -> str:
        """Start an INSERT; gives the identifier of its job."""
        return str(self.rows(statement)[0][0])

    def wait_for_job(self, job: str, state: str = "FINISHED", seconds: float = 120) -> None:
        """Wait until a job is in this state; fails when it has failed."""
        until = time.monotonic() + seconds
        while (found := ask(f"{self.flink.rest}/jobs/{job}")["state"]) != state:
            if found in ("FAILED", "CANCELED", "FINISHED"):
                raise StartFailed(f"the job is {found}: {ask(f'{self.flink.rest}/jobs/{job}/exceptions')}")
            _wait(until, f"job {job}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ask(self.url, method="DELETE")


def ask(url: str, body: Any = None, method: str = "") -> Any:
    """What a REST endpoint answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method or None)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        raise StartFailed(f"{url}: {error.code}: {text[-3000:]}") from None


def _wait(until: float, what: str) -> None:
    if time.monotonic() > until:
        raise StartFailed(f"took too long: {what}")
    time.sleep(0.05)
