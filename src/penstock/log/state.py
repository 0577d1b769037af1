"""What a log is at a point: the next offsets, its schemas, and what its producers have done.

It is a function of the frames before that point. The first frame of every segment has it whole: nothing is lost when
older segments go, and a log is opened by reading one segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.log.frame import DamagedError, Frame

RECORDS, RECORDS_WITH_IDS, FIRST_SCHEMA = 0, 1, 2
"""The numbers of the schemas of records, and the first one of rows."""


@dataclass
class LogState:
    """What a log is at a point.

    Attributes:
        sequence: The number of the next frame.
        time: When the last frame was written, in microseconds since 1970.
        next: The next offset of each partition.
        start: The first offset of each partition that is not truncated.
        holds: `"records"`, `"rows"`, or None as long as there are none.
        schemas: Schemas of rows by number: `{"fields": [...], "arrow": base64}`.
        key: The columns by which rows are compacted.
        producers: By name: `{"fence": who may append, "token": the last one or None}`.
    """

    sequence: int
    time: int
    next: list[int]
    start: list[int]
    holds: str | None
    schemas: dict[int, dict[str, Any]]
    key: list[str]
    producers: dict[str, dict[str, Any]]

    @classmethod
    def empty(cls, partitions: int) -> LogState:
        """That of a new log."""
        return cls(0, 0, [0] * partitions, [0] * partitions, None, {}, [], {})

    def to_json(self) -> dict[str, Any]:
        """The state as JSON."""
        return {
            "sequence": self.sequence,
            "time": self.time,
            "next": self.next,
            "start": self.start,
            "holds": self.holds,
            "schemas": {str(number): schema for number, schema in self.schemas.items()},
            "key": self.key,
            "producers": self.producers,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LogState:
        """The inverse of `to_json`; a copy."""
        return cls(
            data["sequence"],
            data["time"],
            list(data["next"]),
            list(data["start"]),
            data["holds"],
            {int(number): schema for number, schema in data["schemas"].items()},
            list(data["key"]),
            {name: dict(producer) for name, producer in data["producers"].items()},
        )

    def copy(self) -> LogState:
        """A copy that can be changed by itself."""
        return LogState.from_json(self.to_json())

    def fits(self, frame: Frame) -> bool:
        """Whether a frame is the one that follows."""
        following = list(self.next)
        for entry in frame.entries:
            if entry.partition >= len(following) or entry.base != following[entry.partition]:
                return False
            following[entry.partition] += entry.span
        return frame.sequence == self.sequence

    def apply(self, frame: Frame, path: Path) -> None:
        """Go on by a frame.

        Raises:
            DamagedError: If it does not follow.
        """
        if not self.fits(frame):
            raise DamagedError(path, frame.position, "a frame is not the one that follows: some are missing")
        for entry in frame.entries:
            self.next[entry.partition] += entry.span
        self.sequence += 1
        self.time = frame.time
        self.change(frame.meta)

    def change(self, meta: dict[str, Any]) -> None:
        """Take in what a frame says besides its batches."""
        self.holds = meta.get("holds", self.holds)
        self.key = meta.get("key", self.key)
        self.schemas |= {int(number): schema for number, schema in meta.get("schemas", {}).items()}
        self.producers |= meta.get("producers", {})
        for partition, offset in meta.get("start", {}).items():
            self.start[int(partition)] = max(self.start[int(partition)], offset)
