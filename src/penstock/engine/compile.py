"""From a plan to what runs: stateless runs fused, an executor per node, edges by port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.core.errors import InvariantError
from penstock.operators.base import Environment, Executable, Executor
from penstock.operators.expect import Expect
from penstock.operators.filter import Filter
from penstock.operators.read import Read
from penstock.operators.refused import Refused
from penstock.operators.select import Select
from penstock.operators.stateless import StatelessExecutor, fuses
from penstock.plan.node import Node, walk
from penstock.plan.pipeline import Pipeline, identities

if TYPE_CHECKING:
    from concurrent.futures import Executor as Pool

Stateless = (Select, Filter, Expect)


@dataclass
class Edge:
    """Where the rows of a port go.

    Attributes:
        node: The index of the physical node that reads them.
        port: Which of its inputs.
    """

    node: int
    port: int


@dataclass
class PhysicalNode:
    """A node as it runs.

    Attributes:
        index: Its place in the order of execution.
        nodes: The plan nodes it stands for: one, or a run of stateless ones.
        identity: The stable identity of the last of them.
        executor: What runs it.
        inputs: The indices of the physical nodes it reads.
        edges: By port, where rows go.
    """

    index: int
    nodes: tuple[Executable, ...]
    identity: str
    executor: Executor
    inputs: tuple[int, ...]
    edges: dict[str, list[Edge]] = field(default_factory=lambda: defaultdict(list))

    @property
    def node(self) -> Executable:
        """The plan node whose rows leave it."""
        return self.nodes[-1]

    @property
    def label(self) -> str:
        """What it is called in reports."""
        return " + ".join(node.verb for node in self.nodes)


@dataclass
class PhysicalPlan:
    """All nodes in the order of execution.

    Attributes:
        pipeline: The pipeline.
        nodes: The nodes.
        reads: The indices of the sources among them, in the order of their numbers in positions.
        writes: The indices of the sinks among them, in the order of the pipeline's outputs.
    """

    pipeline: Pipeline
    nodes: list[PhysicalNode]
    reads: list[int]
    writes: list[int]


def compile_plan(
    pipeline: Pipeline,
    splits: Sequence[Sequence[str]],
    *,
    shards: int = 1,
    pool: Pool | None = None,
    seed: int = 0,
) -> PhysicalPlan:
    """The physical plan of a pipeline.

    Args:
        pipeline: The pipeline, already optimised.
        splits: For each source, in the order of `sources_of`, the names of its splits.
        shards: Over how many shards keys are spread.
        pool: Threads for shards of large steps.
        seed: Seeds hash indices; results do not depend on it.
    """
    order = list(walk(*pipeline.outputs))
    names = identities(pipeline.outputs)
    reads = sources_of(pipeline)
    numbers = {id(node): i for i, node in enumerate(reads)}
    source_names = [(read.name, list(found)) for read, found in zip(reads, splits, strict=True)]
    runs = _runs(order)
    index: dict[int, int] = {}
    nodes: list[PhysicalNode] = []
    for run in runs:
        environment = Environment(
            shards=shards,
            pool=pool,
            source_names=source_names,
            splits=[(numbers[id(r)], i) for r in _below(run[0], reads) for i in range(len(splits[numbers[id(r)]]))],
            seed=seed,
        )
        inputs = tuple(index[id(below)] for below in run[0].inputs)
        made = PhysicalNode(len(nodes), run, names[id(run[-1])], _executor(run, environment), inputs)
        for node in run:
            index[id(node)] = made.index
        nodes.append(made)
        port = run[0].port if isinstance(run[0], Refused) else "out"
        for i, below in enumerate(inputs):
            nodes[below].edges[port].append(Edge(made.index, i))
    return PhysicalPlan(
        pipeline,
        nodes,
        [index[id(read)] for read in reads],
        [index[id(output)] for output in pipeline.outputs],
    )


def sources_of(pipeline: Pipeline) -> list[Read]:
    """The sources of a pipeline, in the order that numbers them in positions."""
    return [node for node in walk(*pipeline.outputs) if isinstance(node, Read)]


def _below(node: Node, reads: Sequence[Read]) -> list[Read]:
    reached = {id(below) for below in walk(node)}
    return [read for read in reads if id(read) in reached]


def _executor(run: tuple[Executable, ...], environment: Environment) -> Executor:
    if len(run) == 1:
        return run[0].executor(environment)
    stages = [node.stage() for node in run if isinstance(node, Stateless)]
    return StatelessExecutor(stages, run[0].inputs[0].schema, environment)


def _runs(order: Sequence[Node]) -> list[tuple[Executable, ...]]:
    """The plan cut into what runs together: chains of stateless nodes that nobody else reads into."""
    readers: dict[int, list[Node]] = defaultdict(list)
    for node in order:
        for below in node.inputs:
            readers[id(below)].append(node)
    runs: list[tuple[Executable, ...]] = []
    ends: dict[int, int] = {}
    for node in order:
        if not isinstance(node, Executable):
            raise InvariantError(f'"{node.verb}" cannot run')
        only = node.inputs[0] if len(node.inputs) == 1 else None
        place = ends.get(id(only))
        if place is not None and isinstance(node, Stateless) and _joins(runs[place], node, readers):
            runs[place] = (*runs[place], node)
        else:
            place = len(runs)
            runs.append((node,))
        if isinstance(node, Stateless):
            ends[id(node)] = place
    return runs


def _joins(run: tuple[Executable, ...], node: Executable, readers: dict[int, list[Node]]) -> bool:
    last = run[-1]
    if len(readers[id(last)]) != 1:
        return False  # somebody else reads its rows, or its errors
    if any(isinstance(reader, Refused) for reader in readers[id(node)]):
        return False  # its refused rows have the columns of its own input
    assert isinstance(node, Stateless)
    return fuses([one.stage() for one in run if isinstance(one, Stateless)], node.stage())
