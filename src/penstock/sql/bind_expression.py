"""Expressions bound to terms: names to columns, calls to functions of the plan, literals to constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.dtypes import Boolean, Duration, List, Map, Null, String, Struct
from penstock.core.errors import PlanError, UnknownNameError, nearest
from penstock.core.schema import Schema
from penstock.expr.ast import Aggregation, Apply, Column, Term
from penstock.expr.infer import Typed, infer_aggregation
from penstock.sql import aggregates, exact, functions, terms
from penstock.sql.scope import Scope
from penstock.sql.syntax import (
    Bound,
    Call,
    CaseWhen,
    CastTo,
    Constant,
    Exists,
    Expression,
    Field,
    InQuery,
    Interval,
    Name,
    Scalar,
    Star,
)
from penstock.sql.text import Text
from penstock.sql.types import SqlType, dtype_of, spelled

WINDOW_CALLS = frozenset(
    f"{kind}{part}" for kind in ("TUMBLE", "HOP", "SESSION") for part in ("", "_START", "_END", "_ROWTIME", "_PROCTIME")
)
"""The functions of the old form of windows, in GROUP BY."""

RANKS = ("ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE")
_WORD_LAST = ("FLOOR", "CEIL", "CEILING")
_LONGEST_HINT = 200
AGGREGATES = frozenset({*aggregates.NAMES, *aggregates.NOT_YET})
"""The names of all aggregates of Flink."""
HIDDEN = "$"
"""Columns of the binder's own begin with this; no name of SQL does unless it is quoted."""


@dataclass
class Collected:
    """The aggregates of one SELECT.

    Attributes:
        terms: Each under the name of the column that it becomes.
        calls: Where OVER or grouping functions were found: `(column, call)`.
        replaced: Columns that stand for a call as a whole: those of OVER and of windows.
    """

    schema: Schema
    terms: list[tuple[str, Term]] = field(default_factory=list)

    def add(self, term: Aggregation) -> Typed:
        """The column that an aggregate becomes."""
        typed, _ = infer_aggregation(term, self.schema)
        name = next((known for known, other in self.terms if other == term), None)
        if name is None:
            name = f"{HIDDEN}a{len(self.terms)}"
            self.terms.append((name, term))
        return Typed(Column(name), typed.dtype, typed.nullable)


@dataclass
class Expressions:
    """Binds expressions in a scope.

    Attributes:
        text: The text that they are of, for errors.
        scope: What names mean.
        session: The zone.
        collected: Where aggregates go; None where none may be.
        place: What the expression is for, for errors: `WHERE`.
        standing: Calls that stand for a column as a whole: those of OVER, of windows, and queries in brackets.
        udfs: Functions of the user.
        applies: Whether a call of one is a part of the term: verbs of Python make a node of it.
    """

    text: Text
    scope: Scope
    session: functions.Session
    collected: Collected | None = None
    place: str = "this place"
    standing: list[tuple[Expression, Typed]] = field(default_factory=list)
    udfs: dict[str, Any] = field(default_factory=dict)
    inside: bool = False
    applies: bool = False

    def bind(self, expression: Expression) -> Typed:
        """The typed term of an expression.

        Raises:
            PlanError: If it cannot mean anything, with its place.
        """
        for known, value in self.standing:
            if known == expression:
                return value
        try:
            return self._bind(expression)
        except PlanError as refused:
            if refused.where is None or refused.where.snippet is None:
                refused.where = self.text.where(expression.at, expression.end)
            raise

    def condition(self, expression: Expression) -> Typed:
        """A condition: a BOOLEAN."""
        found = self.bind(expression)
        if found.dtype not in (Boolean, Null):
            raise self.text.error(
                f"{self.place} takes a condition, found {spelled(found.dtype)}", expression.at, expression.end,
                hint="compare it: x > 0, x IS NOT NULL",
            )  # fmt: skip
        return found

    def _bind(self, expression: Expression) -> Typed:
        match expression:
            case Constant(value, kind):
                return self._constant(value, kind)
            case Interval():
                return self._interval(expression)
            case Bound(value):
                made: Typed = value
                return made
            case Name():
                return self._name(expression)
            case Call():
                return self._call(expression)
            case CaseWhen():
                return self._case(expression)
            case CastTo(inner, kind, lenient):
                return self._cast(expression, inner, kind, lenient)
            case Field(inner, name):
                return self._field(self.bind(inner), name.name, name.at)
            case Scalar() | Exists() | InQuery():
                raise self.text.unsupported(
                    f"a query in {self.place} is not offered here", expression.at, expression.end,
                    hint="queries may be in FROM, and as conditions joined by AND in WHERE",
                )  # fmt: skip
            case Star():
                raise self.text.error("* has no place here", expression.at, expression.end, hint="COUNT(*), SELECT *")
        raise self.text.error("this is no expression", expression.at, expression.end)

    # -- leaves ----------------------------------------------------------------

    def _constant(self, value: Any, kind: SqlType) -> Typed:
        return functions.constant(value, dtype_of(kind, self.session.zone))

    def _interval(self, interval: Interval) -> Typed:
        import datetime as dt

        if interval.months or interval.unit in ("MONTH", "YEAR", "QUARTER"):
            return functions.constant((("$months", interval.months),), terms.MONTHS)
        # Milliseconds as in Flink, so that times in milliseconds stay so; a finer interval keeps what it says.
        unit = "us" if interval.us % 1000 else "ms"
        return functions.constant(dt.timedelta(microseconds=interval.us), Duration(unit))

    def _name(self, name: Name) -> Typed:
        column, fields = self.scope.find(name, self.text)
        value = column.typed
        for one in fields:
            value = self._field(value, one.name, one.at)
        return value

    def _field(self, value: Typed, name: str, at: int) -> Typed:
        if not isinstance(value.dtype, Struct):
            raise self.text.error(
                f"only a ROW has fields, this is {spelled(value.dtype)}", at, at + len(name), hint="a map: m['key']"
            )
        if value.dtype.get(name) is None:
            raise self.text.unknown("field", name, [n for n, _ in value.dtype.fields], at)
        return terms.call("struct.field", [value], name=name)

    # -- calls -----------------------------------------------------------------

    def _call(self, call: Call) -> Typed:
        if call.over is not None:
            raise self.text.unsupported(
                f"{call.written}(...) OVER (...) has no place in {self.place}", call.at, call.end,
                hint="select it in a subquery under a name, and use the name",
            )  # fmt: skip
        if call.name in RANKS:
            raise self.text.error(f"{call.name} needs OVER (...)", call.at, call.end)
        if exact.is_exact(call):
            return self._exact(call)
        if call.name in AGGREGATES and not (call.name in ("ARRAY_AGG",) and self.collected is None):
            return self._aggregate(call)
        if call.filter is not None or call.distinct:
            word = "FILTER" if call.filter is not None else "DISTINCT"
            raise self.text.error(f"{call.written} is no aggregate: {word} has no place here", call.at, call.end)
        if call.name in WINDOW_CALLS:
            raise self.text.error(
                f"{call.written}(...) belongs into GROUP BY, and must be the same there", call.at, call.end,
                hint="FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '1' HOUR)) is the newer form",
            )  # fmt: skip
        if call.name in ("BETWEEN", "ITEM", "ARRAY", "MAP", "ROW", "DIFFERENCE"):
            return self._syntax(call)
        if call.written in self.udfs and self.applies:
            made = self.udfs[call.written]
            return Typed(Apply(made, tuple(self.bind(arg).term for arg in call.args)), made.gives, True)
        if call.written in self.udfs:
            raise self.text.unsupported(
                f"{call.written}, a function in Python, has no place in {self.place}", call.at, call.end,
                hint="call it in the SELECT list, WHERE or GROUP BY of a subquery, and use its name",
            )  # fmt: skip
        args = [self.bind(arg) for arg in call.args]
        words = [functions.constant(word, String) for word in call.words]
        args = [*args, *words] if call.name in _WORD_LAST else [*words, *args]
        options = {name: self._clause(said) for name, said in call.clauses}
        return self.resolve(call.name, args, call.at, call.end, **options)

    def _clause(self, said: str | Expression | SqlType) -> Any:
        """What is said behind the arguments of a JSON function, as the library takes it."""
        if isinstance(said, SqlType):
            return dtype_of(said, self.session.zone)
        return self.bind(said) if isinstance(said, Expression) else said

    def resolve(self, name: str, args: Sequence[Typed], at: int, end: int, **options: Any) -> Typed:
        """A function by Flink's name."""
        where = self.text.where(at, end)
        try:
            return functions.resolve(name, args, where, self.session, **options)
        except UnknownNameError as unknown:
            if unknown.kind != "function":
                raise
            known = sorted(one for one in (*functions.NAMES, *AGGREGATES, *self.udfs) if one[:1].isalpha())
            hint = None if nearest(name, known) else "SHOW FUNCTIONS lists them"
            raise UnknownNameError("function", name, known, where=where, hint=hint) from None
        except PlanError as refused:
            if refused.hint is not None and len(refused.hint) > _LONGEST_HINT:
                refused.hint = "CAST one of the values" if len(args) > 1 else None
            raise

    def _aggregate(self, call: Call) -> Typed:
        if self.collected is None:
            hint = "HAVING is the condition on aggregates" if self.place == "WHERE" else None
            raise self.text.error(
                f"the aggregate {call.written} has no place in {self.place}", call.at, call.end, hint=hint
            )
        if self.inside:
            raise self.text.error("an aggregate has no place inside of another", call.at, call.end, hint="a subquery")
        self.inside = True
        try:
            star = len(call.args) == 1 and isinstance(call.args[0], Star)
            given, options = exact.arguments(call)
            args = [] if star else [self.bind(arg) for arg in given]
            where = None
            if call.filter is not None:
                where = Expressions(
                    self.text, self.scope, self.session, place="FILTER", standing=self.standing, udfs=self.udfs
                ).condition(call.filter)
        finally:
            self.inside = False
        place = self.text.where(call.at, call.end)
        try:
            if exact.is_aggregate(call):
                return self.collected.add(exact.aggregation(call, args, options, where))
            return self.collected.add(
                functions.resolve_aggregate(
                    call.name, args, place, self.session, distinct=call.distinct, condition=where
                )
            )
        except PlanError as refused:
            raise refused.at(place) from None

    def _exact(self, call: Call) -> Typed:
        """A function of the plan by its own name."""
        if exact.is_aggregate(call):
            return self._aggregate(call)
        made = exact.constant(call)
        if made is not None:
            return made
        given, options = exact.arguments(call)
        return exact.apply(call, [self.bind(arg) for arg in given], options)

    def _syntax(self, call: Call) -> Typed:
        args = [self.bind(arg) for arg in call.args]
        at, end = call.at, call.end
        if call.name == "BETWEEN":
            return self.resolve("BETWEEN SYMMETRIC" if "SYMMETRIC" in call.words else "BETWEEN", args, at, end)
        if call.name == "ITEM":
            return self.resolve("ITEM", args, at, end) if "ITEM" in functions.NAMES else _element(args)
        if call.name == "ARRAY":
            shared = functions.common_of([a.dtype for a in args], "the values of an ARRAY")
            return self.resolve("ARRAY", [functions.widened(a, shared) for a in args], at, end)
        if call.name == "MAP":
            keys = functions.common_of([a.dtype for a in args[::2]], "the keys of a MAP")
            values = functions.common_of([a.dtype for a in args[1::2]], "the values of a MAP")
            both = [functions.widened(a, values if i % 2 else keys) for i, a in enumerate(args)]
            return self.resolve("MAP", both, at, end)
        if call.name == "DIFFERENCE":
            if call.words[0] in ("YEAR", "MONTH"):
                raise self.text.unsupported(
                    "a difference in months is not offered", at, end, hint=f"TIMESTAMPDIFF({call.words[0]}, from, to)"
                )
            if not isinstance(args[0].dtype, Duration):
                raise self.text.error(
                    f"{call.words[0]} is the unit of a difference of times, found {spelled(args[0].dtype)}", at, end,
                    hint=f"as a name, `{call.words[0]}`",
                )  # fmt: skip
            return args[0]
        return terms.call("struct", args, names=tuple(f"EXPR${i}" for i in range(len(args))))

    def _case(self, case: CaseWhen) -> Typed:
        branches = []
        for condition, value in case.branches:
            if case.operand is None:
                test = self.condition(condition)
            else:
                both = [self.bind(case.operand), self.bind(condition)]
                test = self.resolve("=", both, condition.at, condition.end)
            branches.append((test, self.bind(value)))
        otherwise = self.bind(case.otherwise) if case.otherwise is not None else None
        return functions.case(branches, otherwise)

    def _cast(self, whole: Expression, inner: Expression, kind: SqlType, lenient: bool) -> Typed:
        value = self.bind(inner)
        dtype = dtype_of(kind, self.session.zone)
        length, fixed, digits = None, False, None
        if kind.name in ("CHAR", "VARCHAR", "BINARY", "VARBINARY"):
            length = (kind.params or (1,))[0] if kind.params or kind.name in ("CHAR", "BINARY") else 1
            fixed = kind.name in ("CHAR", "BINARY")
        if kind.name in ("TIMESTAMP", "TIMESTAMP_LTZ"):
            digits = (kind.params or (6,))[0]
        if kind.name == "TIME":
            digits = (kind.params or (0,))[0]
        where = self.text.where(whole.at, whole.end)
        return functions.cast(
            value, dtype, where, self.session, attempt=lenient, length=length, fixed=fixed, digits=digits
        )


def _element(args: Sequence[Typed]) -> Typed:
    """`a[1]` and `m['k']`."""
    if isinstance(args[0].dtype, Map):
        return terms.call("map.get", args)
    if not isinstance(args[0].dtype, List):
        raise PlanError(f"only an ARRAY, MAP or ROW has elements, found {spelled(args[0].dtype)}")
    return terms.call("list.get", [args[0], terms.call("sub", [args[1], functions.constant(1, args[1].dtype)])])


def conjuncts(expression: Expression | None) -> list[Expression]:
    """The conditions that AND joins."""
    if expression is None:
        return []
    if isinstance(expression, Call) and expression.name == "AND":
        return [one for arg in expression.args for one in conjuncts(arg)]
    return [expression]
