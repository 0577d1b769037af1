"""The proxy: each fault is what it says, and ends when it is healed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.services.proxy import Proxy
from tests.services.test_process import until

SECONDS = 0.2
"""How long nothing has to come to be taken for nothing."""


class Upper:
    """A server that gives back what it gets in capitals, and remembers it; half-closes as its client does."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with client:
            try:
                while data := client.recv(65_536):
                    self.heard += data
                    client.sendall(data.upper())
                client.sendall(b"BYE")
            except OSError:
                self.heard += b"<reset>"

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def server() -> Iterator[Upper]:
    server = Upper()
    yield server
    server.close()


@pytest.fixture
def proxy(server: Upper) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connect(proxy) as client:
        yield client


def connect(proxy: Proxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), 20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    found = b""
    while len(found) < len(text):
        part = client.recv(65_536)
        if not part:
            break
        found += part
    return found


def silent(client: socket.socket) -> bool:
    client.settimeout(SECONDS)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(20)
    return False


def test_what_is_sent_arrives_and_what_is_answered_too(proxy: Proxy, client: socket.socket) -> None:
    large = b"abc" * 200_000
    sender = threading.Thread(target=client.sendall, args=(large,))
    sender.start()
    found = bytearray()
    while len(found) < len(large):
        found += client.recv(65_536)
    sender.join()
    assert bytes(found) == large.upper()
    assert proxy.taken == 1


def test_an_end_is_passed_on_in_one_direction(client: socket.socket) -> None:
    client.sendall(b"a")
    client.shutdown(socket.SHUT_WR)
    found = b""
    while part := client.recv(100):
        found += part
    assert found == b"ABYE"


def test_replies_are_dropped_and_requests_are_not(proxy: Proxy, server: Upper, client: socket.socket) -> None:
    assert ask(client, b"one") == b"ONE"
    proxy.drop_replies()
    client.sendall(b"two")
    assert silent(client)
    assert server.heard == b"onetwo"
    proxy.heal()  # it lost a reply: it cannot go on
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with connect(proxy) as another:
        assert ask(another, b"three") == b"THREE"


def test_replies_are_dropped_from_a_request_on_that_comes_in_pieces(proxy: Proxy, client: socket.socket) -> None:
    proxy.drop_replies(when=b"COMMIT")
    assert ask(client, b"insert, COM") == b"INSERT, COM"
    client.sendall(b"MIT")
    assert silent(client)


def test_so_many_bytes_of_replies_pass_before_the_rest_is_dropped(proxy: Proxy, client: socket.socket) -> None:
    proxy.drop_replies(after=4)
    client.sendall(b"abcdef")
    assert client.recv(4, socket.MSG_WAITALL) == b"ABCD"
    assert silent(client)


def test_requests_are_dropped(proxy: Proxy, server: Upper, client: socket.socket) -> None:
    proxy.drop_requests(after=1)
    client.sendall(b"abc")
    assert client.recv(10) == b"A"
    assert silent(client)
    assert server.heard == b"a"


def test_what_is_delayed_arrives_later(proxy: Proxy, client: socket.socket) -> None:
    proxy.delay(2 * SECONDS)
    client.sendall(b"abc")
    assert silent(client)
    assert client.recv(3, socket.MSG_WAITALL) == b"ABC"
    proxy.heal()
    assert ask(client, b"abc") == b"ABC"


def test_a_reset_cuts_both_sides_and_new_connections_are_taken(
    proxy: Proxy, server: Upper, client: socket.socket
) -> None:
    assert ask(client, b"a") == b"A"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert until(lambda: server.heard.endswith(b"<reset>"))
    with connect(proxy) as another:
        assert ask(another, b"b") == b"B"


def test_a_client_that_is_reset_is_so_to_the_server(proxy: Proxy, server: Upper, client: socket.socket) -> None:
    assert ask(client, b"a") == b"A"
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert until(lambda: server.heard.endswith(b"<reset>"))


def test_a_half_close_ends_replies_and_requests_still_arrive(
    proxy: Proxy, server: Upper, client: socket.socket
) -> None:
    assert ask(client, b"a") == b"A"
    proxy.half_close()
    assert client.recv(1) == b""
    client.sendall(b"b")
    assert until(lambda: server.heard == b"ab")


def test_new_connections_are_refused_and_open_ones_live_on(proxy: Proxy, client: socket.socket) -> None:
    assert ask(client, b"a") == b"A"
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    assert ask(client, b"b") == b"B"
    proxy.heal()
    with connect(proxy) as another:
        assert ask(another, b"c") == b"C"


def test_a_server_that_is_down_looks_so_through_the_proxy(proxy: Proxy, server: Upper) -> None:
    server.close()
    with pytest.raises(ConnectionResetError), connect(proxy) as client:
        client.recv(1)
    server.listener = socket.create_server(("127.0.0.1", 0))
