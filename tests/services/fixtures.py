"""The fixtures of tests that need a real server: `kafka`, `postgres`, `database`, `s3`, `bucket`, `flink`.

A server is started when the first test asks for it, once per process of the test run (per worker of pytest-xdist),
and stopped at the end of the run. A test may kill or pause it: what is down or stalled after a test is mended
before the next one. Data stays, so tests choose names of their own (`fresh`).

A server that cannot be had skips the test, and the summary says which and why; where `CI` is set it fails.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.services.flink import Flink, is_installed
from tests.services.kafka import Kafka
from tests.services.postgres import Postgres
from tests.services.process import Service, Unavailable
from tests.services.s3 import S3

FIXTURES = frozenset({"kafka", "postgres", "database", "s3", "bucket", "flink"})
"""Whoever asks for one of these is marked `service`."""

_running: list[Service] = []
_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a server, before any is deselected by its marks."""
    for item in items:
        if FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("service")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Mend what a test has killed or paused."""
    if item.get_closest_marker("service"):
        for service in _running:
            service.resume()
            service.start()


def provide(kind: Callable[[], Service]) -> Iterator[Any]:
    """Start a server and stop it at the end; skip, or in CI fail, if it cannot be had."""
    service = kind()
    try:
        try:
            service.start()
        except Unavailable as error:
            text = f"no server {service.name}: {error}"
            if os.environ.get("CI"):
                pytest.fail(text, pytrace=False)
            pytest.skip(text)
        _running.append(service)
        yield service
        _running.remove(service)
    finally:
        service.close()


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """A function that gives a name which no other test of this process has: `fresh("orders")`, `orders_7`."""

    def name(prefix: str) -> str:
        return f"{prefix}_{next(_numbers)}"

    return name


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A broker: `kafka.servers`."""
    yield from provide(Kafka)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server: `postgres.url`, `postgres.url_of(database)`."""
    yield from provide(Postgres)


@pytest.fixture
def database(postgres: Postgres, fresh: Callable[[str], str]) -> Iterator[str]:
    """The connection string of a new, empty database, which is dropped afterwards with its replication slots."""
    name = fresh("database")
    postgres.create(name)
    yield postgres.url_of(name)
    postgres.resume()
    postgres.start()
    postgres.drop(name)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A server that speaks S3: `s3.endpoint`, and `s3.options` for obstore."""
    yield from provide(S3)


@pytest.fixture
def bucket(s3: S3, fresh: Callable[[str], str]) -> str:
    """The name of a new, empty bucket of `s3`."""
    name = fresh("bucket").replace("_", "-")
    s3.create(name)
    return name


@pytest.fixture(scope="session")
def flink() -> Iterator[Flink]:
    """A session cluster with a SQL gateway: `flink.session().rows("SELECT ...")`.

    It is 330 MB, so that it is installed here only in CI.
    """
    if not (os.environ.get("CI") or is_installed()):
        pytest.skip('no server flink: not installed; make services ARGS="--install --flink" does it (330 MB)')
    yield from provide(Flink)
