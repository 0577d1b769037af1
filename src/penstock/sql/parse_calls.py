"""Calls of functions: plain ones, and those with words among their arguments."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.errors import nearest
from penstock.sql.lexer import WORD, Token
from penstock.sql.parse_types import TypeParser
from penstock.sql.syntax import (
    Call,
    CastTo,
    Constant,
    Expression,
    Frame,
    OrderItem,
    Query,
    Star,
    Window,
)
from penstock.sql.types import SqlType

_TIME_UNITS = (
    "MILLENNIUM", "CENTURY", "DECADE", "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "ISODOW", "DOY", "HOUR",
    "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND", "EPOCH", "ISOYEAR",
    "SQL_TSI_YEAR", "SQL_TSI_QUARTER", "SQL_TSI_MONTH", "SQL_TSI_WEEK", "SQL_TSI_DAY", "SQL_TSI_HOUR",
    "SQL_TSI_MINUTE", "SQL_TSI_SECOND", "FRAC_SECOND",
)  # fmt: skip


class CallParser(TypeParser):
    """Reads calls."""

    def expression(self) -> Expression:
        """See `ExpressionParser`."""
        raise NotImplementedError

    def query(self) -> Query:
        """See `QueryParser`."""
        raise NotImplementedError

    def call(self) -> Expression:
        """A call: the next tokens are a name and a bracket."""
        token = self.advance()
        self.advance()
        special = _SPECIAL.get(token.upper)
        if special is not None:
            found = special(self, token)
            self.expect(")", f"after the arguments of {token.text}")
            return self._behind(found, token)
        distinct = bool(self.take("DISTINCT"))
        if not distinct:
            self.take("ALL")
        args: tuple[Expression, ...] = ()
        if not self.sees(")"):
            args = self.several(self._argument)
        self.expect(")", f"after the arguments of {token.text}")
        name = token.upper or token.text.upper()
        return self._behind(
            Call(name, args, distinct=distinct, at=token.start, end=self.last_end, written=token.text), token
        )

    def _argument(self) -> Expression:
        if self.token.kind == WORD and self.peek().upper == "=>":
            raise self.unsupported("named arguments are those of table functions", self.token.start)
        if self.sees("*"):
            star = self.advance()
            return Star(at=star.start, end=star.end)
        return self.expression()

    def _behind(self, found: Expression, token: Token) -> Expression:
        """What may stand behind a call: `WITHIN GROUP`, `FILTER`, `OVER`."""
        if not isinstance(found, Call):
            return found
        if self.sees("WITHIN", "GROUP"):
            raise self.unexpected("WITHIN GROUP is not offered", hint="LISTAGG(x) follows the order of rows")
        if self.sees_any(("IGNORE", "RESPECT")) and self.peek().upper == "NULLS":
            raise self.unexpected("IGNORE NULLS is not in Flink SQL")
        condition = None
        if self.sees("FILTER") and self.peek().upper == "(":
            self.advance()
            self.advance()
            self.expect("WHERE", "in FILTER", hint="COUNT(*) FILTER (WHERE a > 1)")
            condition = self.expression()
            self.expect(")", "after the condition of FILTER")
        over = self.window() if self.take("OVER") else None
        return Call(
            found.name, found.args, distinct=found.distinct, filter=condition, over=over, words=found.words,
            at=token.start, end=self.last_end, written=found.written,
        )  # fmt: skip

    # -- windows of OVER -------------------------------------------------------

    def window(self) -> Window:
        """`(PARTITION BY ... ORDER BY ... ROWS ...)` or a name."""
        start = self.token.start
        if not self.take("("):
            return Window(name=self.ident("a window").name, at=start, end=self.last_end)
        partition: tuple[Expression, ...] = ()
        order: tuple[OrderItem, ...] = ()
        if self.take("PARTITION"):
            self.expect("BY", "after PARTITION")
            partition = self.several(self.expression)
        if self.take("ORDER"):
            order = self.order()
        frame = self._frame() if self.sees_any(("ROWS", "RANGE")) else None
        self.expect(")", "after the window")
        return Window(partition, order, frame, at=start, end=self.last_end)

    def order(self) -> tuple[OrderItem, ...]:
        """What is behind ORDER."""
        self.expect("BY", "after ORDER")
        return self.several(self._order_item)

    def _order_item(self) -> OrderItem:
        value = self.expression()
        descending = self.take_any(("ASC", "DESC")) == "DESC"
        nulls = None
        if self.take("NULLS"):
            word = self.take_any(("FIRST", "LAST"))
            if word is None:
                raise self.unexpected("expected FIRST or LAST after NULLS")
            nulls = word == "FIRST"
        return OrderItem(value, descending, nulls, at=value.at, end=self.last_end)

    def _frame(self) -> Frame:
        token = self.advance()
        between = self.take("BETWEEN")
        start, following = self._bound()
        if between:
            self.expect("AND", "between the bounds of a frame")
            if not self.take("CURRENT", "ROW"):
                _, following = self._bound()
                following = True
        return Frame(token.upper, start, following, at=token.start, end=self.last_end)

    def _bound(self) -> tuple[Expression | None, bool]:
        at = self.token.start
        if self.take("CURRENT", "ROW"):
            return Constant(0, SqlType("INT", nullable=False), at=at, end=self.last_end), False
        value = None if self.take("UNBOUNDED") else self.expression()
        if self.take("FOLLOWING"):
            return value, True
        self.expect("PRECEDING", "in a frame", hint="ROWS BETWEEN 2 PRECEDING AND CURRENT ROW")
        return value, False

    # -- calls with words ------------------------------------------------------

    def unit(self) -> str:
        """A unit of time as an argument."""
        token = self.token
        if token.upper not in _TIME_UNITS:
            hint = f"such as {', '.join(_TIME_UNITS[3:6])}" if not nearest(token.upper, _TIME_UNITS) else None
            raise self.unexpected(f"expected a unit of time{nearest(token.upper, _TIME_UNITS)}", hint=hint)
        self.advance()
        return token.upper.removeprefix("SQL_TSI_")


def _made(token: Token, args: list[Expression], *words: str) -> Call:
    return Call(token.upper, tuple(args), words=words, at=token.start, written=token.text)


def _cast(parser: CallParser, token: Token) -> Expression:
    value = parser.expression()
    parser.expect("AS", f"in {token.text}", hint=f"{token.upper}(x AS BIGINT)")
    kind = parser.type()
    return CastTo(value, kind, token.upper == "TRY_CAST", at=token.start, end=parser.token.end)


def _extract(parser: CallParser, token: Token) -> Expression:
    unit = parser.unit()
    parser.expect("FROM", "in EXTRACT", hint="EXTRACT(HOUR FROM t)")
    return _made(token, [parser.expression()], unit)


def _unit_first(parser: CallParser, token: Token) -> Expression:
    unit = parser.unit()
    parser.expect(",", "after the unit")
    return _made(token, list(parser.several(parser.expression)), unit)


def _trim(parser: CallParser, token: Token) -> Expression:
    side = parser.take_any(("LEADING", "TRAILING", "BOTH")) or "BOTH"
    if parser.take("FROM"):
        return _made(token, [parser.expression()], side)
    first = parser.expression()
    if parser.take("FROM"):
        return _made(token, [parser.expression(), first], side)
    return _made(token, [first], side)


def _substring(parser: CallParser, token: Token) -> Expression:
    args = [parser.expression()]
    if parser.take("FROM"):
        args.append(parser.expression())
        if parser.take("FOR"):
            args.append(parser.expression())
        return _made(token, args)
    while parser.take(","):
        args.append(parser.expression())
    return _made(token, args)


def _overlay(parser: CallParser, token: Token) -> Expression:
    args = [parser.expression()]
    parser.expect("PLACING", "in OVERLAY")
    args.append(parser.expression())
    parser.expect("FROM", "in OVERLAY")
    args.append(parser.expression())
    if parser.take("FOR"):
        args.append(parser.expression())
    return _made(token, args)


def _position(parser: CallParser, token: Token) -> Expression:
    # The sum, not the expression: IN is the word between the two.
    wanted = parser._sum()  # type: ignore[attr-defined]
    parser.expect("IN", "in POSITION", hint="POSITION('a' IN text)")
    return _made(token, [wanted, parser.expression()])


def _rounded(parser: CallParser, token: Token) -> Expression:
    value = parser.expression()
    if parser.take("TO"):
        return _made(token, [value], parser.unit())
    args = [value]
    while parser.take(","):
        args.append(parser.expression())
    return _made(token, args)


def _json(parser: CallParser, token: Token) -> Expression:
    """JSON_VALUE, JSON_QUERY, JSON_EXISTS: words behind the path are kept in order, defaults as arguments."""
    args, words = [parser.expression()], []
    while parser.take(","):
        args.append(parser.expression())
    while not parser.sees(")"):
        word = parser.advance()
        if word.kind != WORD:
            raise parser.unexpected(f"expected words such as NULL ON EMPTY in {token.text}")
        words.append(word.upper)
        if word.upper == "DEFAULT":
            args.append(parser._sum())  # type: ignore[attr-defined]
        if word.upper == "RETURNING":
            words.append(str(parser.type()))
    return _made(token, args, *words)


def _json_object(parser: CallParser, token: Token) -> Expression:
    args: list[Expression] = []
    words: list[str] = []
    while not parser.sees(")"):
        if parser.sees_any(("NULL", "ABSENT")) and parser.peek().upper == "ON":
            words += [parser.advance().upper, parser.advance().upper, parser.advance().upper]
            continue
        parser.take("KEY")
        args.append(parser.expression())
        if token.upper.startswith("JSON_OBJECT"):
            if not parser.take("VALUE"):
                parser.expect(",", "between key and value")
            args.append(parser.expression())
        parser.take(",")
    return _made(token, args, *words)


_SPECIAL: dict[str, Callable[[CallParser, Token], Expression]] = {
    "CAST": _cast, "TRY_CAST": _cast, "EXTRACT": _extract, "TIMESTAMPADD": _unit_first,
    "TIMESTAMPDIFF": _unit_first, "TRIM": _trim, "SUBSTRING": _substring, "OVERLAY": _overlay,
    "POSITION": _position, "CEIL": _rounded, "CEILING": _rounded, "FLOOR": _rounded,
    "JSON_VALUE": _json, "JSON_QUERY": _json, "JSON_EXISTS": _json,
    "JSON_OBJECT": _json_object, "JSON_ARRAY": _json_object, "JSON_OBJECTAGG": _json_object,
    "JSON_ARRAYAGG": _json_object,
}  # fmt: skip
