"""What tests of logs share: all that is in one."""

from __future__ import annotations

import contextlib

from penstock.log import Log


def everything(log: Log, at_once: int = 1000, partition: int | None = None, offset: int | None = None) -> list[list]:
    """Offsets and values of all records, or of one partition from an offset on."""
    found = []
    for number in range(log.partitions) if partition is None else [partition]:
        part: list[tuple[int, bytes | None]] = []
        with contextlib.closing(log.cursor(number, offset)) as cursor:
            while (batch := cursor.poll(at_once)) is not None:
                assert batch.frame.height <= at_once
                offsets = [first + place for first, count in batch.offsets for place in range(count)]
                part += zip(offsets, batch.frame["value"].to_list(), strict=True)
        found.append(part)
    return found


def values(log: Log) -> list[bytes | None]:
    """The values of all records, by partition and offset."""
    return [value for part in everything(log) for _, value in part]
