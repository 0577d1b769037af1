"""The operator contract: how a node runs, and what it means.

An executor is driven by the loop, one step at a time, and sees no clock, thread, file or randomness
but what it is handed. A meaning is the same operator in plain Python, one row at a time: slow and
obviously right. Both are tested to give the same.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from penstock.core.delta import Delta
from penstock.core.errors import StateError
from penstock.core.timespan import END, NEVER
from penstock.plan.node import Node

if TYPE_CHECKING:
    from concurrent.futures import Executor as Pool

    import polars as pl

    from penstock.state.arrangement import Arrangement

Output = tuple[str, Delta]
"""A port (`out`, `late`, `errors`) and rows that leave by it."""


class SplitState(NamedTuple):
    """What the loop has decided about a split at the start of a step; recorded in the journal.

    Attributes:
        ended: There will be no more rows.
        silent_since: The instant since which it counts as silent, or None.
    """

    ended: bool = False
    silent_since: int | None = None


@dataclass(frozen=True)
class StepContext:
    """What an executor may know besides its input.

    Attributes:
        step: The number of the step.
        now: The step's clock, in microseconds. It never goes back, also across a restart.
        watermark: The watermark of the input after this delta: END once bounded input is over.
        splits: By (source, split): what the loop decided about them.
        last: Whether this is the last delta of the step for this node.
    """

    step: int
    now: int
    watermark: int
    splits: Mapping[tuple[int, int], SplitState] = field(default_factory=dict)
    last: bool = True


class Saver(Protocol):
    """Takes the state of one executor for a checkpoint."""

    def table(self, name: str, table: Arrangement, step: int) -> None:
        """Take a table under a name that is its own among those of the executor.

        Args:
            name: The name. A name that is not given again at the next snapshot is forgotten.
            table: The table; what was touched since the last snapshot is taken, all of it if it is another table.
            step: The number of the next step that will touch it: an epoch of the table begins with it.
        """
        ...

    def blob(self, name: str, data: bytes) -> None:
        """Take bytes, whole every time: for what is small and not keyed."""
        ...


class Loader(Protocol):
    """Gives back what a `Saver` was given."""

    @property
    def names(self) -> Sequence[str]:
        """The names of all tables and blobs."""
        ...

    def table(self, name: str, into: Arrangement) -> None:
        """Fill an empty table of the same layout: slots are those of the table that was saved.

        Raises:
            StateError: If there is no such table, or its layout differs.
        """
        ...

    def blob(self, name: str) -> bytes:
        """The bytes of a name.

        Raises:
            StateError: If there are none.
        """
        ...


@dataclass(frozen=True)
class Environment:
    """What an executor is built with.

    Attributes:
        shards: Over how many shards its keys are spread.
        pool: Threads to run shards of large steps on; None to run them one after the other.
        step_bytes: How many bytes one delta should stay below.
        source_names: Names of the sources and of their splits, for the reasons of refused rows.
        splits: The (source, split) pairs that feed the node.
        seed: Seeds hash indices; results do not depend on it.
    """

    shards: int = 1
    pool: Pool | None = None
    step_bytes: int = 64 << 20
    source_names: Sequence[tuple[str, Sequence[str]]] = ()
    splits: Sequence[tuple[int, int]] = ()
    seed: int = 0

    def place(self, source: int, split: int) -> tuple[str, str]:
        """The names of a source and a split."""
        if source >= len(self.source_names):
            return f"source {source}", str(split)
        name, splits = self.source_names[source]
        return name, splits[split] if split < len(splits) else str(split)


class Executor(ABC):
    """Runs one node. All its state is in `snapshot`."""

    @abstractmethod
    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Take one delta per input (None = no rows) and give what leaves, in order.

        It may give many deltas: what is below runs before the next is asked for.
        """

    def due(self) -> int | None:
        """The watermark at which the node must be called even without rows; None if it never must."""
        return None

    def sends(self) -> int | None:
        """The watermark at which its next rows leave, for people who wait for them; None if it holds none back.

        That is when it is `due`, but for who may be due only to forget. It may look at all of its state.
        """
        return self.due()

    def wakes(self) -> int | None:
        """The instant of the step's clock at which the node must be called even without rows; None if it never must.

        Asked after every step. The loop sleeps no longer than until then, and a step whose `context.now` has reached it
        calls the node. The clock moves at the beginning of a step: what is due by it comes before the rows of the step,
        in the first call of the step in which `context.now` has reached it. So what comes out depends on where among
        the rows the clock moved, which the journal has, and not on the cut into steps. It is built again from what
        `snapshot` has. Once bounded input is over nobody waits for the clock: who has something left says so by `due`
        (END at the latest), and sends it when the watermark is END.
        """
        return None

    def called(self) -> bool:
        """Whether answers from outside are there that the next step uses: then it is called even without rows."""
        return False

    def watermark(self, incoming: Sequence[int]) -> int:
        """The watermark of its output after the step: the least of the inputs' unless it holds rows back."""
        return min(incoming)

    def satisfied(self) -> bool:
        """Whether no row that may still come would change anything: its sources need not be read for it."""
        return False

    def state_layout(self) -> Any:
        """What must be equal for its stored state to be usable, as JSON; None if it has no state.

        It says what the tables hold (names and types of keys; names, functions and types of aggregates; the kind of
        windows), and nothing that may differ without harm: shards, seeds, how a term is spelled. It is stored beside
        the snapshot, and compared before `restore` is called (`check_layout`).
        """
        return None

    def snapshot(self, saver: Saver) -> Any:
        """Its state, for a checkpoint, between two steps: a small JSON value, and tables given to the saver.

        Called only if it has a `state_layout`. What it costs must not grow with the state: the saver takes of a table
        what was touched since the last time. Nothing of the step may be pending.
        """
        return None

    def restore(self, state: Any, loader: Loader) -> None:
        """Go on from a snapshot, that may be of another number of shards; called once, before the first step.

        What it gives from then on is what it would have given, to the last bit, if the number of shards is the same.

        Raises:
            StateError: If what is stored cannot be used.
        """

    def contents(self, limit: int) -> pl.DataFrame | None:
        """What it holds, as a table for people: some `limit` rows at most, in no order; None if it holds nothing.

        Called between two steps.
        """
        return None

    def state_size(self) -> tuple[int, int]:
        """How many keys (or rows) it holds, and how many bytes."""
        return 0, 0


def check_nodes(stored: Sequence[str], needed: Sequence[str]) -> None:
    """Check that every state that was stored has its node, and every node that has state finds it.

    Args:
        stored: The identities of the nodes whose state was stored.
        needed: Those of the nodes of the plan that have state.

    Raises:
        StateError: If one is left over: rows that it had taken would be lost.
    """
    left, new = (
        [f'"{name}"' for name in one if name not in other] for one, other in ((stored, needed), (needed, stored))
    )
    if left or new:
        parts = [f"nothing in the plan takes the state of {', '.join(left)}"] * bool(left)
        parts += [f"no state is stored for {', '.join(new)}"] * bool(new)
        raise StateError(
            f"the plan has changed: {' and '.join(parts)}",
            hint="name verbs by .state(...) before they are moved, go back to the definition, or start anew",
        )


def check_layout(name: str, stored: Any, needed: Any) -> None:
    """Check that stored state can be used.

    Args:
        name: The identity of the node whose state it is.
        stored: The `state_layout` that was stored beside it.
        needed: That of the executor that is to go on.

    Raises:
        StateError: If they differ; the message names the first thing that does.
    """
    found = _difference(stored, needed, "")
    if found is not None:
        path, one, other = found
        raise StateError(
            f'the stored state of "{name}" does not fit: {path or "it"} is {one} in the state, {other} in the plan',
            hint="go back to the definition by which it was stored, or start anew",
        )


def _difference(stored: Any, needed: Any, path: str) -> tuple[str, str, str] | None:
    """Where two JSON values differ first, and how."""
    if isinstance(stored, dict) and isinstance(needed, dict):
        for key in (*stored, *(key for key in needed if key not in stored)):
            found = _difference(stored.get(key), needed.get(key), f"{path}.{key}" if path else key)
            if found:
                return found
        return None
    if isinstance(stored, list) and isinstance(needed, list) and _named(stored) and _named(needed):
        one, other = ([item["name"] for item in items] for items in (stored, needed))
        if one != other:
            return path, ", ".join(one) or "nothing", ", ".join(other) or "nothing"
        pairs = zip(one, stored, needed, strict=True)
        return next(filter(None, (_difference(a, b, f'{path} "{name}"') for name, a, b in pairs)), None)
    return None if stored == needed else (path, json.dumps(stored), json.dumps(needed))


def _named(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "name" in item for item in items)


class Executable(Node):
    """A node that runs and has a meaning: every operator."""

    def executor(self, environment: Environment) -> Executor:
        """What runs it."""
        raise NotImplementedError

    def meaning(self) -> Meaning:
        """What it means, in plain Python."""
        raise NotImplementedError

    def needs(self, used: set[str]) -> list[set[str]]:
        """For each input, the columns it must have for the `used` columns of this node to be right; all by default."""
        return [set(below.schema.names) for below in self.inputs]


# -- the plain side ------------------------------------------------------------


@dataclass
class Row:
    """One row of the reference interpreter.

    Attributes:
        values: Column values as Python objects.
        diff: +1, or -1 for a row that goes.
        watermark: The watermark of its own split before it; NEVER if no operator may call it late.
        place: Source, split and offset by index, or None for rows that an operator made.
        sequence: Its place in the journal's order.
    """

    values: dict[str, Any]
    diff: int = 1
    watermark: int = NEVER
    place: tuple[int, int, int] | None = None
    sequence: int = -1

    def with_values(self, values: dict[str, Any]) -> Row:
        """The same row with other values."""
        return Row(values, self.diff, self.watermark, self.place, self.sequence)


Emission = tuple[str, Row]
"""A port and a row that leaves by it."""


class Meaning(ABC):
    """What an operator means: rows and watermarks in, rows out, one at a time."""

    @abstractmethod
    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """Take one row of an input."""

    def tick(self, now: int) -> Iterable[Emission]:
        """The clock has reached an instant; rows after that come at this instant. Told before the first row, too."""
        return ()

    def advance(self, watermark: int) -> Iterable[Emission]:
        """The watermark of the input has reached an instant; END when bounded input is over."""
        return ()

    def split_ended(self, source: int, split: int) -> None:
        """A split has ended: only watermark operators care."""

    def watermark(self, incoming: Sequence[int]) -> int:
        """The watermark of the output."""
        return min(incoming)


__all__ = [
    "END",
    "NEVER",
    "Emission",
    "Environment",
    "Executable",
    "Executor",
    "Loader",
    "Meaning",
    "Output",
    "Row",
    "Saver",
    "SplitState",
    "StepContext",
    "check_layout",
    "check_nodes",
]
