"""S3 by moto: buckets in memory, which do not outlive the process."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tests.services.process import Service, Unavailable, connect, free_port

_SERVER = Path(__file__).with_name("s3_server.py")


class S3(Service):
    """A server that speaks S3, with conditional writes; it takes any credentials.

    Attributes:
        endpoint: Its address, for clients that take one.
        options: What `obstore.store.S3Store(bucket, **options)` takes.
    """

    name: ClassVar[str] = "s3"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.options: Mapping[str, Any] = {
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": "test",
            "secret_access_key": "test",
            "client_options": {"allow_http": True},
        }

    @classmethod
    def install(cls) -> None:
        """It comes with the packages of the tests."""
        from importlib.util import find_spec

        if find_spec("moto") is None or find_spec("flask_cors") is None:
            raise Unavailable("the packages moto, flask and flask-cors are not installed (pip install '.[test]')")

    def usage(self) -> str:
        """See `Service.usage`."""
        return (
            f"s3         export AWS_ENDPOINT_URL={self.endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test "
            "AWS_REGION=us-east-1 AWS_ALLOW_HTTP=true"
        )

    def launch(self) -> None:
        """Start the server."""
        self.run("s3", [sys.executable, _SERVER, str(self.port)])

    def probe(self) -> None:
        """It lists its buckets."""
        connect(self.port)
        self._ask("GET", "/")

    def create(self, bucket: str) -> None:
        """Make an empty bucket; names have three letters or more, and no underscore."""
        self._ask("PUT", f"/{bucket}")

    def empty(self) -> None:
        """Remove all buckets with all that is in them."""
        self._ask("POST", "/moto-api/reset")

    def _ask(self, method: str, path: str) -> None:
        # A service is told apart by the credential's scope; nobody checks the signature.
        scope = "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        request = urllib.request.Request(self.endpoint + path, method=method, headers={"Authorization": scope})
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
