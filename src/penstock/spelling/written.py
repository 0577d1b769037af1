"""A plan cut into named chains of verbs: what all languages of verbs have in common."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from penstock.core.errors import PenstockError, UnsupportedError
from penstock.expr.user_functions import UserFunction
from penstock.plan.node import Node
from penstock.plan.pipeline import Pipeline
from penstock.spelling.said import SAME, Said
from penstock.spelling.verbs import NEVER, of_node

SOURCE = "a source"
"""Stands for a node that reads a source, and is written as one."""


@dataclass(frozen=True)
class Missing:
    """A node that a language has no spelling for.

    Attributes:
        name: What the text calls its rows, which have to be given to read the text.
        node: The node.
        reason: Why.
    """

    name: str
    node: Node
    reason: str

    def __str__(self) -> str:
        shown = f"{self.node.verb} {self.node.describe()}".strip()
        return f"{self.name} is not written ({shown}): {self.reason}"


@dataclass(frozen=True)
class Written:
    """A plan as a text.

    Attributes:
        text: The text.
        missing: The nodes that it only names.
        folder: The folder in which a text with functions must be to find their modules; None if there are none.
    """

    text: str
    missing: tuple[Missing, ...] = ()
    folder: Path | None = None

    @property
    def given(self) -> dict[str, Node]:
        """What has to be given to read the text: rows by their names."""
        return {one.name: one.node for one in self.missing if one.node.verb != "write"}

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The outputs that the text does not have."""
        return tuple(one.node for one in self.missing if one.node.verb == "write")


@dataclass
class Chains:
    """The plan of a pipeline in chains.

    Attributes:
        pipeline: The pipeline.
        reads_back: What a candidate makes of the rows below it; raises a PenstockError if it cannot be said.
        root: Why a node that reads a source cannot be written; None if it can.
        verbatim: Whether a source is called what its node is called, so that another of that name is not written.
    """

    pipeline: Pipeline
    reads_back: Callable[[Said], Node]
    root: Callable[[Any], str | None]
    verbatim: bool = False
    said: dict[int, Said | str] = field(default_factory=dict)
    used: dict[int, int] = field(default_factory=dict)
    named: dict[int, str] = field(default_factory=dict)
    order: list[Node] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    kept: list[Any] = field(default_factory=list)
    named_sources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for output in self.pipeline.outputs:
            self._visit(output.input)
            self._use(output.input)
        if self.verbatim:
            self.taken |= {str(node.name) for node in self.order if self.said[id(node)] == SOURCE}  # type: ignore[attr-defined]
        for node in self.order:
            if node.verb == "read" or isinstance(self.said[id(node)], str) or self.used.get(id(node), 0) != 1:
                self._name(node)
        for node in self.order:
            found = self.said[id(node)]
            if isinstance(found, Said):
                for other in list(found.streams())[0 if found.verb in ("late", "errors") else 1 :]:
                    self._name(other)
        for output in self.pipeline.outputs:
            self._name(output.input, str(output.name))

    def _use(self, node: Node) -> None:
        self.used[id(node)] = self.used.get(id(node), 0) + 1

    def _visit(self, node: Node) -> None:
        if id(node) in self.said:
            return
        found = self._chosen(node)
        self.said[id(node)] = found
        self.kept.append(found)
        if isinstance(found, Said):
            for below in found.streams():
                self._visit(below)
                self._use(below)
        self.order.append(node)

    def _chosen(self, node: Node) -> Said | str:
        if node.verb == "read" and node.state_name is not None:
            return Said(replace(node, state_name=None), SAME).of_state(node)
        if node.verb == "read":
            return self.root(node) or self._second(node) or SOURCE
        reason = NEVER.get(node.verb, "")
        for candidate in of_node(node):
            try:
                made = self.reads_back(candidate)
            except PenstockError as refused:
                reason = reason or refused.message
                continue
            if made.fingerprint == node.fingerprint:
                return candidate
        return reason or "no verb makes this node as it is"

    def _second(self, node: Any) -> str | None:
        """Why a source cannot be written under its name: another one has it."""
        if not self.verbatim:
            return None
        known = self.named_sources.setdefault(str(node.name), node.fingerprint)
        if known == node.fingerprint:
            return None
        return f'another source is called "{node.name}" too'

    # -- names -----------------------------------------------------------------

    def _name(self, node: Node, wish: str | None = None) -> None:
        if id(node) in self.named:
            return
        if self.verbatim and node.verb == "read" and self.said[id(node)] == SOURCE:
            self.named[id(node)] = str(node.name)  # type: ignore[attr-defined]
            return
        stem = wish or getattr(node, "name", None) or node.verb
        stem = re.sub(r"\W+", "_", str(stem)).strip("_").lower() or "rows"
        stem = f"rows_{stem}" if stem[0].isdigit() or stem in _WORDS else stem
        chosen, i = stem, 1
        while chosen in self.taken:
            i += 1
            chosen = f"{stem}_{i}"
        self.taken.add(chosen)
        self.named[id(node)] = chosen

    def chain(self, node: Node) -> tuple[Node, list[Said]]:
        """The named rows that a chain begins with, and its verbs down to a node."""
        steps: list[Said] = []
        at = node
        while True:
            found = self.said[id(at)]
            if isinstance(found, str):
                return at, list(reversed(steps))
            steps.append(found)
            at = found.base
            if id(at) in self.named:
                return at, list(reversed(steps))

    def heads(self) -> Iterator[Node]:
        """The nodes that have a name, each before those that need it."""
        return (node for node in self.order if id(node) in self.named)

    def missing(self) -> tuple[Missing, ...]:
        """The nodes that are only named."""
        return tuple(
            Missing(self.named[id(node)], node, str(self.said[id(node)]))
            for node in self.heads()
            if isinstance(self.said[id(node)], str) and self.said[id(node)] != SOURCE
        )


@dataclass
class Functions:
    """The functions of a text that finds modules in its own folder only.

    Attributes:
        named: The functions by their names.
        folder: The folder; that of the first function.
    """

    named: dict[str, UserFunction] = field(default_factory=dict)
    folder: Path | None = None

    def target(self, function: UserFunction) -> str:
        """Where a function is: `module.name`.

        Raises:
            UnsupportedError: If it has no import path, or another folder than the others.
        """
        if function.ordinal or not function.qualname.isidentifier() or function.module == "__main__":
            raise UnsupportedError(f"{function.qualname} has no import path: it is not a function of a module")
        file = getattr(sys.modules.get(function.module), "__file__", None)
        if file is None:
            raise UnsupportedError(f"{function.module} is no module of a file")
        depth = function.module.count(".") + (Path(file).name == "__init__.py")
        folder = Path(file).resolve().parents[depth]
        if self.folder not in (None, folder):
            raise UnsupportedError(f"{function.module} is in another folder than the other functions")
        self.folder = folder
        return f"{function.module}.{function.qualname}"

    def name(self, function: UserFunction, taken: Container[str]) -> tuple[str, bool]:
        """What a function is called, and whether it is new.

        Raises:
            UnsupportedError: If it has no import path.
        """
        known = next((name for name, one in self.named.items() if one == function), None)
        if known is not None:
            return known, False
        self.target(function)
        name, i = function.qualname, 1
        while name in self.named or name.upper() in taken:
            i += 1
            name = f"{function.qualname}_{i}"
        self.named[name] = function
        return name, True


_WORDS = frozenset((
    "and", "as", "assert", "async", "await", "break", "class", "col", "continue", "count", "date", "def", "del",
    "elif", "else", "exact", "except", "false", "filter", "finally", "for", "from", "global", "group", "if",
    "import", "in", "is", "lambda", "lit", "none", "nonlocal", "not", "or", "order", "pass", "pipeline", "ps",
    "raise", "return", "select", "sinks", "sources", "streams", "sum", "table", "time", "timestamp", "true", "try",
    "union", "values", "when", "while", "window", "with", "yield",
))  # fmt: skip
"""Names that mean something in one of the languages."""


def same(one: Pipeline, other: Pipeline) -> bool:
    """Whether two pipelines have one name, and outputs that mean the same."""
    outputs = ({str(output.name): output.fingerprint for output in each.outputs} for each in (one, other))
    return next(outputs) == next(outputs) and one.name == other.name
