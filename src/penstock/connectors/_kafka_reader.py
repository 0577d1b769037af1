"""Reads one partition by offsets of its own: no group, no rebalancing, no reset."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from penstock.connectors._kafka_client import ANSWER_S, Connection, Told, client, said
from penstock.connectors._kafka_metadata import of_values, times_of, with_metadata
from penstock.connectors._kafka_values import decode_json, empty
from penstock.connectors.base import Polled, Reader, ReadRequest
from penstock.core.errors import SourceError
from penstock.core.lazy import np
from penstock.core.threads import lock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.kernels.arrays import Words

MOST_MESSAGES = 16_384
"""How many messages one poll takes at most."""

QUEUED_KILOBYTES = 16_384
"""How much a partition's client reads ahead."""


class KafkaReader(Reader):
    """Reads a partition with a consumer of its own.

    A position has `"offset"`, that of the next message, and `"topic"`, the identity of the topic if it is known; of
    a bounded reading also `"end"`, which stays what it was when the reading began. The first poll gives no
    rows, only the position: where a reading without one begins is settled once, not again after a crash.

    Args:
        connection: The cluster.
        topic: The topic.
        partition: The partition's number.
        position: Where to go on.
        group: The group that is told what was published, or None.
        request: What is wanted.
        metadata: Columns that are no part of values, and what each is.

    Raises:
        StartError: If the settings cannot be used.
    """

    retry_after_us = 10_000

    def __init__(
        self,
        connection: Connection,
        topic: str,
        partition: int,
        position: dict[str, Any],
        group: str | None,
        request: ReadRequest,
        metadata: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._topic, self._partition = topic, partition
        self._group = group
        self._request, self._metadata = request, metadata
        self._next = int(position["offset"])
        self._end = int(position["end"]) if "end" in position else None
        self._rest = {name: value for name, value in position.items() if name != "offset"}
        self.begins_at = self._position()
        self._library = client()
        self._began = False
        self._closed = False
        self._lock = lock()
        self._told = Told()
        own: dict[str, Any] = {}
        if "queued.max.messages.kbytes" not in connection.settings:
            own["queued.max.messages.kbytes"] = QUEUED_KILOBYTES
        if self._end is not None:
            # The end may be a record that is never delivered; the client says when it has come by.
            own["enable.partition.eof"] = True
            own["fetch.wait.max.ms"] = 50
        self._consumer = connection.consumer(self._told, own, group)
        self._consumer.assign([self._library.TopicPartition(topic, partition, self._next)])

    @property
    def _split(self) -> str:
        return f"{self._topic}-{self._partition}"

    def _position(self) -> dict[str, Any]:
        return {"offset": self._next, **self._rest}

    def poll(self, max_rows: int) -> Polled | None:
        """The messages at hand as rows.

        Raises:
            SourceError: If the partition cannot be read from here on: retention has passed the position, the topic
                is gone, this user may not read it.
        """
        if not self._began:
            self._began = True
            return empty(self._request, self._position())
        if self.ended:
            return None
        try:
            messages = self._consumer.consume(min(max_rows, MOST_MESSAGES), 0)
        except self._library.KafkaException as failure:
            raise SourceError(f'cannot read "{self._split}": {said(failure)}') from None
        failed = [message for message in messages if message.error() is not None]
        if failed:
            messages = [message for message in messages if message.error() is None]
        polled = self._rows(messages) if messages else None
        for message in failed:
            self._take_failure(message)
        return polled

    def _rows(self, messages: Sequence[Any]) -> Polled:
        offsets = np.fromiter((message.offset() for message in messages), np.int64, len(messages))
        self._check_order(offsets)
        values = [message.value() for message in messages]
        if self._end is not None and offsets[-1] >= self._end:
            wanted = int(np.searchsorted(offsets, self._end))
            offsets, values = offsets[:wanted], values[:wanted]
            self._next = self._end
        else:
            self._next = int(offsets[-1]) + 1
        if not self._metadata:
            return decode_json(self._split, offsets, values, self._request, self._position())
        asked = of_values(self._request, self._metadata)
        polled = decode_json(self._split, offsets, values, asked, self._position())
        times = offsets, times_of(messages[: len(offsets)])
        return with_metadata(polled, self._request, self._metadata, (self._topic, self._partition), times)

    def _check_order(self, offsets: Words) -> None:
        if int(offsets[0]) < self._next or (np.diff(offsets) <= 0).any():
            raise SourceError(f'"{self._split}": offsets do not ascend behind {self._next}: {offsets[:5].tolist()}')

    def _take_failure(self, message: Any) -> None:
        """Notice the end, raise what stays; the client mends lost connections by itself."""
        error = message.error()
        codes = self._library.KafkaError
        if error.code() == codes._PARTITION_EOF:
            self._next = max(self._next, int(message.offset()))
        elif error.code() == codes._AUTO_OFFSET_RESET:
            raise SourceError(
                self._out_of_range(),
                hint="rows are lost, or the topic was made anew: start anew, or at a position that is there",
            )
        elif not error.retriable() and error.code() not in (codes._TRANSPORT, codes._ALL_BROKERS_DOWN, codes._RESOLVE):
            raise SourceError(f'cannot read "{self._split}" at offset {self._next}: {error.str()}')

    def _out_of_range(self) -> str:
        here = f'"{self._split}" has no offset {self._next}, where reading must go on'
        try:
            place = self._library.TopicPartition(self._topic, self._partition)
            low, high = self._consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        except self._library.KafkaException:
            return here
        what = f"{low - self._next:,} offsets were removed" if self._next < low else "it ends before"
        return f"{here}: it has {low} to {high} now, {what}"

    @property
    def ended(self) -> bool:
        """Whether the end, as it was when the reading began, has come by; never without `stop`."""
        return self._began and self._end is not None and self._next >= self._end

    def published(self, position: Any) -> None:
        """Tell the group, if there is one, how far the sinks are: for tools that show how far behind it is."""
        if self._group is None or position is None:
            return
        place = self._library.TopicPartition(self._topic, self._partition, int(position["offset"]))
        with self._lock:
            # Nothing depends on it, so nothing fails by it: the next one comes soon.
            if not self._closed:
                with contextlib.suppress(self._library.KafkaException):
                    self._consumer.commit(offsets=[place], asynchronous=True)

    def close(self) -> None:
        """Close the consumer."""
        with self._lock:
            self._closed = True
            self._consumer.close()
