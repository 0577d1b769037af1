"""`penstock replay`: the steps of stored epochs again."""

from __future__ import annotations

from collections.abc import Callable

from penstock.checkpoint.ledger import Ledger
from penstock.cli import terminal, wording
from penstock.cli.stored import stored_pipeline
from penstock.cli.tables import table
from penstock.core.delta import Delta
from penstock.core.errors import one_of
from penstock.core.timespan import instant_text
from penstock.engine.compile import PhysicalNode
from penstock.engine.replay import Replay, Told
from penstock.engine.standing import folder_of, opened


class Edge:
    """Prints the rows that leave an operator, some of them."""

    def __init__(self, name: str, rows: int) -> None:
        self.name = name
        self.left = rows

    def __call__(self, made: PhysicalNode, port: str, delta: Delta) -> None:
        """Print, if it is the edge that is looked at."""
        if self.name not in (made.identity, f"{made.identity}.{port}") or self.left <= 0:
            return
        frame = delta.frame().head(self.left)
        self.left -= frame.height
        signs = ["+"] * frame.height if delta.diff is None else ["+" if d > 0 else "-" for d in delta.diff]
        rows = [(port, sign, *row) for sign, row in zip(signs, frame.rows(), strict=False)]
        for line in table(("port", "", *frame.columns), rows):
            terminal.out(f"    {line}")


def replay_job(job: str, *, begin: int | None, to: int | None, edge: str | None, file: str | None, rows: int) -> None:
    """Run stored steps again and tell of each.

    Args:
        job: The job.
        begin: The epoch to begin with; None = the oldest that is kept.
        to: The last step to run; None = all that are stored.
        edge: The operator whose rows are shown, perhaps with a port.
        file: The program, for plans that cannot be rebuilt from what is stored.
        rows: How many rows to show in all.

    Raises:
        UnknownNameError: If there is no such operator.
        StateError: If what is asked for is not kept, or damaged.
    """
    folder = folder_of(job)
    pipeline = stored_pipeline(folder, file)
    watch: Callable[[PhysicalNode, str, Delta], None] | None = Edge(edge, rows) if edge else None
    with opened(folder) as store:
        replay = Replay(pipeline, Ledger(store, pipeline.name), begin, watch=watch)
        try:
            _require_edge(replay, edge)
            terminal.tell(f"from epoch {replay.begin}, step {replay.engine.steps}")
            for step in replay.entries():
                if isinstance(step, Told):
                    terminal.out(f"epoch {step.epoch}  {_told(step)}")
                    continue
                moment, taken = instant_text(step.now), wording.rows(step.rows)
                terminal.out(f"epoch {step.epoch}  step {step.number}  {moment}  {taken}")
                if to is not None and step.number >= to:
                    break
            for node in replay.engine.statistics():
                if node.state_rows:
                    terminal.out(f"{node.identity}: {wording.rows(node.state_rows)} of state")
        finally:
            replay.close()


def _told(entry: Told) -> str:
    now, name, argument = entry.command
    return f"{instant_text(now)}  told: {name}{f' {argument}' if argument is not None else ''}"


def _require_edge(replay: Replay, edge: str | None) -> None:
    names = [made.identity for made in replay.engine.plan.nodes]
    if edge is not None and not any(edge == name or edge.startswith(f"{name}.") for name in names):
        raise one_of("operator", edge, names)
