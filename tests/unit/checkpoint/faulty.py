"""A proxy before a server of HTTP, which loses, repeats and refuses what a test wants it to."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("refuse", "lose request", "lose answer", "fail after", "repeat")
"""What may become of a request: 503 without it being done; gone; done, and nobody told; done, and 500; done twice."""


class Proxy(ThreadingHTTPServer):
    """`fault(method, path)` gives one of FAULTS, or None; `drop` are headers that get lost on the way."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = urlsplit(target)
        self.fault = lambda method, path: None
        self.drop = ()
        self.log = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A client that has gone is none of ours."""

    def end(self):
        self.shutdown()
        self.server_close()
        self.thread.join(10)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Says nothing."""

    def forward(self, body):
        connection = http.client.HTTPConnection(self.server.target.hostname, self.server.target.port, timeout=30)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in self.server.drop}
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(key, value)
        length = {key.lower(): value for key, value in headers}.get("content-length", str(len(body)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault(self.command, self.path)
        self.server.log.append((self.command, self.path, fault))
        if fault == "refuse":
            return self.answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
        if fault == "lose request":
            self.close_connection = True
            return None
        found = self.forward(body)
        if fault == "repeat":
            found = self.forward(body)
        if fault == "fail after":
            return self.answer(500, [], b"<Error><Code>InternalError</Code></Error>")
        if fault == "lose answer":
            self.close_connection = True
            return None
        return self.answer(*found)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve
