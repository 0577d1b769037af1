"""The PostgreSQL server that tests get: committed rows outlive a crash, and slots work."""

from __future__ import annotations

import psycopg
import pytest

from tests.services.postgres import Postgres
from tests.services.proxy import Proxy
from tests.services.test_process import until

pytestmark = pytest.mark.slow


def test_committed_rows_outlive_a_crash(postgres: Postgres, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("create table t (a int)")
        connection.execute("insert into t select generate_series(1, 1000)")
    postgres.kill()
    postgres.restart()
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*), sum(a) from t").fetchone() == (1000, 500_500)


def test_a_stalled_server_answers_when_it_goes_on(postgres: Postgres, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        postgres.pause()
        connection.pgconn.send_query(b"select 1")
        assert connection.pgconn.is_busy()
        postgres.resume()
        assert connection.pgconn.get_result().get_value(0, 0) == b"1"
        assert connection.pgconn.get_result() is None


@pytest.mark.parametrize("round", [1, 2])
def test_a_database_is_empty_and_goes_with_its_slots(database: str, round: int) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        assert connection.execute("select count(*) from pg_replication_slots").fetchone() == (0,)
        connection.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
        connection.execute("create table t (a int)")


def test_behind_the_proxy_a_commit_is_done_whose_reply_is_lost(postgres: Postgres, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table t (a int)")
    with Proxy(postgres.port) as proxy:
        lost = psycopg.connect(database.replace(f":{postgres.port}", f":{proxy.port}"))
        lost.execute("insert into t values (1)")
        proxy.drop_replies(when=b"COMMIT")
        lost.pgconn.send_query(b"COMMIT")
        with psycopg.connect(database, autocommit=True) as connection:
            count = "select count(*) from t"
            assert until(lambda: connection.execute(count).fetchone() == (1,))
        proxy.reset()
        with pytest.raises(psycopg.OperationalError):
            lost.execute("select 1")
        lost.close()


def test_a_test_that_asks_for_a_server_is_marked(request: pytest.FixtureRequest, postgres: Postgres) -> None:
    assert request.node.get_closest_marker("service")


def test_a_test_may_leave_the_server_dead(postgres: Postgres) -> None:
    postgres.kill()


def test_and_the_next_one_has_it_again(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("select 1")
