"""A pipeline and what happens to it: from what a test writes to plans over inputs that a Driver is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.api.stream import Stream, stream
from penstock.core.errors import PlanError, one_of
from penstock.operators.read import Read
from penstock.operators.watermark import Watermark
from penstock.operators.write import Write
from penstock.plan.explain import as_text
from penstock.plan.node import UPDATING, Node, rebuild, walk
from penstock.plan.pipeline import Pipeline, output_name
from penstock.plan.watermark import Scripted
from penstock.testing.compare import Tolerance
from penstock.testing.notation import Drawn
from penstock.testing.scene import Input, Kept, Pushed, Scene, story

NAME = "check"


@dataclass(frozen=True)
class Case:
    """A pipeline whose sources are pushed, and what is pushed.

    Attributes:
        pipeline: The plan.
        scene: Its inputs, in the order of its sources.
    """

    pipeline: Pipeline
    scene: Scene

    @property
    def within(self) -> Tolerance:
        """How far apart floats of two runs may be, by the magnitudes of all numbers that come in."""
        magnitudes = sum(
            _magnitude(value)
            for one in self.scene.inputs
            for rows in one.splits
            for row in rows
            for value in row.values()
        )
        return Tolerance.of_sum(magnitudes)

    def with_ticks(self, ticks: tuple[tuple[int, int], ...]) -> Case:
        """The same case under a clock that moves; see `Scene`."""
        return replace(self, scene=replace(self.scene, ticks=ticks))

    def __repr__(self) -> str:
        inputs = "\n".join(f"{one.name} ({one.policy or 'no watermark'}): {one.schema}" for one in self.scene.inputs)
        return f"<Case\n{as_text(self.pipeline)}\n{inputs}\n{story([self.scene.events()])}\n>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # What Hypothesis shows of a failing example.
        printer.text(repr(self))

    def with_outputs(self, outputs: tuple[Node, ...]) -> Case:
        """The same inputs under a rewritten plan, which may meet its sources in another order."""
        pipeline = self.pipeline.with_outputs(outputs)
        return Case(pipeline, replace(self.scene, inputs=tuple(_in_order(pipeline, self.scene.inputs))))


def _magnitude(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return abs(float(value))
    if isinstance(value, (list, tuple)):
        return sum(_magnitude(item) for item in value)
    return 0.0


def case_of(
    build: Callable[..., Any] | Pipeline,
    given: Any,
    *,
    event_time: str = "at",
    watermark: Any = None,
    ends: bool = True,
    order: Sequence[tuple[int, int]] = (),
) -> Case:
    """The case of a function from streams to a stream (or several), or of a pipeline.

    Args:
        build: What is tested.
        given: One input, a list of inputs, or inputs by name; see `Input.of`.
        event_time: The event-time column of inputs that have it.
        watermark: The watermark policy of inputs without watermark lines.
        ends: Whether the inputs end after their last rows.
        order: In which order rows come, as pairs of indices: input and split; see `Scene`.

    Raises:
        PlanError: If inputs and plan do not fit, or the plan cannot be built.
    """
    if isinstance(build, Pipeline):
        return _of_pipeline(build, given, ends, order)
    named = _by_name(given)
    inputs = [Input.of(one, name, event_time=event_time, watermark=watermark, ends=ends) for name, one in named.items()]
    streams = {one.name: stream(one.node()) for one in inputs}
    built = build(**streams) if isinstance(given, Mapping) else build(*streams.values())
    outputs = [_written(name, one) for name, one in _outputs_by_name(built).items()]
    pipeline = Pipeline(NAME, *outputs)
    return Case(pipeline, _scene(pipeline, inputs, order))


def _by_name(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, list) and given and not isinstance(given[0], Mapping):
        return {f"input{i + 1}": one for i, one in enumerate(given)}
    return {"input": given}


def _outputs_by_name(built: Any) -> dict[str, Any]:
    if isinstance(built, Mapping):
        return dict(built)
    if isinstance(built, (list, tuple)):
        return {f"output{i + 1}": one for i, one in enumerate(built)}
    return {"output": built}


def _written(name: str, built: Any) -> Write:
    if isinstance(built, Stream):
        return Write(input=built.node, sink=Kept(), name=name)
    node = getattr(built, "node", built)
    if isinstance(node, Write):
        return replace(node, sink=Kept())
    raise PlanError(f"a check needs a Stream or a Table, found {built!r}", hint="return what the last verb gives")


def _scene(pipeline: Pipeline, inputs: Sequence[Input], order: Sequence[tuple[int, int]]) -> Scene:
    """The scene in the order of the plan's sources; `order` speaks of the inputs as given."""
    chosen = _in_order(pipeline, inputs)
    places = {one.name: i for i, one in enumerate(chosen)}
    moved = [(places[inputs[source].name], split) for source, split in order if inputs[source].name in places]
    return Scene(tuple(chosen), tuple(moved))


def _in_order(pipeline: Pipeline, inputs: Sequence[Input]) -> list[Input]:
    names = [node.name for node in pipeline.nodes() if isinstance(node, Read)]
    by_name = {one.name: one for one in inputs}
    if len(set(names)) != len(names):
        raise PlanError("two sources have one name, or one source is read twice", hint='say ps.read(..., name="...")')
    return [by_name[name] for name in names]


def _of_pipeline(pipeline: Pipeline, given: Any, ends: bool, order: Sequence[tuple[int, int]]) -> Case:
    reads = {node.name: node for node in pipeline.nodes() if isinstance(node, Read)}
    if not isinstance(given, Mapping) or set(given) != set(reads):
        raise PlanError(f"the pipeline reads {', '.join(reads)}: give a dict of inputs by these names")
    times = {below.name: node for node in pipeline.nodes() if isinstance(node, Watermark) for below in _reads(node)}
    inputs = {name: _for_read(reads[name], one, times.get(name), ends) for name, one in given.items()}

    def change(node: Node) -> Node:
        if isinstance(node, Read):
            source = Pushed(name=node.name, columns=node.columns, ends=node.source.bounded)
            return replace(node, source=source)
        if isinstance(node, Watermark):
            policy = inputs[_reads(node)[0].name].policy
            return replace(node, policy=policy) if isinstance(policy, Scripted) else node
        return replace(node, sink=Kept()) if isinstance(node, Write) else node

    changed = pipeline.with_outputs(rebuild(pipeline.outputs, change))
    return Case(changed, _scene(changed, list(inputs.values()), order))


def _reads(node: Node) -> list[Read]:
    return [below for below in walk(node) if isinstance(below, Read)]


def _for_read(read: Read, given: Any, time: Watermark | None, ends: bool) -> Input:
    parts = given if isinstance(given, tuple) else (given,)
    types = {f.name: f.dtype for f in read.columns}
    for part in parts:
        if isinstance(part, Drawn):
            for name in part.schema.names:
                if name not in types:
                    raise one_of(f'column of the source "{read.name}"', name, types)
    found = Input.of(given, read.name, event_time="", ends=ends) if not _drawn(parts) else None
    rows = (
        found.splits
        if found is not None
        else tuple(tuple(_filled(row, types) for row in p.typed(types)) for p in parts)
    )
    marks = tuple((i, *mark) for i, part in enumerate(parts) if isinstance(part, Drawn) for mark in part.marks)
    if marks and time is None:
        raise PlanError(f'the input of "{read.name}" has watermark lines, and the plan no event time of it')
    policy = Scripted(marks) if marks else time.policy if time else None
    return Input(read.name, read.columns, rows, time.time if time else None, policy, ends, read.source.bounded)


def _drawn(parts: Sequence[Any]) -> bool:
    return all(isinstance(part, Drawn) for part in parts)


def _filled(row: dict[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in types}


def is_ordered(output: Node) -> bool:
    """Whether the order of an output's rows does not depend on the cut: no union of what is sent at firings."""
    for node in walk(output):
        if node.verb == "changelog":
            return False
        if node.verb == "interval_join" and getattr(node, "how", "") not in ("inner", "semi"):
            return False
        if node.verb == "snapshot_join" and node.inputs[1].facts.mode == UPDATING:
            return False  # the partners of one row, in the order in which they came, or came again
        if node.verb == "union" and any(below.stateful for below in walk(node)):
            return False
    return True


def is_changelog(output: Node) -> bool:
    """Whether an output holds changes as rows: how many there are depends on the cut."""
    return any(node.verb == "changelog" for node in walk(output))


__all__ = ["Case", "case_of", "is_changelog", "is_ordered", "output_name"]
