"""Asks a running pipeline, by the address and token in its state directory."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from penstock.control import protocol
from penstock.control.server import FILE
from penstock.core import files
from penstock.core.errors import JobError

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3_700.0


class NotRunning(JobError):
    """Nobody answers: the pipeline does not run on this machine."""


class Client:
    """A running pipeline.

    Args:
        folder: Its state directory.

    Raises:
        NotRunning: If it does not run.
        JobError: If its `control.json` cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        try:
            told = json.loads(files.read_bytes(folder / FILE))
            host, _, port = told["address"].rpartition(":")
            self._token, self.pid, self.pipeline = str(told["token"]), int(told["pid"]), str(told["pipeline"])
            address = (host, int(port))
        except FileNotFoundError:
            raise NotRunning(f'no pipeline runs with the state directory "{folder}"') from None
        except PermissionError:
            raise JobError(f'the pipeline of "{folder}" belongs to another user') from None
        except (ValueError, KeyError, TypeError) as wrong:
            raise JobError(f'"{folder / FILE}" is not understood: {wrong}') from wrong
        try:
            self._socket = socket.create_connection(address, CONNECT_SECONDS)
        except OSError:
            # The file is of a run that was killed: whoever runs next writes it anew.
            raise NotRunning(f'no pipeline runs with the state directory "{folder}"') from None
        self._socket.settimeout(ANSWER_SECONDS)
        self._lines = self._socket.makefile("rb")

    def ask(self, do: str, **arguments: Any) -> Any:
        """Let the pipeline do something; its answer.

        Raises:
            Refused: If it answers with an error.
            NotRunning: If it ends meanwhile.
        """
        try:
            self._socket.sendall(protocol.request(self._token, do, arguments))
            line = self._lines.readline(protocol.MOST_ANSWER + 1)
        except OSError as gone:
            raise NotRunning(f'the pipeline "{self.pipeline}" has gone') from gone
        if not line:
            raise NotRunning(f'the pipeline "{self.pipeline}" has gone')
        return protocol.read_answer(line)

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
