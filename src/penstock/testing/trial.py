"""One run of the engine beside the reference: in a given cut, compared after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.timespan import instant_text
from penstock.engine.compile import PhysicalNode
from penstock.operators.base import Row, SplitState
from penstock.operators.refused import Refused
from penstock.plan.node import UPDATING, Node, walk
from penstock.plan.pipeline import output_name
from penstock.testing.case import Case, is_changelog, is_ordered
from penstock.testing.compare import Change, CheckFailed, check_key, check_step, difference, fold, rows_close, table
from penstock.testing.driver import Driver
from penstock.testing.notation import OPS
from penstock.testing.oracle import Arrival, Event, Tick, Told
from penstock.testing.scene import Steps, story

WHY = "_why"


@dataclass(frozen=True)
class Mode:
    """How the engine runs.

    Attributes:
        name: What the cut is called.
        steps: The events of each step.
        shards: Over how many shards keys are spread.
        seed: Seeds hash indices.
        pauses: By step, what happens after it: 0 = the state is saved; else the engine is restarted, with so many
            shards and another hash seed.
    """

    name: str
    steps: Steps
    shards: int = 1
    seed: int = 0
    pauses: Mapping[int, int] = field(default_factory=dict)

    def __str__(self) -> str:
        shards = f", {self.shards} shards" if self.shards > 1 else ""
        return f"{self.name} ({len(self.steps)} steps{shards}, hash seed {self.seed}{self._told_pauses()})"

    def _told_pauses(self) -> str:
        restarts = [f"{step + 1} with {shards}" for step, shards in sorted(self.pauses.items()) if shards]
        saves = [str(step + 1) for step, shards in sorted(self.pauses.items()) if not shards]
        return (f"; saved after step {', '.join(saves)}" if saves else "") + (
            f"; restarted after step {', '.join(restarts)} shards" if restarts else ""
        )

    def pause(self, driver: Driver, step: int) -> None:
        """Do what is to happen after a step."""
        shards = self.pauses.get(step)
        if shards == 0:
            driver.checkpoint()
        elif shards is not None:
            driver.restart(shards=shards, seed=self.seed + step + 1)


def try_out(case: Case, told: Told, mode: Mode) -> Driver:
    """Run the engine and compare it with what the reference told.

    Args:
        case: The pipeline and its inputs.
        told: What the reference makes of all events.
        mode: How to run.

    Raises:
        CheckFailed: If the engine differs in what it sends or when, in what it refuses, in watermarks or in counts.
    """
    driver = driver_of(case, mode)
    outputs = [Compared(case, output, told) for output in case.pipeline.outputs]
    seen = 0
    for number, events in enumerate(mode.steps):
        push(driver, case, events)
        driver.step()
        seen += len(events)
        try:
            for output in outputs:
                output.compare(driver, number, seen)
        except CheckFailed as failure:
            raise CheckFailed(
                f"{mode}: after step {number + 1}: {failure}\n\n{story(mode.steps[: number + 1])}"
            ) from None
        mode.pause(driver, number)
    try:
        compare_refused(case, driver, told)
        compare_watermarks(driver, told)
        check_counts(driver)
        compare_counts(driver, told)
    except CheckFailed as failure:
        raise CheckFailed(f"{mode}: {failure}\n\n{story(mode.steps)}") from None
    return driver


def driver_of(case: Case, mode: Mode) -> Driver:
    """A driver of the case's plan, in a mode."""
    counts = {one.name: len(one.splits) for one in case.scene.inputs}
    return Driver(case.pipeline, splits=counts, shards=mode.shards, seed=mode.seed)


def push(driver: Driver, case: Case, events: Iterable[Event]) -> None:
    """Let events wait for the driver's next step, in their order."""
    waiting: list[Arrival] = []

    def flush() -> None:
        if waiting:
            first = waiting[0]
            driver.take(first.source, first.split, case.scene.inputs[first.source].frame(a.values for a in waiting))
            waiting.clear()

    for event in events:
        if isinstance(event, Arrival):
            if waiting and (waiting[0].source, waiting[0].split) != (event.source, event.split):
                flush()
            waiting.append(event)
        elif isinstance(event, Tick):
            driver.clock.show(event.now)
        else:
            driver.decide((event.source, event.split), SplitState(ended=True))
    flush()


class Compared:
    """An output of the engine beside that of the reference, step by step."""

    def __init__(self, case: Case, output: Node, told: Told) -> None:
        self.name = output_name(output)
        self.key = output.facts.key
        self.updating = output.facts.mode == UPDATING
        # A key that expires may begin anew in the step that touched it last: its row stays, and another one comes.
        self.expires = any(getattr(node, "ttl", None) is not None for node in walk(output))
        self.changelog = is_changelog(output)
        self.has_ops = "op" in output.schema
        self.ordered = is_ordered(output)
        self.within = case.within
        self.told = told.outputs[self.name]
        self.engine: list[Change] = []
        self._shown = 0

    def compare(self, driver: Driver, step: int, seen: int) -> None:
        """Compare what was sent in a step with what the reference sent for its events.

        Args:
            driver: The engine.
            step: The number of the step.
            seen: How many events it has seen.

        Raises:
            CheckFailed: If they differ.
        """
        made = [(without_why(row), diff) for row, diff in driver.changes(self.name, step=step)]
        first = self._shown
        while self._shown < len(self.told.rows) and self.told.events[self._shown] < seen:
            self._shown += 1
        if self.updating:
            if not self.expires:
                check_step(made, self.key, f'the output "{self.name}"')
            self._compare_tables(made)
        elif self.changelog:
            if self.has_ops:
                self._compare_tables([as_change(row) for row, _ in made])
        else:
            self._compare_rows([row for row, _ in made], self.told.rows[first : self._shown])

    def _compare_tables(self, made: Sequence[Change]) -> None:
        self.engine += made
        what = f'the output "{self.name}" of the engine'
        rows = fold(self.engine, what)
        if self.updating and not self.expires:
            check_key(rows, self.key, what)
        self.engine = [(row, 1) for row in rows]
        told: list[Change] = [(without_why(row.values), row.diff) for row in self.told.rows[: self._shown]]
        if not self.updating:
            told = [as_change(row) for row, _ in told]
        self._differ(fold(told, f'the output "{self.name}" of the reference'), rows, "the Table")

    def _compare_rows(self, made: Sequence[dict[str, Any]], told: Sequence[Row]) -> None:
        plain = [without_why(row.values) for row in told]
        self._differ(plain, made, "what is sent")
        if self.ordered:
            for number, (left, right) in enumerate(zip(plain, made, strict=True)):
                if not rows_close(left, right, self.within):
                    shown = f"reference:\n{table(plain)}\nengine:\n{table(made)}"
                    raise CheckFailed(f'the output "{self.name}": row {number + 1} is out of order\n{shown}')

    def _differ(self, told: Sequence[dict[str, Any]], made: Sequence[dict[str, Any]], what: str) -> None:
        found = difference(told, made, self.within, ("the reference", "the engine"))
        if found:
            raise CheckFailed(f'{what} in the output "{self.name}" differs\n{found}')


def without_why(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the reasons of its refusal: they are the engine's words."""
    return {name: value for name, value in row.items() if name != WHY} if WHY in row else row


def as_change(row: dict[str, Any]) -> Change:
    """A row of a changelog as the change that it stands for."""
    return {name: value for name, value in row.items() if name != "op"}, OPS[row["op"]]


# -- refused rows --------------------------------------------------------------


def compare_refused(case: Case, driver: Driver, told: Told) -> None:
    """Compare late and bad rows that no output takes, with their places.

    Raises:
        CheckFailed: If they differ.
    """
    tapped = {(id(node.input), node.port) for node in told.nodes if isinstance(node, Refused)}
    index = {id(node): i for i, node in enumerate(told.nodes)}
    for made in driver.plan.nodes:
        if _depends_on_cut(made):
            continue
        for port in ("late", "errors"):
            of_node = [node for node in made.nodes if port in node.refuses and (id(node), port) not in tapped]
            # A run of stateless nodes refuses rows as they came into it; the reference, as they reached the verb.
            whole = len(made.nodes) == 1
            expected = [
                placed(row, driver, whole=whole) for node in of_node for row in told.refused[index[id(node)], port].rows
            ]
            deltas = driver.refused(port)
            found = [told_by_why(row, whole=whole) for physical, row in deltas if physical is made]
            differs = difference(expected, found, case.within, ("the reference", "the engine"))
            if differs:
                raise CheckFailed(f"what {made.label} refuses as {port} differs\n{differs}")


def placed(row: Row, driver: Driver, *, whole: bool) -> dict[str, Any]:
    """A refused row of the reference: its values (if they are comparable) and its place."""
    source, split, offset = row.place or (None, None, None)
    names = (
        (driver.reads[source].name, driver.engine.split_names[source][split or 0])
        if source is not None
        else (None,) * 2
    )
    values = without_why(row.values) if whole else {}
    return {**values, "(source)": names[0], "(split)": names[1], "(offset)": offset}


def told_by_why(row: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """A refused row of the engine: its values (if they are comparable) and its place."""
    why = row[WHY]
    values = without_why(row) if whole else {}
    return {**values, "(source)": why["source"], "(split)": why["split"], "(offset)": why["offset"]}


# -- watermarks and counts -----------------------------------------------------


def compare_watermarks(driver: Driver, told: Told) -> None:
    """Compare how far event time has come at every node.

    Raises:
        CheckFailed: If it differs.
    """
    index = {id(node): i for i, node in enumerate(told.nodes)}
    for made in driver.plan.nodes:
        expected = told.watermarks.get(index[id(made.node)])
        found = driver.engine.watermarks[made.index]
        if expected is not None and found != expected:
            raise CheckFailed(
                f"the watermark of {made.label} ends at {instant_text(found)} in the engine, "
                f"at {instant_text(expected)} in the reference"
            )


def check_counts(driver: Driver) -> None:
    """What leaves by a port is what everyone takes who reads from it.

    Raises:
        CheckFailed: If counts do not add up.
    """
    expected: Counter[int] = Counter()
    for made in driver.plan.nodes:
        for port, edges in made.edges.items():
            for edge in edges:
                expected[edge.node] += driver.engine.metrics[made.index].rows_out[port]
    for made in driver.plan.nodes:
        found = driver.engine.metrics[made.index]
        if made.inputs and found.rows_in != expected[made.index]:
            raise CheckFailed(f"{made.label} took {found.rows_in} rows of {expected[made.index]} that were sent to it")
        if made.node.verb in ("read", "watermark", "expect", "inspect", "refused", "write", "union"):
            left = sum(found.rows_out.values())
            if len(made.nodes) == 1 and left != found.rows_in:
                raise CheckFailed(f"{made.label} took {found.rows_in} rows, and {left} left it")


def compare_counts(driver: Driver, told: Told) -> None:
    """Compare how many rows every node took and gave, where that does not depend on the cut.

    Raises:
        CheckFailed: If a number differs.
    """
    index = {id(node): i for i, node in enumerate(told.nodes)}
    for made in driver.plan.nodes:
        if _depends_on_cut(made):
            continue
        metrics = driver.engine.metrics[made.index]
        first, last = index[id(made.nodes[0])], index[id(made.node)]
        pairs = [("in", told.taken[first], metrics.rows_in), ("out", told.given[last, "out"], metrics.rows_out["out"])]
        for port in ("late", "errors"):
            count = sum(told.given[index[id(node)], port] for node in made.nodes)
            pairs.append((port, count, metrics.rows_out[port]))
        for what, expected, found in pairs:
            if expected != found:
                raise CheckFailed(f"{made.label}: {found} rows {what} in the engine, {expected} in the reference")


def _depends_on_cut(made: PhysicalNode) -> bool:
    nodes: list[Node] = [*made.nodes, *made.nodes[0].inputs]
    return any(node.facts.mode == UPDATING for node in nodes) or is_changelog(made.node)
