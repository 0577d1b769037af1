"""Who is asked: SQLite, HTTP, functions, files; by threads, in whole runs."""

from __future__ import annotations

import http.server
import json
import sqlite3
import threading
from urllib.parse import urlsplit

import polars as pl
import pytest

import penstock as ps
from penstock.connectors.files import FileSource
from penstock.connectors.http import HttpSource
from penstock.connectors.lookups import LookupRequest
from penstock.connectors.memory import MemorySink
from penstock.connectors.sqlite import SqliteSource
from penstock.core.errors import PlanError, SourceError, SourceLost
from penstock.core.schema import Schema
from penstock.engine.job import Job
from penstock.engine.options import JobOptions

USERS = Schema.of({"id": ps.Int64, "name": ps.String})
SECOND = 1_000_000


def opened(source, *keys, schema=None):
    return source.lookup(LookupRequest(keys, schema or source.schema(), SECOND))


def ran(stream, **options):
    sink = MemorySink()
    ps.run(ps.Pipeline("p", stream.write(sink)), **options)
    return sink.frame()


def orders(count=500):
    return ps.read([{"n": i, "user": i % 7} for i in range(count)])


# -- SQLite ------------------------------------------------------------------------


@pytest.fixture
def users(tmp_path):
    link = sqlite3.connect(tmp_path / "users.db")
    link.execute(
        'CREATE TABLE "us""ers" (id INTEGER PRIMARY KEY, name VARCHAR(9), good BOOLEAN, share DOUBLE, raw BLOB)'
    )
    rows = [(1, "ann", True, 0.5, b"\0"), (2, "bob", False, 2, None), (3, None, None, None, None)]
    link.executemany('INSERT INTO "us""ers" VALUES (?, ?, ?, ?, ?)', rows)
    link.commit()
    link.close()
    return SqliteSource('us"ers', path=str(tmp_path / "users.db"))


def test_sqlite_gives_rows_of_keys_with_their_types(users):
    assert [str(field.dtype) for field in users.schema()] == ["Int64", "String", "Boolean", "Float64", "Binary"]
    found = opened(users, "id").ask(pl.DataFrame({"id": [2, 1, 9]})).sort("id")
    assert found.rows() == [(1, "ann", True, 0.5, b"\0"), (2, "bob", False, 2.0, None)]
    both = opened(users, "id", "name").ask(pl.DataFrame({"id": [1, 2], "name": ["ann", "x"]}))
    assert both["id"].to_list() == [1]
    assert opened(users, "id").load().height == 3


def test_sqlite_says_what_is_not_there(users, tmp_path):
    with pytest.raises(PlanError, match='has no table "nothing"'):
        SqliteSource("nothing", path=users.path).schema()
    with pytest.raises(PlanError, match="unable to open"):
        SqliteSource("users", path=str(tmp_path / "no.db")).schema()
    with pytest.raises(SourceLost):
        opened(SqliteSource("users", path=str(tmp_path / "no.db")), "id", schema=USERS)
    with pytest.raises(SourceError, match="no such table"):
        opened(SqliteSource("other", path=users.path), "id", schema=USERS).ask(pl.DataFrame({"id": [1]}))
    with pytest.raises(SourceError, match="holds no Date"):
        opened(users, "id", schema=Schema.of({"id": ps.Int64, "day": ps.Date}))


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("cache", [None, "1 min", "full"])
def test_a_run_asks_sqlite_in_threads(users, ordered, cache):
    found = orders().lookup(
        users, left_on="user", right_on="id", how="left", batch=3, capacity=20, ordered=ordered, cache=cache
    )
    frame = ran(found.select("n", "user", "name"))
    assert frame.height == 500
    assert not ordered or frame["n"].is_sorted()
    assert set(frame.select("user", "name").unique().rows()) == {
        (1, "ann"), (2, "bob"), *((n, None) for n in (0, 3, 4, 5, 6))
    }  # fmt: skip


# -- functions and files -------------------------------------------------------------


def squares(number):
    return [{"name": str(number * number)}, {"name": "-"}] if number % 2 else None


def test_a_function_gives_several_rows_or_none(tmp_path):
    found = orders(20).lookup(squares, left_on="user", right_on="id", schema={"name": ps.String}, parallelism=3)
    frame = ran(found, state=tmp_path / "state")
    assert frame.rows() == [(n, n % 7, text) for n in range(20) if n % 7 % 2 for text in (str((n % 7) ** 2), "-")]


def broken(number):
    raise ValueError(f"no {number}")


def test_a_function_that_fails_sends_its_rows_to_the_errors():
    found = orders(3).lookup(
        broken, left_on="n", right_on="id", schema={"name": ps.String}, retry=0, on_failure="dead_letter", breaker=False
    )
    kept = MemorySink()
    ps.run(ps.Pipeline("p", found.write(MemorySink(name="good")), found.errors().write(kept)))
    assert sorted(why["reason"] for why in kept.frame()["_why"]) == [
        f"broken does not answer: broken failed: ValueError: no {n}" for n in range(3)
    ]


def test_a_function_that_fails_fails_the_run_unless_told_otherwise():
    found = orders(3).lookup(broken, left_on="n", right_on="id", schema={"name": ps.String}, retry=0)
    with pytest.raises(SourceLost, match="broken failed: ValueError: no"):
        Job(ps.Pipeline("p", found.write(MemorySink())), JobOptions()).run()


def test_a_file_is_loaded_whole(tmp_path):
    (tmp_path / "users.csv").write_text("id,name\n1,ann\n2,bob\n")
    found = orders(8).lookup(FileSource(str(tmp_path / "users.csv")), left_on="user", right_on="id", cache="10 min")
    assert ran(found).rows() == [(1, 1, "ann"), (2, 2, "bob")]


def test_steps_that_asked_outside_are_not_run_again(tmp_path):
    from penstock.checkpoint.ledger import Ledger
    from penstock.checkpoint.store import open_store
    from penstock.core.errors import StateError
    from penstock.engine.replay import Replay

    found = orders(8).lookup(squares, left_on="user", right_on="id", schema={"name": ps.String})
    pipeline = ps.Pipeline("p", found.write(MemorySink()))
    ps.run(pipeline, state=tmp_path / "state")
    with pytest.raises(StateError, match="asks an outside source"):
        Replay(pipeline, Ledger(open_store(tmp_path / "state"), "p"))


# -- HTTP --------------------------------------------------------------------------


class Service(http.server.BaseHTTPRequestHandler):
    """Users by number, and lists of them."""

    seen: list[str]
    failures: int = 0

    def do_GET(self):
        self.server.seen.append(f"{self.path} {self.headers.get('Authorization')}")
        key = urlsplit(self.path).path.rpartition("/")[2]
        if self.server.failures:
            self.server.failures -= 1
            self._answer(503, None)
        elif key == "all":
            self._answer(200, [{"id": 1, "name": "ann"}])
        elif key == "broken":
            self._answer(400, None)
        elif key in ("1", "2"):
            self._answer(200, {"name": f"user {key}", "more": 1})
        else:
            self._answer(404, None)

    def do_POST(self):
        keys = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200, [{"id": k["id"], "name": f"user {k['id']}"} for k in keys if k["id"] < 3])

    def _answer(self, code, value):
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def service():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.seen, server.failures = [], 0
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_service_is_asked_key_by_key(service, monkeypatch):
    monkeypatch.setenv("TOKEN", "t-1")
    source = HttpSource(service.url + "/users/{id}", token=ps.secret("TOKEN"))
    assert source.most_keys == 1
    found = opened(source, "id", schema=USERS).ask(pl.DataFrame({"id": [1, 5]}))
    assert found.rows() == [(1, "user 1")]
    assert service.seen == ["/users/1 Bearer t-1", "/users/5 Bearer t-1"]
    escaped = HttpSource(service.url + "/users/{name}")
    opened(escaped, "name", schema=USERS).ask(pl.DataFrame({"name": ["a/b?c"]}))
    assert service.seen[-1].startswith("/users/a%2Fb%3Fc")


def test_or_by_lists_of_keys(service):
    source = HttpSource(service.url + "/all")
    lookup = opened(source, "id", schema=USERS)
    assert lookup.ask(pl.DataFrame({"id": [2, 7]})).rows() == [(2, "user 2")]
    assert lookup.load().rows() == [(1, "ann")]


def test_a_service_that_fails_is_asked_again_and_one_that_refuses_is_not(service):
    service.failures = 1
    lookup = opened(HttpSource(service.url + "/users/{id}"), "id", schema=USERS)
    with pytest.raises(SourceLost, match="says 503"):
        lookup.ask(pl.DataFrame({"id": [1]}))
    with pytest.raises(SourceError, match="says 400"):
        opened(HttpSource(service.url + "/{id}"), "id", schema=USERS).ask(pl.DataFrame({"id": ["broken"]}))
    service.failures = 3
    found = ps.read([{"id": 1}, {"id": 9}]).lookup(
        HttpSource(service.url + "/users/{id}"), on="id", schema={"id": ps.Int64, "name": ps.String}, how="left",
        retry={"attempts": 9, "delay": "1 ms"}, breaker=False,
    )  # fmt: skip
    assert ran(found).rows() == [(1, "user 1"), (9, None)]


def test_an_address_must_make_sense():
    with pytest.raises(PlanError, match="begins with http"):
        HttpSource("file:///etc/passwd")
    with pytest.raises(PlanError, match="cannot say which columns"):
        HttpSource("http://localhost/{id}").schema()
    with pytest.raises(SourceError, match='names "x"'):
        opened(HttpSource("http://localhost/{x}"), "id", schema=USERS)
