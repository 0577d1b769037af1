"""JOIN bound: which conditions are equal keys, which bound a distance of times, and what is left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.core.dtypes import Int32
from penstock.core.schema import Schema
from penstock.expr.ast import Column, Literal, Term
from penstock.expr.infer import Typed
from penstock.plan.node import Node
from penstock.sql import functions, operators
from penstock.sql.bind_from import bind_relation, table_function, unnested
from penstock.sql.join_names import LEFT, RIGHT, TRUE, bare, conditions_of, side_of
from penstock.sql.join_terms import Computed, within_sides
from penstock.sql.operators import JoinPattern
from penstock.sql.scope import END, PROCTIME, START, Related, Scope, ScopeColumn
from penstock.sql.syntax import (
    Call,
    Derived,
    Expression,
    Interval,
    Join,
    Name,
    Relation,
    TableFunction,
    TableName,
)
from penstock.sql.udfs import lifted
from penstock.sql.walk import substitute

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def bind_join(binder: Queries, join: Join, outer: Scope | None) -> Related:
    """The rows of a join.

    Raises:
        PlanError: If it cannot mean anything.
    """
    text = binder.text
    left = bind_relation(binder, join.left, outer)
    right_side = join.right
    if isinstance(right_side, TableFunction) and right_side.name == "UNNEST":
        if join.condition is not None and join.condition != TRUE:
            raise text.unsupported("UNNEST has no condition", join.condition.at, join.condition.end, hint="WHERE")
        left, arguments = lifted(binder, left, right_side.args, outer)
        return unnested(binder, left, replace(right_side, args=arguments), join.kind, outer)
    if isinstance(right_side, TableFunction) and right_side.lateral:
        if join.condition is not None and join.condition != TRUE:
            raise text.unsupported("LATERAL TABLE has no condition", join.condition.at, hint="WHERE, or ON TRUE")
        return table_function(binder, left, right_side, join.kind, outer)
    if isinstance(right_side, Derived) and right_side.lateral:
        from penstock.sql.bind_lateral import bind_lateral

        return bind_lateral(binder, left, join, outer)
    as_of = right_side.as_of if isinstance(right_side, TableName) else None
    plain = replace(right_side, as_of=None) if isinstance(right_side, TableName) else right_side
    right = bind_relation(binder, plain, outer)
    return join_sides(binder, left, right, join, as_of)


def join_sides(binder: Queries, left: Related, right: Related, join: Join, as_of: Expression | None = None) -> Related:
    """The rows of a join whose sides are bound.

    Raises:
        PlanError: If it cannot mean anything.
    """
    different(binder, left, right, join.right)
    condition = conditions_of(binder, join, left, right)
    joining = Joining(binder, left, right)
    if left.window is not None or right.window is not None:
        from penstock.sql.window_joins import join_windows

        return join_windows(joining, join, condition)
    for one in condition:
        joining.add(one)
    made = joining.node(join.kind, join, as_of)
    return joining.related(made, join)


ONLY = Literal(0, Int32)
"""The key of joins that have none."""


def _label(relation: Relation) -> str:
    """What a table is called in a query."""
    if not isinstance(relation, TableName):
        return ""
    return relation.alias.name if relation.alias else relation.path[-1].name


def different(binder: Queries, left: Related, right: Related, syntax: Relation) -> None:
    """Refuse two sides of one name."""
    shared = set(Scope(left).tables) & set(Scope(right).tables)
    if shared:
        name = next(iter(shared))
        raise binder.text.error(
            f'both sides of the join are called "{name}"', syntax.at, syntax.end, hint=f"JOIN {name} AS other"
        )


@dataclass
class Joining:
    """Two sides and what must hold between them.

    Columns of the left side are `left.a` while conditions are looked at, those of the right `right.a`.
    """

    binder: Queries
    left: Related
    right: Related
    left_on: list[Term] = field(default_factory=list)
    right_on: list[Term] = field(default_factory=list)
    nulls_equal: list[bool] = field(default_factory=list)
    residual: list[Typed] = field(default_factory=list)
    lower: int | None = None
    upper: int | None = None
    window_keys: set[str] = field(default_factory=set)
    inner_first: bool = False

    def scope(self) -> Scope:
        """The names of both sides."""
        left, right = _marked(self.left, LEFT), _marked(self.right, RIGHT)
        if self.inner_first:
            return Scope(right, Scope(left), joined=True)
        return Scope(replace(left, columns=(*left.columns, *right.columns)))

    def take(self, conditions: list[Expression]) -> list[Expression]:
        """Take what makes an inner join: equal keys, and bounds of the distance of times if there are both.

        What is left is a filter behind the join, which may fail for a row.

        Returns:
            What was taken.
        """
        taken: list[Expression] = []
        bounds: list[Expression] = []
        scope = self.scope()
        for one in conditions:
            if not isinstance(one, Call):
                continue
            if self._bounds_time(one, scope):
                bounds.append(one)
            elif self._is_key(one, scope):
                self.add(one)
                taken.append(one)
        if self.lower is None or self.upper is None or not taken:
            self.lower = self.upper = None
            return taken
        return [*taken, *bounds]

    def _is_key(self, condition: Call, scope: Scope) -> bool:
        if condition.name not in ("=", "IS NOT DISTINCT FROM"):
            return False
        expressions = self.binder.expressions(scope, "ON")
        return {side_of(expressions.bind(arg).term) for arg in condition.args} == {LEFT, RIGHT}

    def add(self, condition: Expression) -> None:
        """Take one condition."""
        scope = self.scope()
        expressions = self.binder.expressions(scope, "ON")
        if isinstance(condition, Call) and self._bounds_time(condition, scope):
            return
        if isinstance(condition, Call) and condition.name in ("=", "IS NOT DISTINCT FROM"):
            a, b = (expressions.bind(arg) for arg in condition.args)
            sides = side_of(a.term), side_of(b.term)
            if set(sides) == {LEFT, RIGHT}:
                if sides[0] == RIGHT:
                    a, b = b, a
                self._equal(a, b, condition)
                return
        self.residual.append(expressions.condition(condition))

    def _equal(self, left: Typed, right: Typed, condition: Call) -> None:
        both = functions.common(left.dtype, right.dtype)
        if both is None:
            raise self.binder.text.error(
                f"{functions.spelled(left.dtype)} and {functions.spelled(right.dtype)} are not compared",
                condition.at, condition.end, hint="CAST one of them",
            )  # fmt: skip
        self.left_on.append(bare(functions.widened(left, both).term))
        self.right_on.append(bare(functions.widened(right, both).term))
        self.nulls_equal.append(condition.name != "=")
        for side in (self.left, self.right):
            for role in (START, END):
                column = side.by_role(role)
                if column is not None and column.term in (self.left_on[-1], self.right_on[-1]):
                    self.window_keys.add(role)

    def _bounds_time(self, condition: Call, scope: Scope) -> bool:
        """Whether it bounds the distance of the event times; remembers the bound."""
        if condition.name == "BETWEEN" and "SYMMETRIC" not in condition.words:
            value, low, high = condition.args
            kept = (self.lower, self.upper)
            if self._bound(">=", value, low, scope) and self._bound("<=", value, high, scope):
                return True
            self.lower, self.upper = kept
            return False
        if condition.name not in _FLIPPED:
            return False
        return self._bound(condition.name, condition.args[0], condition.args[1], scope)

    def _bound(self, sign: str, a: Expression, b: Expression, scope: Scope) -> bool:
        first, second = self._moment(a, scope), self._moment(b, scope)
        if first is None or second is None or first[0] == second[0]:
            return False
        if first[0] == LEFT:
            first, second, sign = second, first, _FLIPPED[sign]
        # right + x <sign> left + y: right - left <sign> y - x
        distance = second[1] - first[1]
        if sign in (">", ">=", "="):
            least = distance + (sign == ">")
            self.lower = least if self.lower is None else max(self.lower, least)
        if sign in ("<", "<=", "="):
            most = distance - (sign == "<")
            self.upper = most if self.upper is None else min(self.upper, most)
        return True

    def _moment(self, expression: Expression, scope: Scope) -> tuple[str, int] | None:
        """The side whose event time it is, and how many microseconds are added."""
        match expression:
            case Name():
                column, fields = scope.find(expression, self.binder.text)
                for mark, side in ((LEFT, self.left), (RIGHT, self.right)):
                    if not fields and isinstance(column.term, Column) and column.term.name == f"{mark}{side.time}":
                        return mark, 0
            case Call("+" | "-", (inner, Interval(us, 0, _))):
                found = self._moment(inner, scope)
                return None if found is None else (found[0], found[1] + (us if expression.name == "+" else -us))
            case Call("+", (Interval(us, 0, _), inner)):
                found = self._moment(inner, scope)
                return None if found is None else (found[0], found[1] + us)
        return None

    def _rest(self) -> Term | None:
        scope = self.scope()
        if not self.residual:
            return None
        whole = self.residual[0]
        for more in self.residual[1:]:
            whole = self.binder.expressions(scope, "ON").resolve("AND", [whole, more], 0, 0)
        return whole.term

    def node(self, kind: str, join: Join, as_of: Expression | None) -> Node:
        """The operator that fits.

        Raises:
            PlanError: If none does.
        """
        pattern = self.pattern(kind, join)
        if as_of is not None:
            column, _ = self.scope().find(as_of, self.binder.text) if isinstance(as_of, Name) else (None, ())
            if column is not None and column.role == PROCTIME:
                from penstock.sql.lookups import lookup_join

                return lookup_join(pattern, self.binder.hints, _label(join.right))
            if column is None or column.term != Column(f"{LEFT}{self.left.time}"):
                raise self.binder.text.error(
                    "FOR SYSTEM_TIME AS OF takes the event time of the left side", as_of.at, as_of.end,
                    hint=f"it is {self.left.time}" if self.left.time else "the left side has none",
                )  # fmt: skip
            from penstock.sql.temporal import temporal_join

            return temporal_join(pattern, self.right.extras.get("key", ()))
        if pattern.within is not None and self.left_on:
            return operators.interval_join(pattern)
        if pattern.within is not None:
            self.bounds_as_conditions()
            pattern = self.pattern(kind, join)
        if not self.left_on and kind != "cross":
            # Without an equal key all rows are compared with all: as in Flink, all of them are one key's.
            self.left_on, self.right_on, self.nulls_equal = [ONLY], [ONLY], [False]
            pattern = self.pattern(kind, join)
        if {START, END} <= self.window_keys:
            return operators.window_join(pattern)
        return operators.regular_join(pattern)

    def pattern(self, kind: str, join: Expression | Join) -> JoinPattern:
        """What the operators are told."""
        within = None
        if self.lower is not None and self.upper is not None:
            within = (self.lower, self.upper)
        elif self.lower is not None or self.upper is not None:
            self.bounds_as_conditions()
        columns = [(name, "left", name) for name in self.left.node.schema.names]
        if kind not in ("semi", "anti"):
            columns += [(self.renamed[name], "right", name) for name in self.right.node.schema.names]
        place, residual = self.binder.where(join), self._rest()
        sides = (Computed(self.left.node, LEFT, place), Computed(self.right.node, RIGHT, place))
        keys = [
            tuple(side.certain(term) for term in terms)
            for side, terms in zip(sides, (self.left_on, self.right_on), strict=True)
        ]
        if residual is not None:
            residual = within_sides(residual, sides)
        return JoinPattern(
            left=sides[0].node, right=sides[1].node, kind=kind, left_on=keys[0], right_on=keys[1],
            nulls_equal=tuple(self.nulls_equal), residual=residual, columns=tuple(columns), within=within, where=place,
        )  # fmt: skip

    def bounds_as_conditions(self) -> None:
        """Bounds of times are conditions like others, where no operator makes use of them."""
        self._time_as_condition()
        self.lower = self.upper = None

    def _time_as_condition(self) -> None:
        """One bound alone does not bound the state: it is a condition like others."""
        import datetime as dt

        from penstock.core.dtypes import Duration

        def of(mark: str, side: Related) -> Typed:
            dtype = side.node.schema[str(side.time)].dtype
            return Typed(Column(f"{mark}{side.time}"), dtype, False)

        expressions = self.binder.expressions(self.scope(), "ON")
        for bound, sign in ((self.lower, ">="), (self.upper, "<=")):
            if bound is None:
                continue
            # A bound is open if it is off by the least step: `>= t + 1 us` is `> t`.
            strict, least = bound % 1_000, 1 if sign == ">=" else -1
            if strict == least % 1_000:
                bound, sign = bound - least, sign[0]
            later = of(LEFT, self.left)
            if bound:
                shift = functions.constant(dt.timedelta(microseconds=bound), Duration("us" if bound % 1_000 else "ms"))
                later = expressions.resolve("+", [later, shift], 0, 0)
            self.residual.append(expressions.resolve(sign, [of(RIGHT, self.right), later], 0, 0))

    @property
    def renamed(self) -> dict[str, str]:
        """What columns of the right side are called in the output."""
        taken = set(self.left.node.schema.names)
        found = {}
        for name in self.right.node.schema.names:
            chosen, i = name, 0
            while chosen in taken:
                chosen, i = f"{name}${i}", i + 1
            taken.add(chosen)
            found[name] = chosen
        return found

    def related(self, node: Node, join: Join) -> Related:
        """The names of both sides over the rows of the join."""
        names = self.renamed
        columns: list[ScopeColumn] = list(self.left.columns)
        if join.kind not in ("semi", "anti"):
            for one in self.right.columns:
                known: dict[Term, Term] = {Column(old): Column(new) for old, new in names.items()}
                columns.append(replace(one, term=substitute(one.term, known, lambda column: column)))
        schema: Schema = node.schema
        typed = []
        merged = {name.name for name in join.using}
        if join.natural:
            merged = {c.name for c in self.left.columns if c.shown} & {c.name for c in self.right.columns if c.shown}
        for i, one in enumerate(columns):
            made = one
            if isinstance(one.term, Column) and one.term.name in schema:
                known_field = schema[one.term.name]
                made = replace(one, dtype=known_field.dtype, nullable=known_field.nullable, role="")
            if one.name in merged and i >= len(self.left.columns):
                made = replace(made, shown=False)
            typed.append(made)
        if join.kind in ("right", "full"):
            typed = [self._either(one, typed) if one.name in merged and one.shown else one for one in typed]
        return Related(node, tuple(typed))

    def _either(self, column: ScopeColumn, columns: list[ScopeColumn]) -> ScopeColumn:
        """A column of USING: that of whichever side is there."""
        other = next(one for one in columns[len(self.left.columns) :] if one.name == column.name)
        both = functions.resolve("COALESCE", [column.typed, other.typed])
        return replace(column, term=both.term, dtype=both.dtype, nullable=both.nullable)


def _marked(side: Related, mark: str) -> Related:
    known: dict[Term, Term] = {}
    columns = tuple(
        replace(
            one,
            term=substitute(one.term, known, lambda column: Column(f"{mark}{column.name}")),
            table=one.table or mark,
        )
        for one in side.columns
    )
    return replace(side, columns=columns)
