"""Checkpoints in a bucket of S3, or of what speaks its protocol: manifests are put on condition that there are none."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from penstock.checkpoint.store import FOLDER, MANIFEST_BYTES, Store, segment_key
from penstock.core import files
from penstock.core.clock import Clock, Signal
from penstock.core.errors import PlanError, StartError, StateError
from penstock.core.failpoint import hit
from penstock.core.spec import Secret

if TYPE_CHECKING:
    from obstore.store import S3Store

POINTS = (
    "checkpoint.object.before_put",
    "checkpoint.object.put",
    "checkpoint.object.before_segment",
    "checkpoint.object.segment",
    "checkpoint.object.before_remove",
    "checkpoint.object.removed",
)
"""The failpoints of a bucket."""

ATTEMPTS = 5
"""How often a conditional put is tried while its outcome is unknown."""

WHOLE_BYTES = 8 << 20
"""Segments up to this size are put in one request, larger ones in parts."""

_PAUSE_US = 100_000
_TIMEOUT = dt.timedelta(seconds=30)
_CONNECT_TIMEOUT = dt.timedelta(seconds=5)
_RETRIES = {"max_retries": 6, "retry_timeout": dt.timedelta(seconds=60)}
_TOKEN = "penstock-attempt"
_OF_THE_CLIENT = ("allow_http", "timeout", "connect_timeout", "proxy_url")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class ObjectStore(Store):
    """Checkpoints in a bucket.

    What is put is durable when the answer comes. If none comes, the object is read back: each attempt carries a token
    of its own, so that two processes that put the same bytes do not take each other's object for their own. Requests
    that can be repeated are, for a minute at most.

    There is no lock. Parts of large segments whose upload was broken off are not listed and stay in the bucket: give it
    a lifecycle rule that aborts incomplete uploads.

    Args:
        bucket: The name of the bucket.
        prefix: Where in it; empty for its root.
        options: See `open_store`; a value may be a `Secret`.
        clock: Where time comes from.

    Raises:
        PlanError: If obstore is not installed, or an option is wrong.
        StartError: If the bucket cannot be used, or ignores conditions of puts.
    """

    def __init__(self, bucket: str, prefix: str, options: Mapping[str, Any], clock: Clock) -> None:
        self.place = f"s3://{bucket}/{prefix}".rstrip("/")
        self._clock = clock
        try:
            import obstore
            from obstore import exceptions
        except ModuleNotFoundError as missing:
            raise PlanError(
                'checkpoints in S3 need the package "obstore"', hint="pip install 'penstock[s3]'"
            ) from missing
        self._obstore, self._exceptions = obstore, exceptions
        self._failures = (exceptions.BaseError, OSError)
        self._refused = (
            exceptions.PermissionDeniedError,
            exceptions.UnauthenticatedError,
            exceptions.NotSupportedError,
            exceptions.InvalidPathError,
            FileNotFoundError,  # of a put: there is no such bucket
        )
        root = f"{prefix}/{FOLDER}".strip("/")
        given = {key: value.reveal() if isinstance(value, Secret) else value for key, value in options.items()}
        self._store = self._connect(bucket, root, given, _RETRIES)
        # A put that is repeated unseen could find its own object, and take it for another's.
        self._once = self._connect(bucket, root, given, {"max_retries": 0})
        self._probe()

    def _connect(self, bucket: str, root: str, given: Mapping[str, Any], retries: Mapping[str, Any]) -> S3Store:
        from obstore.store import S3Store

        # obstore does not look for settings of the client in the environment once it is given some.
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1")
        client: dict[str, Any] = {"timeout": _TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT, "allow_http": plain}
        client |= {key: value for key, value in given.items() if key in _OF_THE_CLIENT}
        config: dict[str, Any] = {key: value for key, value in given.items() if key not in _OF_THE_CLIENT}
        try:
            return S3Store(bucket, prefix=root, config=config, client_options=client, retry_config=retries)  # type: ignore[arg-type]
        except (self._exceptions.BaseError, TypeError, ValueError) as failure:
            raise PlanError(
                f'"{self.place}" cannot be opened with the options {", ".join(sorted(given)) or "of the environment"}: '
                f"{_reason(failure)}"
            ) from None

    def _probe(self) -> None:
        """Try out that of two conditional puts one is refused, and that an object keeps its token."""
        key = f"probe-{files.unique_name()}"
        try:
            mine = self._create("probe", key, b"1")
            other = self._create("probe", key, b"2")
            token = self._whose(key)
        except StateError as failure:
            what = failure.message.removeprefix(f'"{self.place}" ')
            raise StartError(
                f'"{self.place}" cannot keep checkpoints: {what}',
                hint="check the endpoint (allow_http, if it is plain HTTP), the region, the keys and the bucket",
            ) from failure
        finally:
            with contextlib.suppress(StateError):
                self._remove("probe", key)
        if token is not None and not token[0]:
            raise StartError(f'"{self.place}" cannot keep checkpoints: it loses the metadata of objects')
        if not mine or other:
            raise StartError(
                f'"{self.place}" cannot keep checkpoints: it ignores the condition of a put (If-None-Match)',
                hint="two processes could both believe to be the one: use AWS S3, MinIO or Ceph of 2024 or later",
            )

    def write_segment(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        """Put a segment, in one request or in parts; see `Store.write_segment`."""
        key, done = segment_key(name), False
        hit("checkpoint.object.before_segment")
        pending = iter(parts)
        start = _up_to(pending, WHOLE_BYTES)
        try:
            if sum(map(len, start)) <= WHOLE_BYTES:
                new = self._create("segment", key, b"".join(start))
            else:
                new = self._upload(key, start, pending)
            if not new:
                done = True  # it is another's: it stays
                raise StateError(f'"{self.place}" has a segment "{name}" already: no name is used twice')
            hit("checkpoint.object.segment")
            done = True
        except OSError as failure:
            raise self._failed(f'cannot take the segment "{name}"', failure) from failure
        finally:
            if not done:
                with contextlib.suppress(*self._failures):  # nothing names it: it is collected later
                    self._obstore.delete(self._once, key)

    def _upload(self, key: str, start: list[bytes | memoryview], rest: Iterator[bytes | memoryview]) -> bool:
        """Put a large segment in parts; False if there is one."""

        def parts() -> Iterator[bytes | memoryview]:
            yield from start
            start.clear()
            yield from rest

        try:
            with contextlib.suppress(FileNotFoundError):
                self._obstore.head(self._store, key)
                return False
            self._obstore.put(self._store, key, parts(), chunk_size=WHOLE_BYTES, max_concurrency=4)
        except self._failures as failure:
            raise self._failed(f"cannot take {key}", failure) from failure
        return True

    def read_segment(self, name: str, offset: int, length: int) -> memoryview:
        """Get a part of a segment; see `Store.read_segment`."""
        key = segment_key(name)
        if offset < 0 or length < 0 or offset + length >= 1 << 63:
            raise StateError(f'{length} bytes at {offset} of the segment "{name}" cannot be read')
        if not length:
            return memoryview(b"")
        try:
            data = memoryview(self._obstore.get_range(self._store, key, start=offset, length=length))
        except FileNotFoundError as failure:
            raise StateError(f'the segment "{name}" is missing in "{self.place}"') from failure
        except self._failures as failure:
            raise self._failed(f'cannot give {length} bytes at {offset} of the segment "{name}"', failure) from failure
        if len(data) != length:
            raise StateError(
                f'the segment "{name}" in "{self.place}" is cut short: {length} bytes at {offset} are not all there'
            )
        return data.toreadonly()

    def _create(self, kind: str, key: str, data: bytes) -> bool:
        token, failure = files.unique_name(), None
        for attempt in range(ATTEMPTS):
            if attempt:
                self._clock.wait(Signal(), _PAUSE_US << attempt)
            try:
                hit("checkpoint.object.before_put")
                self._put(key, data, token)
                hit("checkpoint.object.put")
            except self._exceptions.AlreadyExistsError:
                # Also the answer to a conflict with somebody who did not succeed: look.
                failure = None
            except self._refused as refusal:
                raise self._failed(f"cannot take {key}", refusal) from refusal
            except self._failures as unknown:
                failure = unknown
            else:
                return True
            with contextlib.suppress(StateError):  # it cannot be read now: try again
                holder = self._whose(key)
                if holder is not None:
                    return holder == (token, data)
        if failure is None:
            raise StateError(f'"{self.place}" neither takes nor has {key}: it contradicts itself')
        raise StateError(
            f'"{self.place}" did not say whether it took {key}: {_reason(failure)}',
            hint="what is there is found out at the next start",
        ) from failure

    def _put(self, key: str, data: bytes, token: str) -> None:
        mode: Literal["create"] = "create"
        self._obstore.put(self._once, key, data, mode=mode, attributes={_TOKEN: token}, use_multipart=False)

    def _whose(self, key: str) -> tuple[str, bytes] | None:
        """The token and the bytes of an object; None if there is none."""
        try:
            found = self._obstore.get(self._store, key)
            return found.attributes.get(_TOKEN, ""), bytes(found.bytes())
        except FileNotFoundError:
            return None
        except self._failures as failure:
            raise self._failed(f"cannot give {key}", failure) from failure

    def _read(self, what: str, key: str) -> bytes:
        try:
            found = self._obstore.get(self._store, key)
            if found.meta["size"] > MANIFEST_BYTES:
                raise StateError(f'the {what} in "{self.place}" has more than {MANIFEST_BYTES} bytes: it is damaged')
            return bytes(found.bytes())
        except FileNotFoundError as failure:
            raise StateError(f'there is no {what} in "{self.place}"') from failure
        except self._failures as failure:
            raise self._failed(f"cannot give the {what}", failure) from failure

    def _list(self, folder: str) -> list[str]:
        try:
            found = self._obstore.list_with_delimiter(self._store, folder or None)
        except self._failures as failure:
            raise self._failed("cannot be listed", failure) from failure
        return [one["path"].rpartition("/")[2] for one in found["objects"]]

    def _remove(self, kind: str, key: str) -> None:
        try:
            hit("checkpoint.object.before_remove")
            with contextlib.suppress(FileNotFoundError):
                self._obstore.delete(self._store, key)
            hit("checkpoint.object.removed")
        except self._failures as failure:
            raise self._failed(f"cannot remove {key}", failure) from failure

    def _failed(self, what: str, failure: Exception) -> StateError:
        return StateError(f'"{self.place}" {what}: {_reason(failure)}')


def _up_to(parts: Iterator[bytes | memoryview], size: int) -> list[bytes | memoryview]:
    """The first parts, until they have more than `size` bytes together."""
    taken: list[bytes | memoryview] = []
    for part in parts:
        taken.append(part)
        size -= len(part)
        if size < 0:
            break
    return taken


def _reason(failure: Exception) -> str:
    """What a service has said, in a few words: its texts go on for pages."""
    text = str(failure)
    code = _CODE.search(text)
    return code[1] if code else text.partition("\n")[0].partition(": <")[0][:300]
