"""The encoding of a manifest: one line of JSON, and a line with the digest of all bytes before."""

from __future__ import annotations

import json
from typing import Any

from penstock.checkpoint.block import digest
from penstock.core.errors import StateError

VERSION = 1
"""The version of the form that this program writes, and the newest that it reads."""

KEY = "penstock"
"""The key of the version; a manifest may not use it."""


def pack(value: dict[str, Any]) -> bytes:
    """The bytes of a manifest; the same for the same value.

    Args:
        value: A JSON object without the key `penstock`. `number` is its number; a savepoint needs it.

    Raises:
        TypeError: If something in it is not JSON.
        ValueError: If a number is not finite, or the key is taken.
    """
    if KEY in value:
        raise ValueError(f'a manifest cannot have a key "{KEY}": that is the version of its form')
    body = json.dumps({**value, KEY: VERSION}, allow_nan=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    return body + _seal(body)


def unpack(data: bytes) -> dict[str, Any]:
    """The value of a manifest that verifies.

    Raises:
        StateError: If it is cut short or damaged, or was written by a newer program.
    """
    data = bytes(data)
    length = len(_seal(b""))
    body, seal = data[:-length], data[-length:]
    if not body.endswith(b"\n") or not seal.endswith(b"\n"):
        raise StateError(
            f"a manifest is cut short or damaged: {len(data)} bytes without a line of their digest at the end",
            damaged=True,
        )
    if seal != _seal(body):
        raise StateError("a manifest is damaged: its digest is not that of its bytes", damaged=True)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as failure:
        raise StateError("a manifest has the right digest, and is not JSON") from failure
    version = value.pop(KEY, None) if isinstance(value, dict) else None
    if type(version) is not int or version < 1:
        raise StateError("a manifest has the right digest, and does not say its version")
    if version > VERSION:
        raise StateError(
            f"a manifest of version {version} cannot be read by this program, which knows versions up to {VERSION}",
            hint="run the version of Penstock that wrote it, or a newer one",
        )
    return dict(value)


def _seal(body: bytes) -> bytes:
    """The last line of a manifest."""
    return f'{{"digest":"{digest([body])}"}}\n'.encode()
