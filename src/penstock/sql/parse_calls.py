"""Calls of functions: plain ones, and those with words among their arguments."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

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

    @abstractmethod
    def expression(self) -> Expression:
        """See `ExpressionParser`."""

    @abstractmethod
    def sum(self) -> Expression:
        """See `ExpressionParser`."""

    @abstractmethod
    def query(self) -> Query:
        """See `QueryParser`."""

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
        return replace(found, filter=condition, over=over, at=token.start, end=self.last_end)

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
    side = parser.take_any(("LEADING", "TRAILING", "BOTH"))
    if side and parser.sees("FROM"):
        blank = parser.advance().start
        letters: Expression = Constant(" ", SqlType("CHAR", (1,), nullable=False), at=blank, end=blank)
        return _made(token, [letters, parser.expression()], side)
    first = parser.expression()
    if side:
        parser.expect("FROM", "in TRIM", hint=f"TRIM({side} FROM text)")
    elif not parser.take("FROM"):
        return _made(token, [first])
    return _made(token, [first, parser.expression()], side or "BOTH")


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
    wanted = parser.sum()
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


_Clauses = dict[str, str | Expression | SqlType]


def _json(parser: CallParser, token: Token) -> Expression:
    """JSON_VALUE, JSON_QUERY, JSON_EXISTS: a value, a path, and clauses."""
    args = list(parser.several(parser.expression))
    clauses: _Clauses = {}
    while not parser.sees(")"):
        at = parser.token.start
        name, said = _json_clause(parser, token.text)
        if name in clauses:
            raise parser.text.error(f"this is said twice in {token.text}", at, parser.last_end)
        clauses[name] = said
    return replace(_made(token, args), clauses=tuple(clauses.items()))


def _json_clause(parser: CallParser, function: str) -> tuple[str, str | Expression | SqlType]:
    """`RETURNING INT`, `WITH CONDITIONAL ARRAY WRAPPER`, `EMPTY ARRAY ON EMPTY`, `DEFAULT 0 ON ERROR`."""
    if parser.take("RETURNING"):
        return "returning", parser.type()
    if how := parser.take_any(("WITH", "WITHOUT")):
        words = [how, parser.take_any(("CONDITIONAL", "UNCONDITIONAL")), parser.take_any(("ARRAY",))]
        parser.expect("WRAPPER", f"after {how}", hint=f"{how} ARRAY WRAPPER")
        return "wrapper", " ".join([*filter(None, words), "WRAPPER"])
    said: str | Expression | None = parser.take_any(("NULL", "ERROR", "TRUE", "FALSE", "UNKNOWN"))
    default = parser.take("DEFAULT")
    if default:
        said = parser.sum()
    elif parser.take("EMPTY"):
        kind = parser.take_any(("ARRAY", "OBJECT"))
        if kind is None:
            raise parser.unexpected("expected ARRAY or OBJECT after EMPTY")
        said = f"EMPTY {kind}"
    if said is None:
        raise parser.unexpected(f'expected ")" or words such as NULL ON EMPTY in {function}')
    parser.expect("ON", f"in {function}", hint="NULL ON EMPTY, or DEFAULT 0 ON ERROR")
    place = parser.take_any(("EMPTY", "ERROR"))
    if place is None:
        raise parser.unexpected("expected EMPTY or ERROR after ON")
    return f"{'default' if default else 'on'}_{place.lower()}", said


def _json_object(parser: CallParser, token: Token) -> Expression:
    args: list[Expression] = []
    clauses: _Clauses = {}
    while not parser.sees(")"):
        if parser.sees_any(("NULL", "ABSENT")) and parser.peek().upper == "ON":
            clauses["on_null"] = parser.advance().upper
            parser.advance()
            parser.expect("NULL", "after ON")
            continue
        parser.take("KEY")
        args.append(parser.expression())
        if token.upper.startswith("JSON_OBJECT"):
            if not parser.take("VALUE"):
                parser.expect(",", "between key and value")
            args.append(parser.expression())
        parser.take(",")
    return replace(_made(token, args), clauses=tuple(clauses.items()))


_SPECIAL: dict[str, Callable[[CallParser, Token], Expression]] = {
    "CAST": _cast, "TRY_CAST": _cast, "EXTRACT": _extract, "TIMESTAMPADD": _unit_first,
    "TIMESTAMPDIFF": _unit_first, "TRIM": _trim, "SUBSTRING": _substring, "OVERLAY": _overlay,
    "POSITION": _position, "CEIL": _rounded, "CEILING": _rounded, "FLOOR": _rounded,
    "JSON_VALUE": _json, "JSON_QUERY": _json, "JSON_EXISTS": _json,
    "JSON_OBJECT": _json_object, "JSON_ARRAY": _json_object, "JSON_OBJECTAGG": _json_object,
    "JSON_ARRAYAGG": _json_object,
}  # fmt: skip
