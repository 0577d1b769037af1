"""The control endpoint: who knows the token is answered, nobody else, and nothing brings it down."""

from __future__ import annotations

import json
import socket
import stat

import pytest

from penstock.control import protocol
from penstock.control.client import Client, NotRunning
from penstock.control.server import FILE, MOST_CONNECTIONS, Server
from penstock.core.errors import JobError, StateError


def refuse(arguments):
    raise StateError("it is too late", hint="come earlier")


HANDLERS = {"add": lambda a: a["one"] + a["other"], "refuse": refuse}


@pytest.fixture
def folder(tmp_path):
    server = Server(tmp_path, "orders", HANDLERS)
    yield tmp_path
    server.close()


def raw(folder, data):
    host, _, port = json.loads((folder / FILE).read_text())["address"].rpartition(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(data)
        return connection.makefile("rb").readline()


def test_who_knows_the_token_is_answered(folder):
    with Client(folder) as client:
        assert client.pipeline == "orders"
        assert client.ask("add", one=1, other=2) == 3
        assert client.ask("add", one="a", other="b") == "ab"


def test_only_the_owner_may_read_the_token_and_the_address_is_loopback(folder):
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert json.loads((folder / FILE).read_text())["address"].startswith("127.0.0.1:")


def test_nobody_else_is_answered(folder):
    reply = raw(folder, protocol.request("guessed", "add", {"one": 1, "other": 2}))
    with pytest.raises(JobError, match="the token is wrong"):
        protocol.read_answer(reply)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"[]\n",
        b"{}\n",
        b'{"penstock": 99}\n',
        b"\xff\xfe\n",
        b'{"penstock": 1}\n',
        b"[" * 5000 + b"\n",
    ],
)
def test_what_is_no_request_is_an_error_and_harms_nobody(folder, line):
    with pytest.raises(JobError):
        protocol.read_answer(raw(folder, line))
    with Client(folder) as client:
        assert client.ask("add", one=1, other=2) == 3


def test_a_line_that_does_not_end_is_cut(folder):
    with pytest.raises(JobError):
        protocol.read_answer(raw(folder, b"x" * (protocol.MOST_REQUEST + 10)))


def test_errors_keep_their_words_and_codes(folder):
    with Client(folder) as client:
        with pytest.raises(protocol.Refused, match="too late") as found:
            client.ask("refuse")
        assert (found.value.hint, found.value.code) == ("come earlier", 3)
        with pytest.raises(protocol.Refused, match='no command "remove"'):
            client.ask("remove")
        with pytest.raises(protocol.Refused, match="arguments"):
            client.ask("add", one=1)


def test_connections_have_a_limit(folder):
    clients = [Client(folder) for _ in range(MOST_CONNECTIONS)]
    for client in clients:
        assert client.ask("add", one=1, other=1) == 2
    with pytest.raises(NotRunning), Client(folder) as client:
        client.ask("add", one=1, other=1)
    for client in clients:
        client.close()


def test_a_pipeline_that_has_ended_or_was_killed_is_not_there(tmp_path):
    server = Server(tmp_path, "orders", HANDLERS)
    told = (tmp_path / FILE).read_text()
    server.close()
    assert not (tmp_path / FILE).exists()
    with pytest.raises(NotRunning):
        Client(tmp_path)
    (tmp_path / FILE).write_text(told)
    with pytest.raises(NotRunning):
        Client(tmp_path)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(JobError, match="not understood"):
        Client(tmp_path)
