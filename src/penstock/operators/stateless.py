"""How runs of stateless operators execute: one filter and one projection, whatever their number.

A run is built from stages, first to last. Every term is rewritten over the columns that enter the run,
so that one Polars call evaluates all conditions and one more all computed columns; columns that are
only passed on are handed over as they are. A row whose evaluation fails in a stage that it reaches
leaves by `errors`, before anything else is done with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.delta import Delta, consolidate
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.expr.ast import Call, Column, Literal, Term
from penstock.expr.infer import infer
from penstock.expr.lower import Fault, lower
from penstock.operators.base import Environment, Executor, Output, StepContext
from penstock.operators.why import refuse


@dataclass
class Stage:
    """What one stateless operator does.

    Attributes:
        columns: The columns that leave it, as terms over those that enter; None = all as they are.
        predicate: Rows for which this is not true end here.
        expectations: Conditions by name; a row that breaks one is refused.
    """

    columns: tuple[tuple[str, Term], ...] | None = None
    predicate: Term | None = None
    expectations: tuple[tuple[str, Term], ...] = ()


@dataclass
class Program:
    """A run of stages over the columns of its input.

    Attributes:
        predicate: The Polars condition for rows that leave by `out`; None if all do.
        faults: Conditions for rows that leave by `errors`, first come first served.
        computed: Polars expressions of the columns that must be computed.
        passed: For columns that are handed over: output name to input name.
        order: The output columns in order.
        reads: The input columns that conditions need.
        needs: The input columns that are needed after filtering.
    """

    predicate: Any
    faults: tuple[Fault, ...]
    computed: list[Any]
    passed: dict[str, str]
    order: tuple[str, ...]
    reads: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)


def substitute(term: Term, columns: Mapping[str, Term]) -> Term:
    """The term with each column replaced by what it stands for."""
    return term.rewrite(lambda t: columns.get(t.name, t) if isinstance(t, Column) else t)


def is_plain(term: Term) -> bool:
    """Whether evaluating the term twice costs nothing."""
    return isinstance(term, (Column, Literal))


def fuses(stages: Sequence[Stage], following: Stage) -> bool:
    """Whether a stage can join a run without any term being computed twice."""
    computed: set[str] = set()
    for stage in stages:
        if stage.columns is not None:
            passed = {name for name, t in stage.columns if is_plain(t) and str(t) not in computed}
            computed = {name for name, _ in stage.columns} - passed
    uses = [term for _, term in (*(following.columns or ()), *following.expectations) if not is_plain(term)]
    uses += [following.predicate] if following.predicate is not None else []
    return not any(term.columns() & computed for term in uses)


def program(stages: Sequence[Stage], schema: Schema) -> Program:
    """Compile a run of stages over rows of a schema."""
    columns: dict[str, Term] = {name: Column(name) for name in schema.names}
    reached: Any = None
    faults: list[Fault] = []
    for stage in stages:
        if stage.predicate is not None:
            lowered = lower(infer(substitute(stage.predicate, columns), schema))
            faults += [fault.within(reached) for fault in lowered.faults]
            passes = lowered.value.fill_null(value=False)
            reached = passes if reached is None else reached & passes
        for name, expected in stage.expectations:
            lowered = lower(infer(substitute(expected, columns), schema))
            faults += [fault.within(reached) for fault in lowered.faults]
            broken = ~lowered.value.fill_null(value=False)
            faults.append(Fault(broken, f"expected {name}: {expected}").within(reached))
        if stage.columns is not None:
            new = {}
            for name, term in stage.columns:
                new[name] = substitute(term, columns)
                faults += [fault.within(reached) for fault in lower(infer(new[name], schema)).faults]
            columns = new
    passed = {name: term.name for name, term in columns.items() if isinstance(term, Column)}
    terms = {name: term for name, term in columns.items() if name not in passed}
    computed = [lower(infer(term, schema)).value.alias(name) for name, term in terms.items()]
    needs = sorted({*passed.values(), *(c for term in terms.values() for c in term.columns())})
    reads = sorted({c for stage_reads in _reads(stages, schema) for c in stage_reads})
    return Program(reached, tuple(faults), computed, passed, tuple(columns), reads, needs)


def _reads(stages: Sequence[Stage], schema: Schema) -> Iterator[set[str]]:
    columns: dict[str, Term] = {name: Column(name) for name in schema.names}
    for stage in stages:
        terms = [t for _, t in stage.expectations] + ([stage.predicate] if stage.predicate is not None else [])
        if stage.columns is not None:
            terms += [t for _, t in stage.columns if not is_plain(t)]
        for term in terms:
            yield substitute(term, columns).columns()
        if stage.columns is not None:
            columns = {name: substitute(term, columns) for name, term in stage.columns}


class StatelessExecutor(Executor):
    """Runs a program on each delta."""

    def __init__(self, stages: Sequence[Stage], schema: Schema, environment: Environment) -> None:
        self.program = program(stages, schema)
        self.environment = environment
        self.schema = schema
        conditions = [fault.condition.fill_null(value=False) for fault in self.program.faults]
        self._checks = [c.alias(f"f{i}") for i, c in enumerate(conditions)]
        self._conditions = list(self._checks)
        self.changes_rows = any(stage.columns is not None for stage in stages)
        if self.program.predicate is not None:
            self._conditions.append(self.program.predicate.alias("keep"))

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Filter and project; see `Executor.step`."""
        (delta,) = inputs
        if delta is None or delta.length == 0:
            return
        if self._conditions:
            found = _evaluate(delta, self.program.reads, self._conditions)
            keep = found.get("keep")
            if self._checks:
                refused = self._refused(found)
                if refused is not None:
                    yield "errors", self._errors(delta.filter(refused), refused, found)
                    good = ~refused
                    keep = good if keep is None else keep & good
            if keep is not None:
                delta = delta.filter(keep, self.program.needs)
        if delta.length:
            projected = self._project(delta)
            if self.changes_rows and projected.diff is not None:
                # Rows that differed below may be equal now: a change that changes nothing is none.
                projected = consolidate(projected)
            if projected.length:
                yield "out", projected

    def _project(self, delta: Delta) -> Delta:
        program = self.program
        columns = delta.columns
        made = {n: columns[s] if n == s else columns[s].alias(n) for n, s in program.passed.items()}
        if program.computed:
            result = _evaluate(delta, program.needs, program.computed)
            made |= result
        return delta.with_columns({name: made[name] for name in program.order})

    def _refused(self, found: Mapping[str, pl.Series]) -> pl.Series | None:
        total: pl.Series | None = None
        for i in range(len(self._checks)):
            failed = found[f"f{i}"]
            if failed.any():
                total = failed if total is None else total | failed
        return total

    def _errors(self, bad: Delta, refused: pl.Series, found: Mapping[str, pl.Series]) -> Delta:
        """The refused rows, each with the first of its faults."""
        first = np.zeros(bad.length, np.int64)
        for i in reversed(range(len(self._checks))):
            first[found[f"f{i}"].filter(refused).to_numpy()] = i
        texts = pl.Series([fault.reason for fault in self.program.faults], dtype=pl.String)
        reasons = texts.gather(pl.Series(first))
        told = {f"t{i}": fault.told for i, fault in enumerate(self.program.faults) if fault.told is not None}
        met = {name: text for name, text in told.items() if (first == int(name[1:])).any()}
        if met:
            named = _evaluate(bad, self.program.reads, [text.alias(name) for name, text in met.items()])
            for name in met:
                reasons = named[name].zip_with(pl.Series(first == int(name[1:])), reasons)
        return refuse(bad, reasons, self.environment)


def _evaluate(delta: Delta, names: Sequence[str], expressions: Sequence[Any]) -> dict[str, pl.Series]:
    """The series of some expressions over columns of a delta, each as long as the delta."""
    frame = delta.frame(names) if names else pl.Series("", [None]).new_from_index(0, delta.length).to_frame()
    try:
        result = frame.select_seq(expressions).get_columns()
    except pl.exceptions.ShapeError:
        # Polars 2.1 makes one row of a `when` whose conditions are false everywhere, and does not repeat it.
        result = [frame.select_seq(one).to_series() for one in expressions]
    return {s.name: s if len(s) == delta.length else s.new_from_index(0, delta.length) for s in result}


def and_all(terms: Sequence[Term]) -> Term | None:
    """The conjunction of conditions; None if there is none."""
    result: Term | None = None
    for term in terms:
        result = term if result is None else Call("and", (result, term))
    return result
