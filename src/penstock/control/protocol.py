"""The words of the control protocol: one JSON object per line, a request and its answer.

    -> {"penstock": 1, "token": "...", "do": "savepoint", "with": {"name": "before"}}
    <- {"penstock": 1, "ok": true, "result": "before"}
    <- {"penstock": 1, "ok": false, "error": {"message": "...", "hint": "...", "code": 2}}

A request without the right token is answered by an error, whatever it asks for, and the connection is closed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock.core.errors import JobError

VERSION = 1
MOST_REQUEST = 1 << 16
"""The longest request, in bytes."""
MOST_ANSWER = 1 << 26
"""The longest answer, in bytes."""


class Request(NamedTuple):
    """What is asked.

    Attributes:
        token: The token that the asker knows.
        do: The command.
        arguments: Its arguments.
    """

    token: str
    do: str
    arguments: Mapping[str, Any]


def request(token: str, do: str, arguments: Mapping[str, Any]) -> bytes:
    """A request as a line."""
    return _line({"penstock": VERSION, "token": token, "do": do, "with": dict(arguments)})


def read_request(line: bytes) -> Request:
    """The request of a line.

    Raises:
        JobError: If it is none, or of another version.
    """
    value = _object(line)
    token, do, arguments = value.get("token"), value.get("do"), value.get("with", {})
    if not isinstance(token, str) or not isinstance(do, str) or not isinstance(arguments, dict):
        raise JobError('a request has "token", "do" and perhaps "with"')
    return Request(token, do, arguments)


def answer(result: Any) -> bytes:
    """An answer as a line."""
    return _line({"penstock": VERSION, "ok": True, "result": result})


def refusal(message: str, hint: str | None = None, code: int = 1) -> bytes:
    """An error as a line."""
    return _line({"penstock": VERSION, "ok": False, "error": {"message": message, "hint": hint, "code": code}})


class Refused(JobError):
    """The answer to a request was an error.

    Attributes:
        code: The exit code that goes with it.
    """

    def __init__(self, message: str, hint: str | None, code: int) -> None:
        super().__init__(message, hint=hint)
        self.code = code


def read_answer(line: bytes) -> Any:
    """The result of an answer.

    Raises:
        Refused: If it is an error.
        JobError: If it is no answer.
    """
    value = _object(line)
    if value.get("ok") is True:
        return value.get("result")
    error = value.get("error")
    if not isinstance(error, dict):
        raise JobError("the answer of the running pipeline is not understood")
    code = error.get("code")
    raise Refused(str(error.get("message")), error.get("hint"), code if isinstance(code, int) else 1)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise JobError("a line is not JSON") from None
    if not isinstance(value, dict):
        raise JobError("a line is not a JSON object")
    if value.get("penstock") != VERSION:
        raise JobError(f"version {value.get('penstock')!r} of the control protocol is not known; this is {VERSION}")
    return value
