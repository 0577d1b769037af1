"""Exactly once, whatever is killed when: processes, sessions, the server; and whoever wakes up too late."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time

import polars as pl
import psycopg
import pytest

from penstock.connectors._postgres_tokens import Tokens
from penstock.connectors.base import WriteRequest, seal
from penstock.connectors.postgres import PostgresSink
from penstock.core import failpoint
from penstock.core.errors import InvariantError, SinkLost, StartError, StateError, SupersededError
from penstock.core.spec import Secret
from penstock.testing.conform import check_sink
from tests.conformance.test_sinks import FRAMES
from tests.house.sources import ROOT
from tests.services.postgres_tools import Database, Proxy, Secured
from tests.services.postgres_worker import SCHEMA, Engine, expected
from tests.services.process import StartFailed

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(240)]

KINDS = ["append", "keyed"]
POINTS = [
    "postgres.before_seal", "postgres.sealed", "postgres.before_take_over", "postgres.taking_over",
    "postgres.taken_over", "postgres.before_publish", "postgres.token_moved", "postgres.copied", "postgres.merged",
    "postgres.before_commit", "postgres.committed",
]  # fmt: skip
EPOCHS = 6


@pytest.fixture
def server(postgres, database):
    yield Database(postgres, database)
    failpoint.ACTIONS.clear()


@pytest.fixture
def proxy(server):
    one = Proxy(server.port)
    yield one
    one.close()


def check(server, kind, epochs):
    """The table is what the epochs add up to, and the token is that of the last one."""
    assert server.rows("SELECT epoch, id FROM totals ORDER BY 1, 2") == expected(epochs, kind)
    assert server.rows("SELECT count(*) FROM totals WHERE word <> epoch || E'\\t' || id") == [(0,)]
    assert server.rows("SELECT output, process, epoch FROM penstock_tokens") == [("output", 0, epochs)]


def worker(folder, url, kind, point="", action="kill", times=1, epochs=EPOCHS):
    command = [sys.executable, "-m", "tests.services.postgres_worker"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    arguments = [str(folder), url, str(epochs), kind, point, action, str(times)]
    return subprocess.Popen([*command, *arguments], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def ended(process):
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("key", [(), ("id",)])
def test_it_keeps_the_contract_of_sinks(server, key):
    number = itertools.count()

    def make():
        one = next(number)
        return PostgresSink(f"kit{one}", url=server.url, token_table=f"marks{one}")

    def read(sink):
        with psycopg.connect(server.url, row_factory=psycopg.rows.dict_row) as link:
            return link.execute(f"SELECT * FROM {sink.table} ORDER BY id").fetchall()

    check_sink(make, read, frames=FRAMES, key=key)


# -- killed --------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_anywhere_loses_and_doubles_nothing(server, tmp_path, point, times):
    kind = KINDS[(POINTS.index(point) + times // 2) % 2]
    if point == "postgres.merged":
        kind = "keyed"
    folder = tmp_path / "state"
    takes_over = "tak" in point
    code, errors = ended(worker(folder, server.url, kind, point, "kill", 1 if takes_over else times))
    assert code == -signal.SIGKILL, errors
    code, errors = ended(worker(folder, server.url, kind, point, "kill", 1 if takes_over else times))
    assert code in (0, -signal.SIGKILL), errors
    code, errors = ended(worker(folder, server.url, kind))
    assert code == 0, errors
    check(server, kind, EPOCHS)


def publish_all(engine, server, trouble):
    """Publish as the engine does: after a loss it asks for the token, and goes on behind it."""
    while engine.newest < EPOCHS:
        try:
            engine.step()
        except SinkLost:
            trouble()
            for attempt in itertools.count():
                try:
                    engine.recover()
                    break
                except SinkLost:
                    assert attempt < 100
                    time.sleep(0.1)
    engine.writer.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", ["postgres.before_publish", "postgres.copied", "postgres.before_commit"])
def test_a_server_killed_during_a_commit(server, tmp_path, kind, point):
    engine, rounds = Engine(tmp_path / "state", server.url, kind), itertools.count(1)

    def kill():
        if next(rounds) % 3 == 2:
            server.kill()

    failpoint.ACTIONS[point] = kill
    engine.recover()
    publish_all(engine, server, server.start)
    check(server, kind, EPOCHS)


@pytest.mark.parametrize("kind", KINDS)
def test_sessions_ended_and_servers_killed_at_any_moment(server, tmp_path, kind):
    engine, stop = Engine(tmp_path / "state", server.url, kind), threading.Event()

    def trouble():
        # Now and then long enough for some epochs to get through.
        pauses = random.Random(kind)
        while not stop.wait(pauses.choice([0.01, 0.03, 0.1, 0.5, 1.0])):
            with contextlib.suppress(psycopg.Error):
                server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'penstock'")
            if pauses.random() < 0.1 and server.running:
                server.kill()

    engine.recover()
    thread = threading.Thread(target=trouble, daemon=True)
    thread.start()
    while engine.newest < 40:
        with contextlib.suppress(SinkLost):
            engine.step()
            continue
        for attempt in itertools.count():
            with contextlib.suppress(StartFailed):
                server.start()  # by the main thread: it would end with the other one
            with contextlib.suppress(SinkLost):
                engine.recover()
                break
            assert attempt < 1_000
            time.sleep(0.02)
    stop.set()
    thread.join(30)
    server.start()
    engine.writer.last_token()
    check(server, kind, 40)
    engine.writer.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_commit_whose_answer_is_lost_has_happened_once(server, proxy, tmp_path, kind):
    engine = Engine(tmp_path / "state", server.url.replace(str(server.port), str(proxy.port)), kind)
    engine.recover()
    engine.step()
    proxy.cut_at_commit.set()
    with pytest.raises(SinkLost, match="publish epoch 2"):
        engine.step()
    assert server.rows("SELECT epoch FROM penstock_tokens") == [(2,)]
    proxy.heal()
    engine.recover()
    publish_all(engine, server, proxy.heal)
    check(server, kind, EPOCHS)


def test_a_server_that_stops_answering_is_lost_in_time(server, proxy, tmp_path):
    url = server.url.replace(str(server.port), str(proxy.port))
    sink = PostgresSink("totals", url=url, timeout="1 s", connect_timeout="2 s")
    writer = sink.writer(WriteRequest(SCHEMA, (), False, "worker"))
    writer.last_token()
    proxy.silent.set()
    sealed = seal("worker", 1, writer.prepare(1)())
    with pytest.raises(SinkLost, match="does not answer"):
        writer.commit([sealed])
    with pytest.raises(SinkLost, match="is lost"):
        writer.commit([sealed])
    with pytest.raises(SinkLost, match="timeout"):
        writer.last_token()
    with pytest.raises(StartError, match="timeout"):
        sink.writer(WriteRequest(SCHEMA, (), False, "worker"))
    writer.close()


# -- two at once ---------------------------------------------------------------


def stopped(process):
    """Wait until a process has stopped itself."""
    for _ in range(1_000):
        with open(f"/proc/{process.pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "T":
                return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    pytest.fail("the process did not stop")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", ["before_publish", "token_moved", "copied", "before_commit", "committed"])
def test_a_zombie_changes_nothing_when_it_wakes(server, tmp_path, kind, point):
    folder = tmp_path / "state"
    zombie = worker(folder, server.url, kind, f"postgres.{point}", "stop", 2)
    try:
        stopped(zombie)
        successor = Engine(folder, server.url, kind)
        assert successor.newest == 2
        successor.recover()
        successor.step()
        between = server.rows("SELECT * FROM totals ORDER BY 1, 2")
        os.kill(zombie.pid, signal.SIGCONT)
        code, errors = ended(zombie)
    finally:
        zombie.kill()
    # Either the sink told it, or (its epoch was committed) the number of the next one was taken.
    assert (code, errors.partition(":")[0]) in ((3, "SinkLost"), (3, "SupersededError"), (4, "")), errors
    assert server.rows("SELECT * FROM totals ORDER BY 1, 2") == between
    publish_all(successor, server, None)
    check(server, kind, EPOCHS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_zombie_whose_session_lives_changes_nothing_either(server, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(Tokens, "end_former", lambda self, link: None)  # as for a user who may not
    folder = tmp_path / "state"
    zombie = worker(folder, server.url, kind, "postgres.before_publish", "stop", 2)
    try:
        stopped(zombie)
        successor = Engine(folder, server.url, kind)
        successor.recover()
        successor.step()
        os.kill(zombie.pid, signal.SIGCONT)
        code, errors = ended(zombie)
    finally:
        zombie.kill()
    assert code == 3
    assert "SupersededError: another process has taken over" in errors
    publish_all(successor, server, None)
    check(server, kind, EPOCHS)


def test_a_row_that_a_sleeping_owner_holds_is_had_when_its_transaction_ends(server, monkeypatch):
    monkeypatch.setattr(Tokens, "end_former", lambda self, link: None)
    sleeping = PostgresSink("totals", url=server.url, timeout="3 s").writer(request())
    epochs = sealed_epochs(sleeping, 1, 1)
    waiting = PostgresSink("totals", url=server.url, connect_timeout="1 s").writer(request())

    def wait():
        failpoint.ACTIONS.clear()
        with pytest.raises(SinkLost, match="lock timeout"):
            waiting.last_token()
        for _ in range(20):
            with contextlib.suppress(SinkLost):
                assert waiting.last_token() is None
                return
        pytest.fail("the row was never had")

    failpoint.ACTIONS["postgres.before_commit"] = wait
    with pytest.raises(SinkLost):
        sleeping.commit(epochs)
    assert server.rows("SELECT * FROM totals") == []
    waiting.commit(epochs)
    assert server.rows("SELECT count(*) FROM totals") == [(2,)]
    waiting.close()
    sleeping.close()


def test_a_former_owner_is_told(server, tmp_path):
    first = Engine(tmp_path / "state", server.url, "append")
    first.recover()
    first.step()
    second = Engine(tmp_path / "state", server.url, "append")
    second.recover()
    first.step(publish=False)
    # Its session was ended: by itself this is a loss like any other.
    with pytest.raises(SinkLost):
        first.writer.commit([first.stored(2)])
    # And where its session could not be ended: the owner is another.
    first.recover()
    server.run("UPDATE penstock_tokens SET owner = gen_random_uuid()")
    first.step(publish=False)
    with pytest.raises(SinkLost, match="another process has taken over"):
        first.writer.commit([first.stored(3)])
    first.recover()
    server.run("UPDATE penstock_tokens SET owner = gen_random_uuid(), incarnation = 99")
    first.step(publish=False)
    with pytest.raises(SupersededError, match="another process has taken over"):
        first.writer.commit([first.stored(4)])
    assert server.rows("SELECT epoch FROM penstock_tokens") == [(3,)]
    assert server.rows("SELECT epoch, id FROM totals ORDER BY 1, 2") == expected(3, "append")
    first.writer.close()
    second.writer.close()


def test_many_that_start_at_once_leave_one_owner(server, tmp_path):
    running_ones = [worker(tmp_path / "state", server.url, "append") for _ in range(5)]
    for one in running_ones:
        ended(one)
    code, errors = ended(worker(tmp_path / "state", server.url, "append"))
    assert code == 0, errors
    check(server, "append", EPOCHS)


def test_readers_see_whole_epochs_only(server, tmp_path):
    engine, stop, torn, seen = Engine(tmp_path / "state", server.url, "append"), threading.Event(), [], set()

    def read():
        with psycopg.connect(server.url, autocommit=True) as link:
            while not stop.is_set():
                counts = link.execute("SELECT epoch, count(*) FROM totals GROUP BY epoch").fetchall()
                seen.add(len(counts))
                torn.extend(one for one in counts if one[1] != 40)

    engine.recover()
    threads = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        engine.step()
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not torn
    assert len(seen) > 3
    engine.writer.close()


# -- tokens --------------------------------------------------------------------


def request(fresh=True, **more):
    return WriteRequest(SCHEMA, (), False, "worker", fresh=fresh, **more)


def rows(epoch, count=2):
    columns = {"epoch": [epoch] * count, "id": range(count), "word": ["x"] * count}
    return pl.DataFrame(columns, schema=SCHEMA.to_polars())


def sealed_epochs(writer, first, last):
    found = []
    for epoch in range(first, last + 1):
        writer.write(rows(epoch), None)
        found.append(seal("worker", epoch, writer.prepare(epoch)(), incarnation=1))
    return found


def test_several_epochs_are_one_transaction_and_published_ones_are_skipped(server):
    writer = PostgresSink("totals", url=server.url).writer(request())
    assert writer.last_token() is None
    epochs = sealed_epochs(writer, 1, 4)
    writer.commit(epochs[:3])
    assert server.rows("SELECT count(DISTINCT xmin::text), count(*) FROM totals") == [(1, 6)]
    writer.commit(epochs[1:])
    writer.commit(epochs)
    assert server.rows("SELECT count(*) FROM totals") == [(8,)]
    assert writer.last_token() == epochs[-1].token
    assert "8 rows published to public.totals" in writer.report()
    writer.close()


def test_what_does_not_follow_is_refused(server):
    writer = PostgresSink("totals", url=server.url).writer(request())
    epochs = sealed_epochs(writer, 1, 3)
    writer.commit(epochs[:1])
    with pytest.raises(InvariantError, match="epoch 3 was to be published behind epoch 1"):
        writer.commit(epochs[2:])
    with pytest.raises(StateError, match="holds another epoch 1"):
        writer.commit([epochs[0]._replace(token=epochs[0].token._replace(digest="other"))])
    server.run("UPDATE penstock_tokens SET epoch = 7")
    with pytest.raises(StateError, match="changed by somebody who does not own it"):
        writer.commit(epochs[1:2])
    assert server.rows("SELECT count(*) FROM totals") == [(2,)]
    writer.close()


def test_empty_epochs_have_tokens(server):
    writer = PostgresSink("totals", url=server.url).writer(request())
    for epoch in range(1, 30):
        writer.commit([seal("worker", epoch, writer.prepare(epoch)())])
    assert server.rows("SELECT epoch, rows FROM penstock_tokens") == [(29, 0)]
    writer.close()


def test_a_run_that_starts_anew_does_not_double_rows(server):
    writer = PostgresSink("totals", url=server.url).writer(request())
    writer.commit(sealed_epochs(writer, 1, 2))
    writer.close()
    with pytest.raises(StartError, match=r"up to 2 of .*its rows would be there twice") as refused:
        PostgresSink("totals", url=server.url).writer(request())
    assert 'mode="append"' in refused.value.hint
    with pytest.raises(StartError, match=r"published to public\.totals up to epoch 2"):
        PostgresSink("other", url=server.url).writer(request(fresh=False))
    going_on = PostgresSink("totals", url=server.url).writer(request(fresh=False))
    assert going_on.last_token().epoch == 2
    going_on.close()
    adding = PostgresSink("totals", url=server.url, mode="append").writer(request())
    assert adding.last_token() is None
    adding.commit(sealed_epochs(adding, 1, 1))
    adding.close()
    assert server.rows("SELECT count(*) FROM totals") == [(6,)]


def test_who_begins_anew_after_a_newer_run_has_published_ends(server):
    former = PostgresSink("totals", url=server.url, mode="append").writer(request())
    former.commit(sealed_epochs(former, 1, 1))
    stale, successor = (PostgresSink("totals", url=server.url, mode="append").writer(request()) for _ in range(2))
    newer = sealed_epochs(successor, 1, 1)
    successor.commit([one._replace(token=one.token._replace(incarnation=2)) for one in newer])
    with pytest.raises(SupersededError, match="another process has taken over"):
        stale.last_token()
    assert server.rows("SELECT incarnation, epoch FROM penstock_tokens") == [(2, 1)]
    for writer in (former, stale, successor):
        writer.close()


def test_outputs_and_pipelines_have_tokens_of_their_own(server):
    first = PostgresSink("totals", url=server.url).writer(request())
    second = PostgresSink("totals", url=server.url).writer(request(output="second"))
    first.commit(sealed_epochs(first, 1, 2))
    assert second.last_token() is None
    second.commit(sealed_epochs(second, 1, 1))
    assert server.rows("SELECT output, epoch FROM penstock_tokens ORDER BY 1") == [("output", 2), ("second", 1)]
    first.close()
    second.close()


def test_a_row_of_tokens_that_was_deleted_is_noticed(server):
    writer = PostgresSink("totals", url=server.url).writer(request())
    epochs = sealed_epochs(writer, 1, 2)
    writer.commit(epochs[:1])
    server.run("DELETE FROM penstock_tokens")
    with pytest.raises(SinkLost, match="has gone"):
        writer.commit(epochs[1:])
    assert writer.last_token() is None
    writer.close()


# -- who is on the other side --------------------------------------------------


@pytest.fixture
def secured():
    with Secured() as one:
        yield one


def url_of(server, **parameters):
    more = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"postgresql://postgres:{server.password}@localhost:{server.port}/postgres?{more}"


def test_a_server_that_cannot_prove_who_it_is_is_refused(secured, monkeypatch):
    for parameters in ({"sslmode": "verify-full"}, {"sslmode": "verify-full", "sslrootcert": "system"}):
        with pytest.raises(StartError, match=r"certificate|SSL") as refused:
            PostgresSink("totals", url=url_of(secured, **parameters)).writer(request())
        assert "canary" not in str(refused.value)
    trusted = url_of(secured, sslmode="verify-full", sslrootcert=secured.folder / "authority.crt")
    wrong = trusted.replace("Zq8-canary", "Zq9-canary")
    with pytest.raises(StartError, match="authentication failed") as refused:
        PostgresSink("totals", url=wrong).writer(request())
    assert "canary" not in str(refused.value)
    monkeypatch.setenv("SHOP_DATABASE", trusted)
    writer = PostgresSink("totals", url=Secret("SHOP_DATABASE")).writer(request())
    writer.commit(sealed_epochs(writer, 1, 1))
    assert "canary" not in writer.report()
    writer.close()
    named = trusted.replace("@localhost", "@127.0.0.1")
    with pytest.raises(StartError, match=r"127\.0\.0\.1"):
        PostgresSink("totals", url=named).writer(request())
