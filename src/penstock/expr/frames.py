"""Functions of the rows before a row: `over`, and its shorthands."""

from __future__ import annotations

from typing import Any, TypeVar

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import duration
from penstock.core.where import caller
from penstock.expr.ast import Aggregation, Call, Column, Frame, Lag, Over, Term
from penstock.expr.calls import aggregation

E = TypeVar("E", bound="FrameMethods")

ALL = Frame("rows")


class FrameMethods:
    """The methods of a column that look at rows before a row of the same key, in the order of event time."""

    term: Term
    name: str | None

    def _of(self: E, term: Term) -> E:
        """Another expression under the same name."""
        raise NotImplementedError

    def over(self: E, *keys: Any, rows: Any = None, range: Any = None) -> E:
        """Aggregates over the rows of a key up to each row, in the order of event time; see `Over`.

        Args:
            *keys: The columns that tell keys apart; none = all rows are of one.
            rows: How many rows, this one included; `"all"` = all so far.
            range: How far back in event time, such as `"10 min"`; rows of the same instant count for each other.
                `"all"` = all so far.

        Raises:
            PlanError: If there is no frame, or no aggregate in the expression.
        """
        names = tuple(_column(key) for key in _flat(keys))
        frame = _frame(rows, range)
        found = [term for term in self.term.walk() if isinstance(term, (Aggregation, Over))]
        if not found:
            raise PlanError(f"{self.term} is no aggregate: only those have .over", where=caller())

        def change(term: Term) -> Term:
            if isinstance(term, Over):
                if frame is not None or term.keys:
                    raise PlanError(f"{term} has its rows already", where=caller())
                return Over(term.function, names, term.frame)
            if not isinstance(term, Aggregation):
                return term
            if frame is None:
                raise PlanError(
                    f"{term}.over(...) does not say which rows",
                    where=caller(),
                    hint='rows=5, range="10 min", or rows="all" so far; a whole partition never ends',
                )
            return Over(term, names, frame)

        return self._of(self.term.rewrite(change))

    def _framed(self: E, function: Term, frame: Frame) -> E:
        return self._of(Over(function, (), frame))

    def cum_sum(self: E) -> E:
        """The sum so far; `.over("key")` makes it one per key."""
        return self._framed(aggregation("sum", (self.term,), {}), ALL)

    def cum_count(self: E) -> E:
        """How many values that are not null there were so far; `.over("key")` makes it one per key."""
        return self._framed(aggregation("count_values", (self.term,), {}), ALL)

    def cum_min(self: E) -> E:
        """The least value so far; `.over("key")` makes it one per key."""
        return self._framed(aggregation("min", (self.term,), {}), ALL)

    def cum_max(self: E) -> E:
        """The greatest value so far; `.over("key")` makes it one per key."""
        return self._framed(aggregation("max", (self.term,), {}), ALL)

    def rolling_sum(self: E, size: Any) -> E:
        """The sum of the last rows (a number) or of a span of event time (a duration), this row included."""
        return self._framed(aggregation("sum", (self.term,), {}), _sized(size))

    def rolling_mean(self: E, size: Any) -> E:
        """The mean, as `rolling_sum`."""
        return self._framed(aggregation("mean", (self.term,), {}), _sized(size))

    def rolling_min(self: E, size: Any) -> E:
        """The least value, as `rolling_sum`."""
        return self._framed(aggregation("min", (self.term,), {}), _sized(size))

    def rolling_max(self: E, size: Any) -> E:
        """The greatest value, as `rolling_sum`."""
        return self._framed(aggregation("max", (self.term,), {}), _sized(size))

    def shift(self: E, rows: int = 1) -> E:
        """The value so many rows before; null where there is none; `.over("key")` makes it per key.

        Raises:
            PlanError: If the number is not one of rows.
            UnsupportedError: If it is negative: a row to come may never come.
        """
        if isinstance(rows, bool) or not isinstance(rows, int):
            raise PlanError(f"shift takes a number of rows, found {rows!r}", where=caller())
        if rows < 0:
            hint = "look back instead: the later row knows the earlier one"
            raise UnsupportedError("shift by less than zero would wait for rows to come", where=caller(), hint=hint)
        return self._framed(Lag(self.term, rows), Frame("rows", rows))

    def diff(self: E, rows: int = 1) -> E:
        """The value less that so many rows before; `.over("key")` makes it per key."""
        return self._of(Call("sub", (self.term, self.shift(rows).term)))


def _flat(items: Any) -> list[Any]:
    return [inner for item in items for inner in (item if isinstance(item, (list, tuple)) else [item])]


def _column(key: Any) -> str:
    term = getattr(key, "term", key)
    if isinstance(term, str):
        return term
    if isinstance(term, Column):
        return term.name
    raise PlanError(
        f"over takes column names, found {key!r}", where=caller(), hint="compute it by .with_columns before"
    )


def _frame(rows: Any, span: Any) -> Frame | None:
    if rows is not None and span is not None:
        raise PlanError("over takes rows= or range=, not both", where=caller())
    if rows is not None:
        return ALL if rows == "all" else _rows(rows)
    if span is not None:
        return Frame("range") if span == "all" else _span(span)
    return None


def _sized(size: Any) -> Frame:
    return _rows(size) if isinstance(size, int) else _span(size)


def _rows(rows: Any) -> Frame:
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise PlanError(f'rows is a number from 1, or "all", found {rows!r}', where=caller())
    return Frame("rows", rows - 1)


def _span(span: Any) -> Frame:
    return Frame("range", duration(span))
