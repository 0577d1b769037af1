"""A segment while it is made: the blocks of an epoch, laid end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.checkpoint.block import digest


@dataclass
class Segment:
    """The blocks of an epoch, laid end to end.

    Attributes:
        name: The name of the file.
        parts: Their bytes.
        length: How many.
    """

    name: str
    parts: list[bytes | memoryview] = field(default_factory=list)
    length: int = 0

    def add(self, parts: Sequence[bytes | memoryview]) -> dict[str, Any]:
        """Add a block; gives where it is."""
        size = sum(memoryview(part).nbytes for part in parts)
        reference = {"segment": self.name, "offset": self.length, "length": size, "digest": digest(parts)}
        self.parts += parts
        self.length += size
        return reference
