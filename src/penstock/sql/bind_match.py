"""MATCH_RECOGNIZE bound: what its names mean and of which types its columns are. Rows are not matched yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Datetime
from penstock.core.errors import UnsupportedError
from penstock.expr.ast import Column
from penstock.expr.infer import Typed
from penstock.plan.node import UPDATING
from penstock.sql import functions
from penstock.sql.bind_expression import AGGREGATES, Collected, Expressions
from penstock.sql.scope import PROCTIME, TIME, Related, Scope, ScopeColumn
from penstock.sql.syntax import Bound, Call, Constant, Expression, MatchRecognize, Name
from penstock.sql.walk import calls, mapped, walk
from penstock.sql.window_rows import rows_of_windows

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

NAVIGATION = ("FIRST", "LAST", "PREV", "NEXT")
"""Functions that go to a row of the match, or to one beside it."""
_TIMES = ("MATCH_ROWTIME", "MATCH_PROCTIME")
_NOT_YET = ("CLASSIFIER", "MATCH_NUMBER")


@dataclass(frozen=True)
class Matched:
    """A MATCH_RECOGNIZE that means something.

    Attributes:
        related: The rows that are looked at.
        time: The column that orders them.
        columns: What a match becomes: those of PARTITION BY, then the measures.
    """

    related: Related
    time: ScopeColumn
    columns: tuple[ScopeColumn, ...]


def match_recognize(binder: Queries, match: MatchRecognize, related: Related) -> Related:
    """The matches of a pattern.

    Raises:
        PlanError: If it cannot mean anything.
        UnsupportedError: If it can: there is no operator for it yet.
    """
    matched = bound(binder, match, related)
    columns = ", ".join(f"{one.name} {functions.spelled(one.dtype)}" for one in matched.columns)
    raise UnsupportedError(
        "MATCH_RECOGNIZE is read and checked, and does not run yet: the operator of patterns comes later",
        where=binder.text.where(match.at, match.end), hint=f"it would give {columns or 'no columns'}",
    )  # fmt: skip


def bound(binder: Queries, match: MatchRecognize, related: Related) -> Matched:
    """What it means, without an operator.

    Raises:
        PlanError: If it cannot mean anything.
    """
    text = binder.text
    if related.window is not None:
        related = rows_of_windows(related, binder.where(match))
    if related.node.facts.mode == UPDATING:
        raise text.error(
            "MATCH_RECOGNIZE takes rows that only come, and those of a Table change", match.at, match.end,
            hint="match before the aggregation, or group by a window",
        )  # fmt: skip
    scope = Scope(related)
    partition = _partition(binder, match, scope)
    time = _time(binder, match, scope)
    _check_pattern(binder, match)
    names = _Names(binder, match, related)
    for one in match.define:
        if one.name.name not in names.variables:
            raise text.unknown("pattern variable", one.name.name, names.variables, one.name.at)
        if [other.name.name for other in match.define].count(one.name.name) > 1:
            raise text.error(f"{one.name.name} is defined twice", one.name.at, one.name.end, hint="join them by AND")
        names.condition(one.condition)
    measures: list[ScopeColumn] = []
    taken = [one.name for one in partition]
    for measure in match.measures:
        if measure.name.name in taken:
            raise text.error(f'two columns have the name "{measure.name.name}"', measure.name.at, measure.name.end)
        taken.append(measure.name.name)
        value, role = names.measure(measure.expression, time)
        measures.append(
            ScopeColumn(measure.name.name, Column(measure.name.name), value.dtype, value.nullable, role=role)
        )
    if match.skip is not None and match.skip.variable is not None:
        variable = match.skip.variable
        if variable.name not in names.variables:
            raise text.unknown("pattern variable", variable.name, names.variables, variable.at)
        if match.skip.to == "to first" and variable.name == names.variables[0]:
            raise text.error(
                "skipping to the first row of a match would find it again for ever", match.skip.at, match.skip.end,
                hint="AFTER MATCH SKIP TO NEXT ROW",
            )  # fmt: skip
    return Matched(related, time, (*partition, *measures))


def _partition(binder: Queries, match: MatchRecognize, scope: Scope) -> tuple[ScopeColumn, ...]:
    found = []
    for one in match.partition:
        if not isinstance(one, Name):
            raise binder.text.error("PARTITION BY takes columns here", one.at, one.end, hint="name it in a subquery")
        column, fields = scope.find(one, binder.text)
        if fields:
            raise binder.text.error("PARTITION BY takes columns here", one.at, one.end, hint="name it in a subquery")
        found.append(replace(column, table=None))
    return tuple(found)


def _time(binder: Queries, match: MatchRecognize, scope: Scope) -> ScopeColumn:
    """The time attribute that orders the rows."""
    text = binder.text
    if not match.order:
        raise text.error(
            "MATCH_RECOGNIZE needs an ORDER BY a time", match.at, match.end, hint="ORDER BY ts, the event time"
        )
    first = match.order[0]
    column = None
    if isinstance(first.expression, Name):
        column, fields = scope.find(first.expression, text)
        column = None if fields else column
    related = scope.related
    if column is None or not (related.is_time(column) or column.role == PROCTIME):
        event = next((one.name for one in related.columns if related.is_time(one) and one.shown), None)
        hint = (
            f"ORDER BY {event}" if event else "WATERMARK FOR ts AS ... makes an event time, p AS PROCTIME() the other"
        )
        raise text.error("rows are matched in the order of a time attribute", first.at, first.end, hint=hint)
    if first.descending:
        raise text.error(
            "rows are matched as time goes on: ascending", first.at, first.end, hint=f"ORDER BY {column.name}"
        )
    for item in match.order[1:]:
        binder.expressions(scope, "ORDER BY").bind(item.expression)
    return column


def _check_pattern(binder: Queries, match: MatchRecognize) -> None:
    """What Flink refuses of a pattern as well."""
    text = binder.text
    names = [one.name.name for one in match.pattern]
    for i, one in enumerate(match.pattern):
        if one.name.name in names[:i]:
            raise text.unsupported(
                f"{one.name.name} is in the pattern twice: variables are unique, as in Flink", one.at, one.end,
                hint=f"another name with the same condition: {one.name.name}2",
            )  # fmt: skip
    if all(one.least == 0 for one in match.pattern):
        raise text.error(
            "the pattern fits no rows at all: a match has at least one", *match.pattern_at, hint="A+, not A*"
        )
    last = match.pattern[-1]
    if last.most is None and not last.reluctant:
        raise text.unsupported(
            f"a pattern does not end with a greedy {last.name.name}: its match would never end, as in Flink",
            last.at, last.end, hint=f"{text.sql[last.at:last.end]}?, or a variable behind it",
        )  # fmt: skip


class _Names:
    """Names inside of MEASURES and DEFINE: columns, and those behind a variable of the pattern."""

    def __init__(self, binder: Queries, match: MatchRecognize, related: Related) -> None:
        self.text, self.schema = binder.text, related.node.schema
        self.variables = [one.name.name for one in match.pattern]
        for one in related.columns:
            if one.name in self.variables:
                self._shadow(match, one.name)
        plain = [replace(one, table=None) for one in related.columns if one.shown]
        behind = [replace(one, table=v, shown=False, role="") for v in self.variables for one in plain]
        self.columns = [one.name for one in plain]
        self.binder, self.scope = binder, Scope(replace(related, columns=(*plain, *behind)))

    def _shadow(self, match: MatchRecognize, name: str) -> None:
        one = next(one for one in match.pattern if one.name.name == name)
        raise self.text.error(
            f'"{name}" is a column and a pattern variable',
            one.name.at,
            one.name.end,
            hint="another name for the variable",
        )

    def condition(self, expression: Expression) -> Typed:
        """A condition of DEFINE."""
        expressions = self._expressions("DEFINE")
        return expressions.condition(self._prepared(expression, expressions))

    def measure(self, expression: Expression, time: ScopeColumn) -> tuple[Typed, str]:
        """A measure, and whether it is a time attribute."""
        if isinstance(expression, Call) and expression.name in _TIMES and not expression.args:
            clock = expression.name == "MATCH_PROCTIME"
            if not clock and time.role == PROCTIME:
                raise self.text.error(
                    "the rows are ordered by the processing time",
                    expression.at,
                    expression.end,
                    hint="MATCH_PROCTIME()",
                )
            zone = self.binder.session.zone
            dtype: Any = Datetime("ms", zone) if clock else time.dtype
            return Typed(Column("$match"), dtype, False), PROCTIME if clock else TIME
        expressions = self._expressions("MEASURES")
        value = expressions.bind(self._prepared(expression, expressions))
        # A variable with no row in a match gives NULL.
        return replace(value, nullable=True), ""

    def _expressions(self, place: str) -> Expressions:
        made = self.binder.expressions(self.scope, place)
        return replace(made, collected=Collected(self.schema))

    def _prepared(self, expression: Expression, expressions: Expressions) -> Expression:
        for one in walk(expression):
            if isinstance(one, Name):
                self._check_name(one)
        for call in calls(expression):
            self._check_call(call)
        return self._moved(expression, expressions)

    def _check_name(self, name: Name) -> None:
        first, *rest = name.parts
        if rest and first.name not in (*self.variables, *self.columns):
            raise self.text.unknown("pattern variable", first.name, self.variables, first.at)
        if not rest and first.name in self.variables and first.name not in self.columns:
            raise self.text.error(
                f"{first.name} is a pattern variable, and no value", first.at, first.end,
                hint=f"a column of its rows: {first.name}.{self.columns[0]}",
            )  # fmt: skip

    def _check_call(self, call: Call) -> None:
        if call.name in _NOT_YET:
            raise self.text.unsupported(f"{call.name} is not offered, as in Flink", call.at, call.end)
        if call.name in _TIMES:
            raise self.text.unsupported(
                f"{call.name}() is a measure by itself, and no part of an expression", call.at, call.end,
                hint=f"MEASURES {call.name}() AS matched",
            )  # fmt: skip
        if call.name in AGGREGATES:
            if call.distinct:
                raise self.text.unsupported(
                    "an aggregate of distinct values is not offered in MATCH_RECOGNIZE, as in Flink", call.at, call.end
                )
            self._one_variable(call)
        elif call.name in NAVIGATION:
            self._one_variable(call)
            self._check_steps(call)

    def _one_variable(self, call: Call) -> None:
        """All columns of an aggregate, or of FIRST and LAST, are those of the same rows."""
        found = {
            n.parts[0].name if n.parts[0].name in self.variables else "" for n in walk(call) if isinstance(n, Name)
        }
        if len(found) > 1:
            names = ", ".join(sorted(one or "columns without a variable" for one in found))
            raise self.text.error(
                f"{call.written} takes columns of one pattern variable, found {names}", call.at, call.end,
                hint=f"{call.written}(A.x) + {call.written}(B.y)",
            )  # fmt: skip

    def _check_steps(self, call: Call) -> None:
        if not 1 <= len(call.args) <= 2:
            raise self.text.error(
                f"{call.written} takes a column, and how many rows away", call.at, call.end,
                hint=f"{call.written}(A.x), {call.written}(A.x, 1)",
            )  # fmt: skip
        if not any(isinstance(one, Name) for one in walk(call.args[0])):
            raise self.text.error(
                f"{call.written} takes a column of a row",
                call.args[0].at,
                call.args[0].end,
                hint=f"{call.written}(A.x)",
            )
        if len(call.args) == 1:
            return
        steps = call.args[1]
        if not isinstance(steps, Constant) or not isinstance(steps.value, int) or isinstance(steps.value, bool):
            raise self.text.error(
                f"{call.written} takes the number of rows as a constant",
                steps.at,
                steps.end,
                hint=f"{call.written}(A.x, 1)",
            )

    def _moved(self, expression: Expression, expressions: Expressions) -> Expression:
        """FIRST, LAST, PREV and NEXT replaced by what they give: the value of another row, or NULL."""
        if isinstance(expression, Call) and expression.name in NAVIGATION:
            inner = self._moved(expression.args[0], expressions)
            value = replace(expressions.bind(inner), nullable=True)
            return Bound(value, at=expression.at, end=expression.end)
        made: Expression = mapped(expression, lambda one: self._moved(one, expressions))
        return made
