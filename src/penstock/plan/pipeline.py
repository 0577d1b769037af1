"""Pipeline: named outputs as a value, and what must hold for the whole plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from penstock.core.errors import PlanError
from penstock.core.where import Where, caller
from penstock.plan.node import Node, walk

EXACTLY_ONCE = "exactly_once"
AT_LEAST_ONCE = "at_least_once"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A name and outputs: what `ps.run` runs. A value; nothing happens when it is made.

    Attributes:
        name: Letters, digits, `_`, `-` and `.`; it names the state directory.
        outputs: What `stream.write(...)` gave.
        guarantee: `"exactly_once"` or `"at_least_once"`.
        unbounded: What to do about state without a bound: `"report"` or `"error"`.
        on_error: What refused rows do: `"dead_letter"`, `"drop"` (counted) or `"fail"`.
        max_error_rate: The share of refused rows above which the pipeline fails, or None.

    Raises:
        PlanError: If the plan as a whole cannot run.
    """

    name: Any
    outputs: tuple[Any, ...]
    guarantee: str = EXACTLY_ONCE
    unbounded: str = "report"
    on_error: str = "dead_letter"
    max_error_rate: float | None = None
    where: Where | None = field(default=None, repr=False)

    def __init__(
        self,
        name: Any,
        *outputs: Any,
        guarantee: str = EXACTLY_ONCE,
        unbounded: str = "report",
        on_error: str = "dead_letter",
        max_error_rate: float | None = None,
    ) -> None:
        """See the attributes."""
        nodes = tuple(getattr(output, "node", output) for output in outputs)
        for key, value in (
            ("name", name),
            ("outputs", nodes),
            ("guarantee", guarantee),
            ("unbounded", unbounded),
            ("on_error", on_error),
            ("max_error_rate", max_error_rate),
            ("where", caller()),
        ):
            object.__setattr__(self, key, value)
        try:
            self._check()
        except PlanError as refused:
            raise refused.at(self.where) from None

    def _check(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PlanError(f"{self.name!r} cannot name a pipeline", hint="letters, digits, _ - and ., at most 100")
        if not self.outputs:
            raise PlanError(f'the pipeline "{self.name}" has no output', hint="give it stream.write(...)")
        for output in self.outputs:
            if not isinstance(output, Node) or output.verb != "write":
                kind = output.verb if isinstance(output, Node) else type(output).__name__
                hint = "end it with .write(sink)"
                if isinstance(output, (list, tuple)):
                    hint = 'outputs are arguments: ps.Pipeline("name", one, other), or *outputs'
                raise PlanError(f'an output must be written somewhere, found "{kind}"', hint=hint)
        _one_of("guarantee", self.guarantee, (EXACTLY_ONCE, AT_LEAST_ONCE))
        _one_of("unbounded", self.unbounded, ("report", "error"))
        _one_of("on_error", self.on_error, ("dead_letter", "drop", "fail"))
        names = [output_name(output) for output in self.outputs]
        for name in names:
            if names.count(name) > 1:
                raise PlanError(f'two outputs have the name "{name}"', hint='say .write(sink, name="...")')
        check_places(self.outputs)
        if self.unbounded == "error":
            for growth in self.growing():
                raise PlanError(f"state without bound: {growth}", hint='.state("name", ttl="7 days"), or a window')

    def nodes(self) -> Iterator[Node]:
        """All nodes, inputs first."""
        return walk(*self.outputs)

    def growing(self) -> Iterator[str]:
        """The states that have no bound, for people."""
        for _, what in self.grown():
            yield what

    def grown(self) -> Iterator[tuple[Node, str]]:
        """The nodes whose state has no bound, and what grows, for people."""
        for node in self.nodes():
            if all(i.facts.bounded for i in node.inputs):
                continue
            if getattr(node, "ttl", None) is not None and not hasattr(node, "ttl_right"):
                continue
            if hasattr(node, "unbounded_state"):
                if node.unbounded_state is not None:
                    yield node, f"{node.verb} keeps {node.unbounded_state}"
            elif node.grows:
                keys = getattr(node, "keys", ()) or node.facts.key or ()
                yield node, f"{node.verb} by {', '.join(keys)}: one entry per key, for ever"

    def with_outputs(self, outputs: tuple[Node, ...]) -> Pipeline:
        """The same pipeline over a rewritten plan."""
        return Pipeline(
            self.name,
            *outputs,
            guarantee=self.guarantee,
            unbounded=self.unbounded,
            on_error=self.on_error,
            max_error_rate=self.max_error_rate,
        )


def check_places(outputs: tuple[Any, ...]) -> None:
    """No two outputs write to one place.

    Raises:
        PlanError: If two do.
    """
    seen: dict[str, str] = {}
    for output in outputs:
        place = output.sink.place
        if place is not None and place in seen:
            raise PlanError(
                f'the outputs "{seen[place]}" and "{output_name(output)}" write to {place}',
                where=output.where,
                hint="give each its own, or .union() the streams",
            )
        if place is not None:
            seen[place] = output_name(output)


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise PlanError(f'{what} is one of {", ".join(known)}, found "{value}"')


def output_name(node: Node) -> str:
    """The name of an output."""
    return str(getattr(node, "name", node.verb))


def identities(outputs: tuple[Node, ...]) -> dict[int, str]:
    """The stable identity of every node, by the node's `id`.

    It is the name of its state, else its verb and its ordinal on the path from its output: never its
    parameters, so that a changed parameter finds its state again.
    """
    found: dict[int, str] = {}
    taken: set[str] = set()

    def visit(node: Node, path: str, counts: dict[str, int]) -> None:
        if id(node) in found:
            return
        ordinal = counts.get(node.verb, 0) + 1
        counts = {**counts, node.verb: ordinal}
        name = node.state_name or f"{path}/{node.verb}-{ordinal}"
        if name in taken:
            if node.state_name:
                raise PlanError(f'two states have the name "{name}"', where=node.where)
            name = f"{name}+{len(taken)}"
        taken.add(name)
        found[id(node)] = name
        for i, below in enumerate(node.inputs):
            visit(below, path if len(node.inputs) == 1 else f"{path}.{i}", counts)

    for output in outputs:
        visit(output, output_name(output), {})
    return found
