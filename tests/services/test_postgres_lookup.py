"""Lookups in a real PostgreSQL: types, keys, and one that is slow, goes away and comes back, with kills in between."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import os
from pathlib import Path

import polars as pl
import psycopg
import pytest

import penstock as ps
from penstock.connectors.lookups import LookupRequest
from penstock.connectors.postgres import PostgresSource
from penstock.core.errors import PlanError, SourceError, SourceLost
from penstock.core.schema import Schema
from penstock.testing.killer import Killer
from tests.services import lookup_worker
from tests.services.lookup_worker import KEYS, RATE

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

SECOND = 1_000_000
TYPES = """
    CREATE TABLE things (
        id integer NOT NULL, kind text NOT NULL, small smallint, amount numeric(10, 2), score double precision,
        good boolean, made timestamptz, day date, doc jsonb, code uuid, raw bytea, PRIMARY KEY (id, kind))"""
CODE = "00000000-0000-0000-0000-00000000002a"


def run(url, *statements):
    with psycopg.connect(url, autocommit=True) as link:
        for one in statements:
            link.execute(one)


@pytest.fixture
def things(database):
    run(
        database, TYPES,
        f"""INSERT INTO things VALUES
            (1, 'a', 7, 1.25, 0.5, true, '2026-01-02 03:04:05+00', '2026-01-02', '{{"x": 1}}', '{CODE}', '\\x00ff'),
            (1, 'b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)""",
    )  # fmt: skip
    return PostgresSource("things", url=database)


def open_(source, keys, schema=None):
    return source.lookup(LookupRequest(tuple(keys), schema or source.schema(), 10 * SECOND))


def test_the_columns_of_a_table_have_our_types_and_values(things):
    schema = things.schema()
    assert {field.name: str(field.dtype) for field in schema} == {
        "id": "Int32", "kind": "String", "small": "Int16", "amount": "Decimal(10, 2)", "score": "Float64",
        "good": "Boolean", "made": str(ps.Datetime("us", "UTC")), "day": "Date", "doc": "Json", "code": "String",
        "raw": "Binary",
    }  # fmt: skip
    opened = open_(things, ["id"])
    first, second = opened.ask(pl.DataFrame({"id": [1, 9, 1 << 40]})).sort("kind").rows(named=True)
    assert first == {
        "id": 1, "kind": "a", "small": 7, "amount": decimal.Decimal("1.25"), "score": 0.5, "good": True,
        "made": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "day": dt.date(2026, 1, 2), "doc": '{"x": 1}',
        "code": CODE, "raw": b"\x00\xff",
    }  # fmt: skip
    assert set(second.values()) == {1, "b", None}
    assert opened.load().height == 2
    opened.close()


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"id": [1, 1, 2], "kind": ["b", "c", "a"]}, ["b"]),
        ({"code": [CODE, "no uuid"]}, ["a"]),
        ({"amount": [decimal.Decimal("1.25")]}, ["a"]),
        ({"made": [dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)]}, ["a"]),
        ({"kind": ["'; DROP TABLE things; --", "b"]}, ["b"]),
    ],
)
def test_keys_of_all_kinds_find_their_rows(things, keys, found):
    opened = open_(things, keys)
    assert opened.ask(pl.DataFrame(keys))["kind"].to_list() == found
    opened.close()


def test_what_is_not_there_is_said(things, database):
    with pytest.raises(PlanError, match=r"no table public\.nothing"):
        PostgresSource("nothing", url=database).schema()
    with pytest.raises(SourceError, match='no column "colour"'):
        open_(things, ["id"], Schema.of({"id": ps.Int32, "colour": ps.String}))


def test_a_server_that_is_gone_is_lost_and_not_wrong(things, postgres):
    opened, schema = open_(things, ["id"]), things.schema()
    postgres.kill()
    with pytest.raises(SourceLost, match=r"cannot ask public\.things"):
        opened.ask(pl.DataFrame({"id": [1]}))
    with pytest.raises(SourceLost):
        open_(things, ["id"], schema)
    postgres.restart()
    again = open_(things, ["id"], schema)
    assert again.ask(pl.DataFrame({"id": [1]})).height == 2
    again.close()


@pytest.mark.slow
def test_a_slow_server_that_comes_and_goes_and_a_job_that_is_killed_give_what_a_quiet_run_gives(
    postgres, database, tmp_path
):
    rows = 4 * RATE
    run(
        database,
        "CREATE TABLE users (id bigint PRIMARY KEY, name text)",
        f"INSERT INTO users SELECT i, 'user ' || i FROM generate_series(0, {KEYS}, 2) i",
        "CREATE FUNCTION slow(text) RETURNS text VOLATILE LANGUAGE sql AS $$ SELECT $1 FROM pg_sleep(0.002) $$",
        "CREATE VIEW slow_users AS SELECT id, slow(name) AS name FROM users",
    )
    command = ["{python}", "-m", "tests.services.lookup_worker", str(tmp_path), database, str(rows)]
    paths = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    killer = Killer(command, tmp_path, seed=5, environment={"PYTHONPATH": paths})
    # The first start of a process may take seconds: killing begins when there is something to lose.
    child = killer.start()
    for _ in range(6_000):
        if any((tmp_path / "out").glob("part-*.json")):
            break
        killer.pause(10_000)
    kills = 0
    for number in range(3):
        if number != 1:
            postgres.kill()
        killer.pause(150_000)
        kills += child.wait(0) is None
        child.kill()
        child.wait()
        postgres.resume()
        postgres.start()
        if number < 2:
            child = killer.start()
            killer.pause(1_500_000)
    killer.finish()
    assert kills >= 2
    parts = sorted((tmp_path / "out").glob("part-*.json"))
    found = [json.loads(line) for path in parts for line in path.read_text().splitlines()]
    wanted = expected(rows)
    assert len(found) == len(wanted)
    assert found == wanted  # in order, too


def expected(rows):
    """What a source gives that is asked row by row."""
    from penstock.connectors.generate import GenerateSource

    numbers = ps.read(GenerateSource(lookup_worker.FIELDS, rows=rows, seed=3)).collect()
    return [
        {"n": n, "k": k, "name": None if k % 2 else f"user {k}"} for n, k in numbers.sort("n").select("n", "k").rows()
    ]
