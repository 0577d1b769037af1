"""What readers find in a table is what was written: every type, every name; and which tables are taken."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import json
import math
import struct

import numpy as np
import polars as pl
import psycopg
import pytest
from psycopg import sql

from penstock.connectors.base import WriteRequest, seal
from penstock.connectors.postgres import PostgresSink
from penstock.core import dtypes as d
from penstock.core.errors import SinkError, StartError
from penstock.core.schema import Field, Schema
from tests.services.postgres_tools import Database
from tests.unit.connectors.samples import EVERY_TYPE, schema_of

pytestmark = [pytest.mark.service, pytest.mark.slow]


@pytest.fixture
def server(postgres, database):
    return Database(postgres, database)


@pytest.fixture
def sink(server):
    number = itertools.count()

    def make(table=None, **options):
        return PostgresSink(table or f"t{next(number)}", url=server.url, mode="append", **options)

    return make


def write(sink, frame, key=(), schema=None, diff=None, epoch=1):
    schema = schema or schema_of(frame)
    writer = sink.writer(WriteRequest(schema, key, diff is not None, "types", output=sink.table, fresh=epoch == 1))
    try:
        writer.write(frame, diff)
        writer.commit([seal("types", epoch, writer.prepare(epoch)())])
    finally:
        writer.close()


def read(server, sink, order="1"):
    with psycopg.connect(server.url, cursor_factory=psycopg.ClientCursor) as link:
        link.execute("SET TimeZone TO 'UTC'")
        query = sql.SQL("SELECT * FROM {} ORDER BY {}").format(sql.Identifier(sink.table), sql.SQL(order))
        with link.cursor(binary=False, row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(query).fetchall()


def test_every_type(server, sink):
    here = sink()
    write(here, EVERY_TYPE.with_row_index("row").cast({"row": pl.Int64}))
    found = read(server, here, '"row"')
    zone = found[0]["zoned"].tzinfo
    assert zone.utcoffset(None) == dt.timedelta()
    assert str(found[0]) == str(
        {
            "row": 0, "int": 1, "small": 127, "unsigned": decimal.Decimal(2**64 - 1), "float": 1.5,
            "infinite": math.inf, "single": 3.4e38, "text": 'a"\n\\,;é😀\x01', "bool": True,
            "date": dt.date(2020, 1, 2), "time": dt.time(1, 2, 3, 4),
            "instant": dt.datetime(2020, 1, 1, 1, 2, 3, 4, tzinfo=zone),
            "zoned": dt.datetime(2020, 1, 1, 6, 2, 3, tzinfo=zone), "wall": dt.datetime(2020, 1, 1, 1, 2, 3),
            "duration": dt.timedelta(days=-1, seconds=3.5), "decimal": decimal.Decimal("1.10"), "binary": b"ab\xff",
            "list": [1, None], "struct": {"a": 1, "b": [{"c": "x"}]}, "map": {"a": 1, "b": None},
        }
    )  # fmt: skip
    for row, wanted in zip(found, EVERY_TYPE.rows(named=True), strict=True):
        assert {name for name, value in row.items() if value is None} == {n for n, v in wanted.items() if v is None}
    assert math.isnan(found[1]["float"])
    assert (found[1]["infinite"], str(found[2]["infinite"])) == (-math.inf, "-0.0")
    assert (found[2]["text"], found[2]["binary"], found[2]["list"], found[2]["map"]) == ("", b"", [], {})
    assert (found[2]["date"], found[2]["wall"]) == (dt.date(1, 1, 1), dt.datetime(9999, 1, 1))
    assert struct.pack("f", found[2]["single"]) == struct.pack("f", 1e-45)
    query = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass"
    types = dict(server.rows(query, [here.table]))
    assert types["unsigned"] == "numeric(20,0)"
    assert types["decimal"] == "numeric(10,2)"
    assert types["zoned"] == "timestamp with time zone"
    assert types["wall"] == "timestamp without time zone"


def test_floats_of_any_bits_are_exact(server, sink):
    words = np.random.default_rng(7).integers(0, 2**64, 20_000, dtype=np.uint64)
    frame = pl.DataFrame(
        {
            "row": range(20_000),
            "double": words.view(np.float64),
            "single": words.astype(np.uint32).view(np.float32),
        }
    ).with_columns(pl.col("double", "single").fill_nan(None))
    here = sink()
    write(here, frame)
    with psycopg.connect(server.url) as link:
        found = link.cursor(binary=True).execute(f'SELECT "double", single FROM {here.table} ORDER BY 1 NULLS FIRST')
        rows = found.fetchall()
    wanted = frame.select("double", "single").sort("double", nulls_last=False).rows()
    as_bits = [[v if v is None else struct.pack("d", v) for v in row] for row in sorted(rows, key=str)]
    assert as_bits == [[v if v is None else struct.pack("d", v) for v in row] for row in sorted(wanted, key=str)]


def test_texts_that_copy_could_misread(server, sink):
    texts = [
        "",
        "\\N",
        "\\.",
        "\\",
        "a\\nb",
        "\n\\.\n",
        "\t",
        "\r",
        "\r\n",
        "\x08\x0b\x0c",
        '"',
        "'",
        "NULL",
        "é😀",
        "\\x41",
    ]
    here = sink()
    write(here, pl.DataFrame({"text": texts}))
    assert sorted(row["text"] for row in read(server, here)) == sorted(texts)


def test_times_that_python_has_no_values_for(server, sink):
    frame = pl.DataFrame(
        {
            "row": [1, 2, 3],
            "day": pl.Series([-2_440_588, 95_026_236, -719_163], dtype=pl.Int32).cast(pl.Date),
            "at": pl.Series([-210_866_803_200_000_000, 2**62, 0], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "long": pl.Series([2**63 - 1, -(2**63) + 1, -1], dtype=pl.Int64).cast(pl.Duration("us")),
        }
    )
    here = sink()
    write(here, frame)
    query = (
        "SELECT day - DATE '1970-01-01', (extract(epoch FROM at) * 1000000)::bigint::text,"
        f" (extract(epoch FROM long) * 1000000)::numeric(30,0)::text FROM {here.table} ORDER BY row"
    )
    wanted = [(row["day"], str(row["at"]), str(row["long"])) for row in frame.select(pl.all().to_physical()).to_dicts()]
    assert server.rows(query) == wanted


def test_names_of_any_kind(server):
    table, schema, token = 'Tä"ble; DROP TABLE x; --', 'my "schema"%s', "to%s ken's"
    server.run(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    columns = ['k"ey', "se;lect", "%s", "%(x)s", "select", "{}", " ", "ünï😀"]
    frame = pl.DataFrame({name: [1, 2] for name in columns})
    there = PostgresSink(table, url=server.url, schema=schema, token_table=token)
    write(there, frame, key=("%s", 'k"ey'), diff=np.array([1, 1], np.int8))
    write(there, frame, key=("%s", 'k"ey'), diff=np.array([1, -1], np.int8), epoch=2)
    query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
    assert server.rows(query) == [(1,) * len(columns)]
    assert server.rows(
        sql.SQL("SELECT pipeline, output, epoch, target FROM {}").format(sql.Identifier(schema, token))
    ) == [("types", table, 2, f"{schema}.{table}")]


# -- tables that are there -----------------------------------------------------

SCHEMA = Schema((Field("id", d.Int64, nullable=False), Field("word", d.String), Field("at", d.Datetime("us", "UTC"))))


def writer_of(sink, key=(), schema=SCHEMA, **more):
    return sink.writer(WriteRequest(schema, key, bool(key), "tables", output=sink.table, **more))


@pytest.mark.parametrize(
    ("statement", "key", "words"),
    [
        ("CREATE TABLE x (id bigint, word text)", (), 'no column "at"'),
        ("CREATE TABLE x (id integer, word text, at date)", (), '"id" is integer, not bigint; .*"at" is date'),
        ("CREATE TABLE x (id bigint, word text, at timestamptz, more int NOT NULL)", (), '"more" takes no null'),
        ("CREATE TABLE x (id bigint GENERATED ALWAYS AS (1) STORED, word text, at timestamptz)", (), "generated"),
        ("CREATE TABLE x (id bigint, word text, at timestamptz)", ("id",), "no unique index has exactly .*id"),
        ("CREATE TABLE x (id bigint, word text, at timestamptz, UNIQUE (id, word))", ("id",), "no unique index"),
        ("CREATE TABLE x (id bigint UNIQUE DEFERRABLE, word text, at timestamptz)", ("id",), "no unique index"),
        ("CREATE UNLOGGED TABLE x (id bigint, word text, at timestamptz)", (), "unlogged"),
        ("CREATE VIEW x AS SELECT 1::bigint AS id, ''::text AS word, now() AS at", (), "no table"),
    ],
)
def test_a_table_that_does_not_take_the_rows_is_refused_at_the_start(server, sink, statement, key, words):
    server.run("CREATE SCHEMA old; SET search_path TO old; " + statement)
    with pytest.raises(StartError, match=words):
        writer_of(sink("x", schema="old"), key)


def test_partial_and_expression_indexes_are_no_keys(server, sink):
    server.run(
        "CREATE SCHEMA old; SET search_path TO old;"
        "CREATE TABLE x (id bigint, word text, at timestamptz);"
        "CREATE UNIQUE INDEX ON x (id) WHERE id > 0; CREATE UNIQUE INDEX ON x (abs(id))"
    )
    with pytest.raises(StartError, match="no unique index"):
        writer_of(sink("x", schema="old"), ("id",))


def test_a_table_that_holds_more_is_taken(server, sink):
    server.run(
        "CREATE SCHEMA old; SET search_path TO old;"
        "CREATE DOMAIN short AS text CHECK (length(value) < 5);"
        "CREATE TABLE x (serial bigserial PRIMARY KEY, word short, id numeric(20) NOT NULL, at timestamptz,"
        " seen timestamptz DEFAULT now(), twice numeric GENERATED ALWAYS AS (id * 2) STORED);"
        "CREATE UNIQUE INDEX ON x (id) INCLUDE (word)"
    )
    here = sink("x", schema="old")
    frame = pl.DataFrame({"id": [1, 2], "word": ["a", None], "at": [None, None]}, schema=SCHEMA.to_polars())
    write(here, frame, ("id",), SCHEMA, np.array([1, 1], np.int8))
    assert server.rows("SELECT serial, word, id, twice FROM old.x ORDER BY id") == [(1, "a", 1, 2), (2, None, 2, 4)]
    with pytest.raises(SinkError, match='"id" is null in 1 row'):
        write(here, frame.with_columns(id=pl.Series([None, 1], dtype=pl.Int64)), (), SCHEMA)
    long = frame.with_columns(word=pl.lit("too long"))
    with pytest.raises(SinkError, match=r'short.*constraint "short_check"') as refused:
        write(here, long, ("id",), SCHEMA, np.array([1, 1], np.int8), epoch=1)
    assert "change the table" in refused.value.hint


def test_rows_that_break_a_constraint_are_told_and_nothing_is_visible(server, sink):
    server.run(
        "DROP TABLE IF EXISTS strict; CREATE TABLE strict (id bigint CHECK (id > 0), word text UNIQUE, at timestamptz)"
    )
    for rows, words in (
        ({"id": [1, -1], "word": ["a", "b"]}, "strict_id_check"),
        ({"id": [1, 2], "word": ["a", "a"]}, "strict_word_key"),
    ):
        frame = pl.DataFrame({**rows, "at": [None, None]}, schema=SCHEMA.to_polars())
        with pytest.raises(SinkError, match=f'cannot publish epoch 1 to public.strict: .*constraint "{words}"'):
            write(sink("strict"), frame, (), SCHEMA)
    assert server.rows("SELECT * FROM strict") == []
    assert server.rows("SELECT epoch FROM penstock_tokens WHERE output = 'strict'") == [(None,)]


def test_values_of_masked_columns_are_not_quoted(server, sink):
    server.run("CREATE TABLE masked (id uuid)")
    schema = Schema((Field("id", d.String, mask="redact"),))
    with pytest.raises(SinkError) as refused:
        write(sink("masked"), pl.DataFrame({"id": ["canary"]}), (), schema)
    assert "canary" not in str(refused.value)


def test_rights_that_are_missing_are_named(server, sink):
    server.run(
        "CREATE TABLE guarded (id bigint PRIMARY KEY, word text, at timestamptz);"
        "DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "GRANT SELECT ON guarded TO guest"
    )
    guest = PostgresSink("guarded", url=server.url.replace("postgres@", "guest@"))
    with pytest.raises(StartError, match=r"may not INSERT, UPDATE, DELETE on public\.guarded"):
        writer_of(guest, ("id",))


def test_a_user_who_may_write_only_needs_no_more(server, sink):
    writer_of(sink("ready"), ("id",)).close()
    server.run(
        "DO $$ BEGIN CREATE ROLE writer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ready, penstock_tokens TO writer"
    )
    limited = PostgresSink("ready", url=server.url.replace("postgres@", "writer@"), mode="append")
    frame = pl.DataFrame({"id": [1], "word": ["a"], "at": [None]}, schema=SCHEMA.to_polars())
    write(limited, frame, ("id",), SCHEMA, np.array([1], np.int8))
    assert server.rows("SELECT id FROM ready") == [(1,)]


def test_tables_are_made_only_if_they_may_be(server, sink):
    with pytest.raises(StartError, match=r"no table public\.nowhere") as refused:
        writer_of(sink("nowhere", create="never"))
    assert "if_missing" in refused.value.hint
    with pytest.raises(StartError, match="schema"):
        writer_of(sink("nowhere", schema="no such"))
    server.run("CREATE TABLE mine (id bigint NOT NULL, word text, at timestamptz)")
    with pytest.raises(StartError, match=r"no table public\.marks for the tokens") as refused:
        writer_of(sink("mine", create="never", token_table="marks"))
    server.run(refused.value.hint)
    writer_of(sink("mine", create="never", token_table="marks")).close()
    with pytest.raises(StartError, match=r"public\.mine is no table of tokens: it has no pipeline"):
        writer_of(sink("mine", token_table="mine"))


def test_documents_that_postgresql_refuses_are_told(server, sink):
    schema = Schema.of({"doc": d.Json})
    with pytest.raises(SinkError) as refused:
        write(sink(), pl.DataFrame({"doc": [json.dumps("\0")]}), (), schema)
    assert "U+0000" in refused.value.hint
