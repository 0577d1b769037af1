"""`check`: one pipeline in every mode that the engine has, beside the reference, and beside what the test expects."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.core.timespan import duration
from penstock.operators.base import Row
from penstock.optimize import optimize
from penstock.plan.node import UPDATING, Node
from penstock.plan.pipeline import Pipeline, output_name
from penstock.testing.case import Case, case_of, is_changelog
from penstock.testing.compare import EXACT, Change, CheckFailed, Tolerance, difference, fold, with_ops
from penstock.testing.notation import OPS, Drawn
from penstock.testing.oracle import Event, Port, Told, interpret
from penstock.testing.scene import Steps, at_once, at_random, one_by_one
from penstock.testing.trial import Mode, as_change, try_out, without_why

DRAWN = 1e-9
"""How exact the floats of an expectation are: people write nine digits."""


def check(
    build: Callable[..., Any] | Pipeline,
    *,
    input: Any,
    output: Any = None,
    late: Any = 0,
    errors: Any = 0,
    event_time: str = "at",
    watermark: Any = None,
    ends: bool = True,
    order: Sequence[tuple[int, int]] = (),
    ticks: Sequence[tuple[int, Any]] = (),
    seed: int = 0,
) -> None:
    """Check what a pipeline gives, and that it gives the same however it is run.

    The reference interpreter runs the plan row by row. The engine runs it row by row, all at once and in random
    cuts, over one, two and three shards, with permuted hash seeds, and optimised; saved and restored after every
    step, and at random steps over another number of shards. Every run must agree with the reference after every step.

    Args:
        build: A function from streams (one per input) to a Stream or Table, or a list or dict of them; or a Pipeline.
        input: A drawn table `T(...)`, a Polars frame, a list of dicts or an `Input`; a tuple of these is one input of
            several splits, a list several inputs, a dict inputs by name (of a Pipeline: of its sources).
        output: What must come out: a drawn table, a Polars frame or a list of dicts; for several outputs a list or a
            dict. Order does not matter, columns may be left out. A Table's output is its final rows, or its changes row
            by row if it has a column `op` or `diff`. None: whatever the reference gives.
        late: How many rows are late, or which; None: whatever the reference says.
        errors: How many rows are refused as bad, or which; None: whatever the reference says.
        event_time: The event-time column of inputs that have it.
        watermark: The watermark policy of inputs without watermark lines; without either nothing is late.
        ends: Whether inputs end after their last row, so that all windows close.
        order: In which order rows of several inputs or splits come, as pairs (input, split); by default one after the
            other.
        ticks: When the clock moves: pairs of how many rows have come before, and by how long, such as `(3, "5 s")`.
        seed: Seeds the random cuts.

    Raises:
        CheckFailed: If anything differs.
        PlanError: If the pipeline cannot be built, or does not fit the input.
    """
    case = case_of(build, input, event_time=event_time, watermark=watermark, ends=ends, order=order)
    case = case.with_ticks(tuple((after, duration(span)) for after, span in ticks))
    told = reference(case)
    if output is not None:
        for node, expected in _expectations(case.pipeline, output):
            compare_output(case, node, told.outputs[output_name(node)], expected)
    compare_refused_with("late", told, late, case.within)
    compare_refused_with("errors", told, errors, case.within)
    agree(case, told, seed=seed)
    events = case.scene.events()
    every = dict.fromkeys(range(len(events)), 1)
    try_out(case, told, Mode("row by row, restored after every step", one_by_one(events), 1, seed, every))


def reference(case: Case) -> Told:
    """What the reference interpreter makes of a case."""
    return interpret(case.pipeline.outputs, case.scene.events(), case.scene.splits)


def agree(case: Case, told: Told | None = None, *, seed: int = 0, cuts: int = 3) -> None:
    """Check that the engine agrees with the reference in every mode, and optimised as well as not.

    Args:
        case: The pipeline and its inputs.
        told: What the reference makes of it, if that is known.
        seed: Seeds the random cuts.
        cuts: How many random cuts to try.

    Raises:
        CheckFailed: If it does not.
    """
    told = told or reference(case)
    for mode in modes(case.scene.events(), seed=seed, cuts=cuts):
        try_out(case, told, mode)
    rewritten = optimize(case.pipeline.outputs)
    if any(a is not b for a, b in zip(rewritten, case.pipeline.outputs, strict=True)):
        optimised = case.with_outputs(rewritten)
        events = optimised.scene.events()
        same = reference(optimised)
        compare_meanings(case, told, same)
        try_out(optimised, same, Mode("optimised, all at once", at_once(events), shards=2, seed=seed + 1))
        cut = at_random(events, random.Random(seed))
        try_out(optimised, same, Mode("optimised, random cut", cut, seed=seed + 2))


def modes(events: Sequence[Event], *, seed: int = 0, cuts: int = 3) -> Iterator[Mode]:
    """The modes of the engine: row by row, all at once, random cuts; over one to three shards; other hash seeds.

    Every second random cut is saved at random steps and goes on from there at others, over one to three shards.
    """
    generator = random.Random(seed)
    yield Mode("row by row", one_by_one(events), 1, seed)
    for shards in (1, 2, 3):
        yield Mode("all at once", at_once(events), shards, seed + shards)
    for number in range(cuts):
        cut = at_random(events, generator)
        pauses = at_random_steps(cut, generator) if number % 2 == 0 else {}
        yield Mode("random cut", cut, number % 3 + 1, generator.getrandbits(32), pauses)


def at_random_steps(steps: Steps, generator: random.Random) -> dict[int, int]:
    """After which steps the state is saved (0), or restored over one to three shards; about half of them."""
    drawn = {number: generator.choice((None, None, None, 0, 0, 1, 2, 3)) for number in range(len(steps))}
    return {number: shards for number, shards in drawn.items() if shards is not None}


def compare_meanings(case: Case, plain: Told, rewritten: Told) -> None:
    """Check that the optimised plan means what the plan means.

    Raises:
        CheckFailed: If it does not.
    """
    for output in case.pipeline.outputs:
        name = output_name(output)
        left, right = (_final(output, told.outputs[name]) for told in (plain, rewritten))
        found = difference(left, right, case.within, ("the plan", "the optimised plan"))
        if found:
            raise CheckFailed(f'the optimised plan means something else in the output "{name}"\n{found}')
    for port in ("late", "errors"):
        places = [{row.place for _, row in told.refused_by(port)} for told in (plain, rewritten)]
        if places[0] != places[1]:
            odd = sorted(map(str, places[0] ^ places[1]))
            raise CheckFailed(f"the optimised plan refuses other rows as {port}: (source, split, offset) {odd}")


def _final(output: Node, port: Port) -> list[dict[str, Any]]:
    changes: list[Change] = [(without_why(row.values), row.diff) for row in port.rows]
    if output.facts.mode == UPDATING:
        return fold(changes)
    if is_changelog(output):
        return fold(as_change(row) for row, _ in changes) if "op" in output.schema else []
    return [row for row, _ in changes]


# -- what the test expects -----------------------------------------------------


def _expectations(pipeline: Pipeline, output: Any) -> Iterator[tuple[Node, Any]]:
    nodes = {output_name(node): node for node in pipeline.outputs}
    if isinstance(output, Mapping):
        named = dict(output)
    elif isinstance(output, list) and (not output or not isinstance(output[0], Mapping)) and len(nodes) > 1:
        named = dict(zip(nodes, output, strict=False))
    else:
        named = {next(iter(nodes)): output}
    if set(named) != set(nodes):
        raise PlanError(f"the pipeline has the outputs {', '.join(nodes)}, found expectations of {', '.join(named)}")
    yield from ((nodes[name], expected) for name, expected in named.items())


def compare_output(case: Case, output: Node, port: Port, expected: Any) -> None:
    """Compare what the reference gave with what the test expects.

    Raises:
        CheckFailed: If they differ.
        PlanError: If the expectation has columns that the output lacks.
    """
    found = _as_expected(output, port, expected)
    types = {field.name: field.dtype for field in output.schema}
    wanted = rows_expected(expected, types)
    _compare(f'the output "{output_name(output)}"', wanted, found, case.within)


def _as_expected(output: Node, port: Port, expected: Any) -> list[dict[str, Any]]:
    """The rows of the reference in the form that the expectation asks for: changes, or what they add up to."""
    names = expected.schema.names if isinstance(expected, Drawn) else ()
    as_changes = output.facts.mode == UPDATING and ("op" in names or "diff" in names) and "op" not in output.schema
    if not as_changes:
        rows = [(without_why(row.values), row.diff) for row in port.rows]
        return fold(rows) if output.facts.mode == UPDATING else [row for row, _ in rows]
    found = []
    for changes in _by_event(port):
        found += [{**row, "diff": OPS[row["op"]]} for row in with_ops(changes, output.facts.key)]
    return found


def _by_event(port: Port) -> Iterator[list[Change]]:
    by_event: dict[int, list[Change]] = {}
    for row, event in zip(port.rows, port.events, strict=True):
        by_event.setdefault(event, []).append((row.values, row.diff))
    yield from by_event.values()


def rows_expected(expected: Any, types: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Expected rows as Python values of the types that they are compared with."""
    if isinstance(expected, Drawn):
        return expected.typed(types)
    if isinstance(expected, pl.DataFrame):
        return list(expected.rows(named=True))
    return [dict(row) for row in expected]


def _compare(what: str, wanted: list[dict[str, Any]], found: Sequence[Mapping[str, Any]], within: Tolerance) -> None:
    if not wanted:
        if found:
            shown = difference([], list(found), EXACT, ("", "the reference"))
            raise CheckFailed(f"{what}: nothing was expected\n{shown}")
        return
    names = list(wanted[0])
    for row in found:
        unknown = [name for name in names if name not in row]
        if unknown:
            raise PlanError(f"{what} has no column {', '.join(unknown)}; there are {', '.join(row)}")
    projected = [{name: row[name] for name in names} for row in found]
    shown = difference(wanted, projected, within._replace(relative=DRAWN), ("the expectation", "the reference"))
    if shown:
        raise CheckFailed(f"{what} is not what was expected\n{shown}")


def compare_refused_with(port: str, told: Told, expected: Any, within: Tolerance) -> None:
    """Compare refused rows with how many, or which, the test expects.

    Raises:
        CheckFailed: If they differ.
    """
    refused: list[tuple[Any, Row]] = told.refused_by(port)
    if expected is None:
        return
    if isinstance(expected, int):
        if len(refused) != expected:
            shown = difference([], [row.values for _, row in refused], EXACT, ("", "the reference")) or ""
            raise CheckFailed(f"{len(refused)} row(s) are refused as {port}, {expected} were expected\n{shown}")
        return
    types = {field.name: field.dtype for node, _ in refused for field in node.inputs[0].schema}
    _compare(f"what is refused as {port}", rows_expected(expected, types), [r.values for _, r in refused], within)
