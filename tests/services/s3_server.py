"""moto's S3 with one request at a time: `s3_server.py PORT`.

moto looks whether an object is there, and then writes it: of two writers that may both only create, both could
win. S3 promises that one does, and what is tested here rests on it.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


class OneAtATime:
    """A WSGI application whose requests wait for each other, once their bodies are there."""

    def __init__(self, application: Any) -> None:
        self.application, self.lock = application, threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chunked = environ.get("wsgi.input_terminated", False)
        body = environ["wsgi.input"].read(*(() if chunked else (int(environ.get("CONTENT_LENGTH") or 0),)))
        environ["wsgi.input"] = io.BytesIO(body)
        with self.lock:
            parts = self.application(environ, start_response)
            try:
                return [b"".join(parts)]
            finally:
                getattr(parts, "close", lambda: None)()


if __name__ == "__main__":
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        OneAtATime(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
