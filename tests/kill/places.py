"""Where the killed pipeline writes, and what readers find there."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from pathlib import Path

from penstock.testing.killer import Killer
from tests.kill.scenario import OUTPUTS, source

_numbers = itertools.count(1)


def canonical(row):
    """A row as text: equal exactly where the row is."""
    return json.dumps(row, sort_keys=True, default=str)


class Place:
    """One place, new and empty.

    Args:
        folder: A folder of its own.
    """

    kind = ""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)

    def arguments(self):
        """What the scenario must be told of it."""
        return []

    def killer(self, rows, *, seed=0, **more):
        """What kills the scenario that writes there."""
        options = [text for name, value in more.items() for text in (f"--{name}", str(value))]
        command = ["{python}", "-m", "tests.kill.scenario", self.kind, str(self.folder), "--rows", str(rows)]
        paths = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
        environment = {"PYTHONPATH": paths}
        return Killer([*command, *self.arguments(), *options], self.folder, seed=seed, environment=environment)

    def read(self):
        """What readers find: by output, the rows as a bag; of the table, those that are left."""
        return {name: Counter(map(canonical, self.rows(name))) for name in OUTPUTS}


class Files(Place):
    """Directories of files."""

    kind = "files"

    def rows(self, name):
        """The rows that a reader finds."""
        lines = [
            json.loads(line)
            for path in sorted((self.folder / name).glob("part-*.json"))
            for line in path.read_text().splitlines()
        ]
        return folded(lines) if name == "running" else lines


def folded(changes):
    """The rows that are left of changes; every one that goes must have come."""
    left = Counter()
    for row in changes:
        sign = 1 if row.pop("op") in ("+I", "+U") else -1
        left[canonical(row)] += sign
    assert set(left.values()) <= {0, 1}, [item for item in left.items() if item[1] not in (0, 1)][:3]
    return [json.loads(row) for row, count in left.items() if count]


class Postgres(Place):
    """Tables of a database of its own."""

    kind = "postgres"

    def __init__(self, folder, server):
        super().__init__(folder)
        self.server = server
        name = f"kill_{next(_numbers)}"
        server.create(name)
        self.url = server.url_of(name)

    def arguments(self):
        """The address of the database."""
        return ["--address", self.url]

    def rows(self, name):
        """The rows that a reader finds."""
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(f'SELECT * FROM "{name}"').fetchall()


class Kafka(Place):
    """Topics with names of their own, the input among them."""

    kind = "kafka"

    def __init__(self, folder, server, rows):
        super().__init__(folder)
        from confluent_kafka.admin import NewTopic

        from tests.services.kafka_topics import admin, fill, wait_for

        self.server = server
        self.prefix = f"kill{next(_numbers)}-"
        client = admin(server.servers)
        topics = [NewTopic(f"{self.prefix}{name}", 2, 1) for name in ("input", *OUTPUTS)]
        for answer in client.create_topics(topics).values():
            answer.result(20)
        wait_for(lambda: f"{self.prefix}late" in client.list_topics(timeout=5).topics)
        for split in range(2):
            frame = source(rows).frame(split, 0, rows // 2)
            values = frame.with_columns(us=frame["at"].dt.epoch("us")).drop("at").to_dicts()
            fill(server.servers, f"{self.prefix}input", values, split)

    def arguments(self):
        """The address of the broker, and the topics."""
        return ["--address", self.server.servers, "--prefix", self.prefix]

    def rows(self, name):
        """The rows that a reader of what is committed finds."""
        from tests.services.kafka_topics import read_rows, read_table

        read = read_table if name == "running" else read_rows
        return read(self.server.servers, f"{self.prefix}{name}")
