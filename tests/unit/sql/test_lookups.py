"""Lookup joins in SQL: Flink's options and hints become those of the operator; what is not offered is refused."""

from __future__ import annotations

import json

import pytest

import penstock as ps
from penstock.core.errors import PlanError, UnsupportedError

ORDERS = """
CREATE TABLE orders (id BIGINT, user_id INT, at AS PROCTIME())
WITH ('connector' = 'filesystem', 'path' = '{folder}/orders.json', 'format' = 'json');
CREATE TABLE printed (id BIGINT, name STRING) WITH ('connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'json');
"""
USERS = """
CREATE TABLE users (id BIGINT, name STRING, good BOOLEAN, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'jdbc', 'url' = 'jdbc:postgresql://localhost:5432/db', 'table-name' = 'app.users'{options});
"""
FILE = """
CREATE TABLE users (id BIGINT, name STRING, good BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '{folder}/users.json', 'format' = 'json');
"""
JOIN = "INSERT INTO printed SELECT {hint} o.id, u.name FROM orders AS o {join};"
INNER = "JOIN users FOR SYSTEM_TIME AS OF o.at AS u ON o.user_id = u.id"


def loaded(folder, users, join=INNER, hint=""):
    path = folder / "job.sql"
    path.write_text((ORDERS + users + JOIN.format(hint=hint, join=join)).replace("{folder}", str(folder)))
    return ps.load(path)


def lookup(pipeline):
    return next(node for node in pipeline.nodes() if node.verb == "lookup")


def jdbc(**options):
    text = "".join(f", 'lookup.{name}' = '{value}'" for name, value in options.items())
    return USERS.replace("{options}", text)


def test_a_jdbc_table_is_asked_by_key(tmp_path):
    node = lookup(loaded(tmp_path, jdbc()))
    assert (node.source.table, node.source.namespace, node.right_on) == ("users", "app", ("id",))
    assert (node.options.cache, node.options.ordered, node.options.attempts) == ("none", True, 4)


def test_options_have_the_names_of_flink(tmp_path):
    given = {
        "cache": "PARTIAL", "partial-cache.max-rows": "100", "partial-cache.expire-after-write": "10 s",
        "partial-cache.expire-after-access": "1min", "partial-cache.cache-missing-key": "false", "max-retries": "5",
    }  # fmt: skip
    found = lookup(loaded(tmp_path, jdbc(**given))).options
    assert (found.cache, found.cache_rows, found.ttl_us, found.idle_us) == ("partial", 100, 10_000_000, 60_000_000)
    assert (found.cache_misses, found.attempts) == (False, 6)
    old = lookup(loaded(tmp_path, jdbc(**{"cache.max-rows": "7", "cache.ttl": "1 s"}))).options
    assert (old.cache, old.cache_rows, old.ttl_us) == ("partial", 7, 1_000_000)


def test_a_hint_says_how_this_query_asks(tmp_path):
    hint = (
        "/*+ LOOKUP('table'='u', 'async'='true', 'output-mode'='allow_unordered', 'capacity'='50', 'timeout'='9 s', "
        "'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', 'fixed-delay'='2s', 'max-attempts'='3') */"
    )
    found = lookup(loaded(tmp_path, jdbc(), hint=hint)).options
    assert (found.ordered, found.capacity, found.timeout_us) == (False, 50, 9_000_000)
    assert (found.misses, found.miss_delay_us) == (3, 2_000_000)
    other = lookup(loaded(tmp_path, jdbc(), hint=hint.replace("'u'", "'x'"))).options
    assert (other.ordered, other.misses) == (True, 0)


@pytest.mark.parametrize("kind", ["JOIN", "LEFT JOIN"])
def test_a_file_is_loaded_whole(tmp_path, kind):
    (tmp_path / "orders.json").write_text("".join(json.dumps({"id": i, "user_id": i % 4}) + "\n" for i in range(8)))
    users = [(1, "ann", True), (2, "bob", False), (2, "bo", True)]
    (tmp_path / "users.json").write_text(
        "".join(json.dumps({"id": i, "name": n, "good": g}) + "\n" for i, n, g in users)
    )
    condition = " AND u.good" if kind == "JOIN" else ""
    pipeline = loaded(tmp_path, FILE, INNER.replace("JOIN", kind, 1) + condition)
    ps.run(pipeline, state=tmp_path / "state")
    lines = [line for path in sorted((tmp_path / "out").glob("part-*")) for line in path.read_text().splitlines()]
    found = [tuple(json.loads(line).values()) for line in lines]
    if kind == "JOIN":
        assert found == [(1, "ann"), (2, "bo"), (5, "ann"), (6, "bo")]
    else:
        assert found[:5] == [(0, None), (1, "ann"), (2, "bob"), (2, "bo"), (3, None)]
        assert len(found) == 10


@pytest.mark.parametrize(
    ("users", "join", "hint", "kind", "message"),
    [
        (jdbc(), "JOIN users AS u ON o.user_id = u.id", "", UnsupportedError, 'reading all of "users"'),
        (jdbc(cache="SOME"), INNER, "", PlanError, 'no lookup.cache "SOME"'),
        (jdbc(**{"max-retries": "x"}), INNER, "", PlanError, "whole number"),
        (jdbc(**{"async": "true"}), INNER, "", UnsupportedError, "lookup.async"),
        (jdbc(), INNER.replace("JOIN", "LEFT JOIN") + " AND u.good", "", UnsupportedError, "compares keys only"),
        (jdbc(), INNER.replace("u.id", "u.id + 1"), "", UnsupportedError, "compares columns of the table"),
        (jdbc(), INNER, "/*+ LOOKUP('table'='u', 'mode'='x') */", PlanError, 'no option of LOOKUP "mode"'),
        (jdbc(), "FULL " + INNER, "", UnsupportedError, "an inner or a left join"),
    ],
)
def test_what_is_not_offered_is_refused(tmp_path, users, join, hint, kind, message):
    with pytest.raises(kind, match=message):
        loaded(tmp_path, users, join, hint)
