"""The step journal: what was not data in the steps of an epoch, so that the epoch can be run again.

For each step it has the clock, how far each split was taken, and what was decided about splits; between them,
what somebody told the run to do. With the checkpoint before it, and the same input, that reproduces the run
exactly. Recovery does not need it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from penstock.core.errors import StateError
from penstock.operators.base import SplitState

VERSION = 2
"""The version of the form that this program writes, and the newest that it reads; 1 has no commands."""

MOST_BYTES = 1 << 30
"""How large the journal of one epoch may be when it is unpacked: more is no journal of ours."""

Splits = Mapping[tuple[int, int], SplitState]


class Step(NamedTuple):
    """One step.

    Attributes:
        now: Its clock.
        taken: What it took, in order: source, split, and the offset behind the last row.
        splits: What was decided about splits; None = as in the step before.
    """

    now: int
    taken: tuple[tuple[int, int, int], ...]
    splits: Splits | None


class Command(NamedTuple):
    """What somebody told the run, between two steps.

    Attributes:
        now: When.
        name: What: `stop`, `savepoint`, `checkpoint`.
        argument: With which argument; None if there is none.
    """

    now: int
    name: str
    argument: str | None


class Journal:
    """The steps of the open epoch, and what was told between them."""

    def __init__(self) -> None:
        self._steps: list[Step | Command] = []
        self._splits: Splits | None = None

    def note(self, now: int, taken: Sequence[tuple[int, int, int]], splits: Splits) -> None:
        """Add a step."""
        changed = splits != self._splits
        if changed:
            self._splits = dict(splits)
        self._steps.append(Step(now, tuple(taken), self._splits if changed else None))

    def tell(self, now: int, name: str, argument: str | None = None) -> None:
        """Add a command, before it is carried out."""
        self._steps.append(Command(now, name, argument))

    def seal(self) -> list[Step | Command]:
        """End the epoch: what was in it. The next one begins with all that was decided about splits."""
        steps, self._steps = self._steps, []
        self._splits = None
        return steps


def pack(steps: Sequence[Step | Command]) -> bytes:
    """The journal of an epoch as bytes."""
    lines = [json.dumps({"journal": VERSION})]
    for step in steps:
        if isinstance(step, Command):
            lines.append(json.dumps(step._asdict(), separators=(",", ":")))
            continue
        splits = None
        if step.splits is not None:
            splits = [[*pair, state.ended, state.silent_since] for pair, state in step.splits.items()]
        lines.append(json.dumps([step.now, step.taken, splits], separators=(",", ":")))
    return zlib.compress("\n".join(lines).encode(), 1)


def unpack(data: bytes) -> Iterator[Step | Command]:
    """What `pack` was given.

    Raises:
        StateError: If the bytes are no journal.
    """
    try:
        stream = zlib.decompressobj()
        head, *lines = stream.decompress(data, MOST_BYTES).decode().split("\n")
        if not stream.eof:
            raise ValueError("it is cut short")
        version = json.loads(head)["journal"]
    except (zlib.error, ValueError, KeyError, TypeError) as wrong:
        raise StateError("the journal of an epoch cannot be read", damaged=True) from wrong
    if version not in range(1, VERSION + 1):
        raise StateError(f"a journal of version {version} cannot be read; this program reads up to {VERSION}")
    return (_entry(line) for line in lines)


def _entry(line: str) -> Step | Command:
    try:
        found = json.loads(line)
        if isinstance(found, dict):
            return Command(**found)
        now, taken, splits = found
        decided = None
        if splits is not None:
            decided = {(source, split): SplitState(ended, silent) for source, split, ended, silent in splits}
        return Step(now, tuple((source, split, end) for source, split, end in taken), decided)
    except (ValueError, TypeError) as wrong:
        raise StateError("the journal of an epoch cannot be read", damaged=True) from wrong
