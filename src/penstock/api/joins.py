"""The verbs that join two streams or tables; what each promises is said on its node."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.api.columns import names_of
from penstock.core.errors import PlanError, one_of
from penstock.core.timespan import END, NEVER, duration, from_datetime
from penstock.core.where import caller
from penstock.expr.ast import Column, Term
from penstock.expr.build import term_of
from penstock.operators.asof_join import AsofJoin
from penstock.operators.interval_join import IntervalJoin
from penstock.operators.join import Join
from penstock.operators.joining import ANTI, CROSS, KEY, LEFT, RIGHT, SEMI, ColumnOf
from penstock.operators.snapshot_join import SnapshotJoin
from penstock.operators.window_join import WindowJoin
from penstock.plan.node import Node
from penstock.plan.windows import Windows

if TYPE_CHECKING:
    from penstock.api.stream import Stream


CLOSED = ("both", "left", "right", "none")


class Joining:
    """The joins of a `Stream` or `Table`."""

    node: Node

    def _to(self, node: Node) -> Any:
        raise NotImplementedError

    def join(
        self,
        other: Stream,
        on: Any = None,
        *,
        left_on: Any = None,
        right_on: Any = None,
        how: str = "inner",
        within: tuple[Any, Any] | None = None,
        closed: str = "both",
        window: Windows | None = None,
        as_of: str | None = None,
        load: Any = None,
        where: Any = None,
        nulls_equal: bool = False,
        suffix: str = "_right",
    ) -> Any:
        """Rows of both sides with equal keys.

        See `Join`; `IntervalJoin` (`within`), `WindowJoin` (`window`), `AsofJoin` and `SnapshotJoin` (`as_of`).

        Args:
            other: The right side; a stream may be joined with itself.
            on: The key columns, if they have the same names on both sides.
            left_on: The key of the left side: columns or expressions.
            right_on: The key of the right side, as many.
            how: `inner`, `left`, `right`, `full`, `semi`, `anti`, or `cross` (without keys).
            within: How far the right row's event time may be from the left row's, such as `("-10 min", "5 min")`;
                state is bounded by that.
            closed: Which bounds of `within` belong to it: `both`, `left`, `right` or `none`.
            window: Windows, such as `ps.tumbling("1 min")`: rows of one window are partners; sent when it closes.
            as_of: `event_time`: each left row with the row that the right side, a Table of versions
                (`.as_table("key")`), has at the left row's time. `processing_time`: with the rows that the right side
                has when the left row comes, whatever it is; without keys it is compared with all of them by `where`.
            load: Of a join as of processing time, what left rows wait for: `"end"`, until the right side is
                read to its end; an instant, until its watermark is there; `"none"`. By default `"end"`, if
                the right side has one.
            where: What must be true of a pair besides: `col("left.a") < col("right.b")`.
            nulls_equal: Whether null keys are equal; else they have no partner.
            suffix: What is added to a name of the right side that the left side has too.

        Returns:
            A Stream if it follows time, or both sides are Streams and it is inner or cross; else a Table.
            Keys that are columns on both sides come out once, under the name of the left one.

        Raises:
            PlanError: If keys, types or names do not fit.
        """
        right, (left_keys, right_keys) = node_of(other, "join"), keys_of(on, left_on, right_on)
        common: dict[str, Any] = {
            "left": self.node,
            "right": right,
            "how": how,
            "left_on": left_keys,
            "right_on": right_keys,
            "nulls_equal": (nulls_equal,) * len(left_keys),
            "condition": None if where is None else qualified(term_of(where), self.node, right),
            "columns": columns_of(self.node, right, left_keys, right_keys, how, suffix),
            "where": caller(),
        }
        if sum(one is not None for one in (within, window, as_of)) > 1:
            raise PlanError("a join takes one of within=, window= and as_of=, not several", where=caller())
        if load is not None and as_of != "processing_time":
            raise PlanError('load= goes with as_of="processing_time"', where=caller())
        if window is not None:
            return self._to(WindowJoin(**common, windows=checked_windows(window)))
        if within is not None:
            lower, upper = interval_of(within, closed)
            return self._to(IntervalJoin(**common, lower=lower, upper=upper))
        return self._to(Join(**common) if as_of is None else joined_as_of(as_of, load, common))

    def intersect(self, other: Stream, *, all: bool = False) -> Any:
        """The distinct rows that are on both sides: a Table. Null equals null; columns are matched by name.

        Args:
            other: The right side.
            all: Each row as often as on the side that has fewer of it, as SQL's `INTERSECT ALL`.
        """
        return set_operation("intersect", self, other, SEMI, all)

    def except_(self, other: Stream, *, all: bool = False) -> Any:
        """The distinct rows that are not on the right side: a Table. Null equals null; columns are matched by name.

        Args:
            other: The right side.
            all: Each row as many times as it is more often on this side, as SQL's `EXCEPT ALL`.
        """
        return set_operation("except", self, other, ANTI, all)

    def join_asof(
        self,
        other: Stream,
        by: Any = None,
        *,
        by_left: Any = None,
        by_right: Any = None,
        strategy: str = "backward",
        tolerance: Any = None,
        how: str = "left",
        where: Any = None,
        nulls_equal: bool = False,
        suffix: str = "_right",
    ) -> Any:
        """Each row with the row of the other side that is next to it in event time; see `AsofJoin`.

        Args:
            other: The right side.
            by: The key columns, if they have the same names on both sides; without keys all rows are compared.
            by_left: The key of the left side: columns or expressions.
            by_right: The key of the right side, as many.
            strategy: `backward`, `forward` or `nearest`.
            tolerance: How far apart they may be, such as `"1 h"`; `forward` and `nearest` need it.
            how: `left`: rows without a partner come out with nulls; `inner`: they do not.
            where: What must be true of the pair besides: `col("left.a") < col("right.b")`.
            nulls_equal: Whether null keys are equal; else they have no partner.
            suffix: What is added to a name of the right side that the left side has too.

        Returns:
            A Stream.

        Raises:
            PlanError: If keys, types or names do not fit.
        """
        right = node_of(other, "join_asof")
        left_keys, right_keys = keys_of(by, by_left, by_right)
        made = AsofJoin(
            left=self.node,
            right=right,
            how=how,
            left_on=left_keys,
            right_on=right_keys,
            nulls_equal=(nulls_equal,) * len(left_keys),
            condition=None if where is None else qualified(term_of(where), self.node, right),
            columns=columns_of(self.node, right, left_keys, right_keys, how, suffix),
            strategy=strategy,
            tolerance=None if tolerance is None else duration(tolerance),
            where=caller(),
        )
        return self._to(made)


def node_of(other: Any, verb: str) -> Node:
    """The rows of the other stream that a verb is given.

    Raises:
        PlanError: If it is no stream: a frame, say, or what `group_by` gave.
    """
    if not isinstance(other, Joining):
        kind = type(other).__name__
        hint = "ps.read(...) makes a Stream of a frame, a list of dicts or a source"
        raise PlanError(f"{verb} takes a Stream or a Table, found {kind}", where=caller(), hint=hint)
    made: Node = other.node
    return made


def set_operation(verb: str, left: Any, right: Any, how: str, every: bool) -> Any:
    """Rows of one side that the other side has, or has not.

    Raises:
        PlanError: If the sides have other columns.
    """
    one, other = left.schema, node_of(right, verb).schema
    if {field.name: field.dtype for field in one} != {field.name: field.dtype for field in other}:
        raise PlanError(
            f"{verb} needs equal columns, found {one} and {other}",
            hint=".select(...), .rename(...), .cast(...)",
            where=caller(),
        )
    names, keys = list(one.names), tuple(Column(name) for name in one.names)
    if not every:
        left, right = left.group_by(*names).agg(), right.group_by(*names).agg()
    made = Join(
        left=left.node,
        right=right.node,
        how=how,
        left_on=keys,
        right_on=keys,
        nulls_equal=(True,) * len(keys),
        columns=tuple((name, LEFT, name) for name in names),
        every=every,
        where=caller(),
    )
    return left._to(made)


def checked_windows(window: Any) -> Windows:
    """The windows of a join.

    Raises:
        PlanError: If they are none.
    """
    if not isinstance(window, Windows):
        raise PlanError(f"window takes windows, found {window!r}", hint='ps.tumbling("1 min")', where=caller())
    return window


def joined_as_of(as_of: str, load: Any, common: dict[str, Any]) -> Node:
    """A join as of a time, by the one or the other.

    Raises:
        PlanError: If the sides do not fit.
    """
    if as_of == "processing_time":
        return SnapshotJoin(**common, until=loaded_until(load, common["right"]))
    versions = versions_of(as_of, common["right"], common["right_on"])
    return AsofJoin(**common | versions, spelling="join")


def versions_of(as_of: str, table: Node, keys: Sequence[Term]) -> dict[str, Any]:
    """The stream of versions that a Table is made of, and what deletes: the Table itself has only their net.

    Raises:
        PlanError: If it is no Table of versions, or the keys are not its own.
    """
    if as_of != "event_time":
        raise one_of("as_of", as_of, ["event_time", "processing_time"], where=caller())
    found: Any = table
    if table.verb != "as_table" or getattr(table, "op", None) is not None:
        raise PlanError(
            "the right side of a join as of a time is a Table of versions",
            hint='a Stream with an event time becomes one by .as_table("key"), right before the join',
            where=caller(),
        )
    if getattr(table, "by", None) not in (None, table.inputs[0].facts.time):
        raise PlanError(f'versions follow event time, and this Table follows "{found.by}"', where=caller())
    names = {term.name if isinstance(term, Column) else str(term) for term in keys}
    if names != set(found.keys):
        told = f"found {', '.join(sorted(names)) or 'none'}; needed are {', '.join(found.keys)}"
        raise PlanError(f"a join as of a time compares the whole key of the Table, {told}", where=caller())
    return {"right": table.inputs[0], "delete": found.delete}


def loaded_until(load: Any, right: Node) -> int:
    """How far the watermark of the right side must have come before left rows are joined with it.

    Raises:
        PlanError: If it is not understood.
    """
    if isinstance(load, dt.datetime):
        return from_datetime(load)
    known = {"end": END, "none": NEVER}
    if load is None:
        return END if right.facts.bounded else NEVER
    if not isinstance(load, str):
        raise PlanError(f'load is "end", "none" or an instant, found {load!r}', where=caller())
    if load not in known:
        raise one_of("load", load, known, where=caller())
    return known[load]


def interval_of(within: Any, closed: str) -> tuple[int, int]:
    """The least and the greatest difference of times, both of which belong to the interval, in microseconds.

    Raises:
        PlanError: If it is none.
    """
    if not isinstance(within, (tuple, list)) or len(within) != 2:
        raise PlanError(f"within is a pair of durations, found {within!r}", hint='("-10 min", "5 min")', where=caller())
    if closed not in CLOSED:
        raise one_of("closed", closed, CLOSED, where=caller())
    lower, upper = (0 if bound == 0 else duration(bound) for bound in within)
    return lower + (closed in ("right", "none")), upper - (closed in ("left", "none"))


def keys_of(on: Any, left_on: Any, right_on: Any) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """The terms of both keys from what users write.

    Raises:
        PlanError: If it is not clear what they are.
    """
    if on is not None and (left_on is not None or right_on is not None):
        raise PlanError("a join takes on=, or left_on= and right_on=, not both", where=caller())
    if on is not None:
        names = tuple(Column(name) for name in names_of([on], "join"))
        return names, names
    if (left_on is None) != (right_on is None):
        raise PlanError("a join needs both left_on= and right_on=", where=caller())
    if left_on is None:
        return (), ()
    return _terms(left_on), _terms(right_on)


def _terms(value: Any) -> tuple[Term, ...]:
    many = value if isinstance(value, (list, tuple)) else [value]
    return tuple(Column(one) if isinstance(one, str) else term_of(one) for one in many)


def columns_of(
    left: Node, right: Node, left_on: Sequence[Term], right_on: Sequence[Term], how: str, suffix: str
) -> tuple[ColumnOf, ...]:
    """The columns that come out: those of the left side, with merged keys, then the others of the right side."""
    merged = {
        one.name: i
        for i, (one, other) in enumerate(zip(left_on, right_on, strict=False))
        if isinstance(one, Column) and isinstance(other, Column)
    }
    gone = {right_on[i].name for i in merged.values() if isinstance(right_on[i], Column)}  # type: ignore[attr-defined]
    made: list[ColumnOf] = []
    for name in left.schema.names:
        if name in merged and how not in (SEMI, ANTI):
            made.append((name, KEY, str(merged[name])))
        else:
            made.append((name, LEFT, name))
    if how in (SEMI, ANTI):
        return tuple(made)
    names = set(left.schema.names)
    for name in right.schema.names:
        if name not in gone or how == CROSS:
            made.append((name if name not in names else f"{name}{suffix}", RIGHT, name))
    return tuple(made)


def qualified(term: Term, left: Node, right: Node) -> Term:
    """A condition in which columns that only one side has may be written without their side.

    Raises:
        PlanError: If both sides have a column.
    """

    def change(one: Term) -> Term:
        if not isinstance(one, Column) or one.name.partition(".")[0] in (LEFT, RIGHT):
            return one
        sides = [side for side, node in ((LEFT, left), (RIGHT, right)) if one.name in node.schema]
        if len(sides) == 2:
            raise PlanError(
                f'both sides have a column "{one.name}"',
                hint=f'col("left.{one.name}") or col("right.{one.name}")',
                where=caller(),
            )
        return Column(f"{sides[0]}.{one.name}") if sides else one

    return term.rewrite(change)
