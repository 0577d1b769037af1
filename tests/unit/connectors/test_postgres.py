"""The options of the sink: what is refused, what is shown, what a plan keeps."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.connectors import sink_class
from penstock.connectors._postgres_publish import _delete, _upsert
from penstock.connectors._postgres_table import Target, check_columns, names
from penstock.connectors.postgres import PostgresSink
from penstock.core import dtypes as d
from penstock.core.errors import PlanError, StartError
from penstock.core.schema import Schema
from penstock.core.spec import Secret, configure
from tests.unit.connectors.samples import write_request

CANARY = "Zq8-canary"
URL = f"postgresql://me:{CANARY}@localhost:5433/shop?application_name=x&password={CANARY}"


def test_it_is_found_by_name():
    assert sink_class("postgres") is PostgresSink
    assert PostgresSink("totals", url=URL).default_name() == "totals"


def test_a_password_is_never_shown():
    sink = PostgresSink("totals", url=URL)
    for text in (repr(sink), str(sink), json.dumps(sink.plan_value())):
        assert CANARY not in text
        assert "localhost:5433/shop" in text
    other = PostgresSink("totals", url=f"host=localhost password={CANARY}")
    assert CANARY not in repr(other) + json.dumps(other.plan_value())


def test_a_plan_keeps_a_reference():
    sink = PostgresSink("totals", url=Secret("DATABASE_URL"), key=("a", "b"), mode="append")
    stored = json.loads(json.dumps(sink.plan_value()))["options"]
    assert stored == {"table": "totals", "url": "secret:DATABASE_URL", "key": ["a", "b"], "mode": "append"}
    again = configure(PostgresSink, stored)
    assert again.url == sink.url
    assert again.plan_value() == sink.plan_value()
    assert "secret:DATABASE_URL" in repr(sink)


def test_files_name_secrets_and_never_hold_them():
    with pytest.raises(PlanError, match="takes a reference only") as refused:
        configure(PostgresSink, {"table": "totals", "url": URL})
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"table": ""}, "is a name"),
        ({"table": "a\0b"}, "is a name"),
        ({"table": "ü" * 32}, "63 bytes"),
        ({"table": "sales.totals"}, "with its schema"),
        ({"schema": "s" * 64}, "63 bytes"),
        ({"token_table": ""}, "is a name"),
        ({"create": "always"}, "create"),
        ({"mode": "overwrite"}, "mode"),
        ({"timeout": "10 ms"}, "at least a second"),
        ({"batch_bytes": 0}, "at least 1"),
        ({"url": 5}, "the url is a text"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(PlanError, match=words):
        PostgresSink(**{"table": "totals", "url": URL, **options})


def test_a_key_that_is_not_the_tables_is_refused():
    schema = Schema.of({"a": d.Int64, "b": d.Int64})
    sink = PostgresSink("totals", url=URL, key="b")
    with pytest.raises(StartError, match="key a would collide by b"):
        sink.writer(write_request(schema, ("a",), True))


@pytest.mark.parametrize(
    ("columns", "key", "words"),
    [
        ({}, (), "without columns"),
        ({"c" * 64: d.Int64}, (), "63 bytes"),
        ({"a\0": d.Int64}, (), "is a name"),
        ({"a": d.Int64}, ("b",), 'no column "b"'),
        ({"a": d.Json}, ("a",), "stored as a document"),
        ({"a": d.List(d.Int64)}, ("a",), "stored as a document"),
    ],
)
def test_columns_that_no_table_can_have_are_refused(columns, key, words):
    with pytest.raises(StartError, match=words):
        check_columns(Schema.of(columns), key)


# -- names in statements -------------------------------------------------------


def test_statements_quote_every_name():
    target = Target('s"; --', "tä ble")
    columns, key = ('a"b', "c%s", "SELECT"), ('a"b',)
    assert _upsert(target, columns, key).as_string(None) == (
        'INSERT INTO "s""; --"."tä ble" ("a""b", "c%s", "SELECT") SELECT "a""b", "c%s", "SELECT"'
        ' FROM "pg_temp"."penstock_rows" ON CONFLICT ("a""b")'
        ' DO UPDATE SET "c%s" = "excluded"."c%s", "SELECT" = "excluded"."SELECT"'
    )
    assert _upsert(target, key, key).as_string(None).endswith('ON CONFLICT ("a""b") DO NOTHING')
    assert _delete(target, ("k", 'a"b')).as_string(None) == (
        'DELETE FROM "s""; --"."tä ble" AS t USING "pg_temp"."penstock_keys" AS k'
        ' WHERE t."k" = k."k" AND t."a""b" = k."a""b"'
    )


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_name_ends_where_it_should(name):
    quoted = names((name,)).as_string(None)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "") == name.replace('"', "")
    assert quoted[1:-1].replace('""', '"') == name
