"""Expressions as they are written: precedence as in Flink (OR, AND, NOT, IS, comparisons, + -, * / % ||, signs)."""

from __future__ import annotations

from dataclasses import replace

from penstock.core.errors import PlanError
from penstock.sql import literals
from penstock.sql.lexer import BINARY, NUMBER, QUOTED, STRING, WORD
from penstock.sql.parse_values import ValueParser
from penstock.sql.syntax import (
    Call,
    Constant,
    Exists,
    Expression,
    Field,
    InQuery,
    Name,
    Scalar,
    Star,
)
from penstock.sql.types import SqlType

_COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")
_ELSEWHERE = {
    "==": ("= compares", "="), "&&": ("AND joins conditions", "AND"), "::": ("CAST converts", "CAST(x AS TYPE)"),
}  # fmt: skip
_DIFFERENCES = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_QUERIES = ("SELECT", "WITH", "VALUES")
_FLAGS = ("TRUE", "FALSE", "UNKNOWN")
_NILADIC = (
    "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_ROW_TIMESTAMP",
    "CURRENT_DATABASE",
)  # fmt: skip
"""Functions that are called without brackets."""


LONGEST = 60
"""How many operators of one rank may stand in a row: they become a tree as deep."""


class ExpressionParser(ValueParser):
    """Reads expressions."""

    def expression(self) -> Expression:
        """An expression.

        Raises:
            PlanError: If there is none.
        """
        self.deeper()
        try:
            return self._or()
        finally:
            self.depth -= 1

    def _call(self, name: str, *args: Expression, words: tuple[str, ...] = ()) -> Call:
        return Call(name, args, words=words, at=args[0].at, end=self.last_end, written=name)

    def _or(self) -> Expression:
        found = [self._and()]
        while self.take("OR"):
            found.append(self._and())
        return self._balanced("OR", found)

    def _and(self) -> Expression:
        found = [self._not()]
        while self.take("AND"):
            found.append(self._not())
        return self._balanced("AND", found)

    def _balanced(self, word: str, found: list[Expression]) -> Expression:
        """A long row of conditions must not become a deep tree."""
        if len(found) == 1:
            return found[0]
        half = (len(found) + 1) // 2
        left, right = self._balanced(word, found[:half]), self._balanced(word, found[half:])
        return Call(word, (left, right), at=left.at, end=right.end, written=word)

    def _not(self) -> Expression:
        if not self.sees("NOT"):
            return self._is()
        self.deeper()
        start = self.advance().start
        inner = self._not()
        self.depth -= 1
        return Call("NOT", (inner,), at=start, end=self.last_end, written="NOT")

    def _is(self) -> Expression:
        left = self._comparison()
        while self.sees("IS"):
            self.advance()
            negated = "NOT " if self.take("NOT") else ""
            if self.take("NULL"):
                left = self._call(f"IS {negated}NULL", left)
            elif word := self.take_any(_FLAGS):
                left = self._call(f"IS {negated}{word}", left)
            elif self.take("DISTINCT", "FROM"):
                left = self._call(f"IS {negated}DISTINCT FROM", left, self._comparison())
            elif self.take("JSON"):
                kind = self.take_any(("VALUE", "SCALAR", "ARRAY", "OBJECT"))
                left = self._call(f"IS {negated}JSON" + (f" {kind}" if kind else ""), left)
            else:
                raise self.unexpected("expected NULL, TRUE, FALSE, DISTINCT FROM or JSON after IS")
        return left

    def _comparison(self) -> Expression:
        left = self.sum()
        while True:
            if self.sees_any(_COMPARISONS):
                sign = self.advance()
                self._no_doubled_sign(sign.text, sign.end)
                if self.sees_any(("ALL", "ANY", "SOME")):
                    raise self.text.unsupported(
                        "comparisons with ANY, SOME or ALL are not offered", self.token.start, hint="IN, or MAX / MIN"
                    )
                left = self._call("<>" if sign.text == "!=" else sign.text, left, self.sum())
                continue
            negated = self.sees("NOT") and self.peek().upper in ("IN", "BETWEEN", "LIKE", "SIMILAR", "RLIKE", "ILIKE")
            if negated:
                self.advance()
            if self.sees("IN"):
                left = self._in(left, negated)
            elif self.sees("BETWEEN"):
                left = self._between(left, negated)
            elif self.sees_any(("LIKE", "SIMILAR", "RLIKE", "ILIKE")):
                left = self._like(left, negated)
            elif self.sees("OVERLAPS"):
                left = self._overlaps(left)
            else:
                return left

    def _no_doubled_sign(self, sign: str, end: int) -> None:
        if self.token.start == end and self.token.upper in ("=", ">"):
            raise self.text.error(
                f'there is no sign "{sign}{self.token.text}" in SQL', end - len(sign), self.token.end, hint="= compares"
            )

    def _negated(self, call: Expression, negated: bool) -> Expression:
        return Call("NOT", (call,), at=call.at, end=call.end, written="NOT") if negated else call

    def _between(self, left: Expression, negated: bool) -> Expression:
        self.advance()
        word = "SYMMETRIC" if self.take("SYMMETRIC") else "ASYMMETRIC"
        self.take("ASYMMETRIC")
        low = self.sum()
        self.expect("AND", "between the bounds of BETWEEN", hint="x BETWEEN 1 AND 10")
        return self._negated(self._call("BETWEEN", left, low, self.sum(), words=(word,)), negated)

    def _like(self, left: Expression, negated: bool) -> Expression:
        token = self.advance()
        if token.upper in ("ILIKE", "RLIKE"):
            wanted = "UPPER(x) LIKE UPPER(pattern)" if token.upper == "ILIKE" else "REGEXP(x, pattern)"
            raise self.text.error(f"there is no {token.upper} in Flink SQL", token.start, token.end, hint=wanted)
        name = "LIKE"
        if token.upper == "SIMILAR":
            self.expect("TO", "after SIMILAR")
            name = "SIMILAR TO"
        args = [left, self.sum()]
        if self.take("ESCAPE"):
            args.append(self.sum())
        return self._negated(self._call(name, *args), negated)

    def _in(self, left: Expression, negated: bool) -> Expression:
        self.advance()
        self.expect("(", "after IN")
        if self.sees_any(_QUERIES):
            query = self.query()
            self.expect(")", "after the query")
            values = left.args if isinstance(left, Call) and left.name == "ROW" else (left,)
            return InQuery(values, query, negated, at=left.at, end=self.last_end)
        if self.sees(")"):
            raise self.unexpected("IN needs at least one value")
        items = self.several(self.expression)
        self.expect(")", "after the values of IN")
        return self._negated(self._call("IN", left, *items), negated)

    def _overlaps(self, left: Expression) -> Expression:
        self.advance()
        bounds: list[Expression] = []
        for period in (left, self.sum()):
            if not isinstance(period, Call) or period.name != "ROW" or len(period.args) != 2:
                raise self.text.error(
                    "OVERLAPS takes two periods", period.at, period.end, hint="(start, end) OVERLAPS (start, end)"
                )
            bounds += period.args
        return Call("OVERLAPS", tuple(bounds), at=left.at, end=self.last_end, written="OVERLAPS")

    def sum(self) -> Expression:
        """Sums, and what binds tighter: an expression without conditions."""
        left, count = self._product(), 0
        while self.sees_any(("+", "-")):
            count = self._counted(count)
            left = self._call(self.advance().text, left, self._product())
        return left

    def _product(self) -> Expression:
        left, count = self._sign(), 0
        while True:
            if self.sees("|", "|") or (self.sees("&") and self.peek().upper == "&"):
                raise self.unexpected("expected an operator", hint="|| joins texts, AND and OR join conditions")
            if not self.sees_any(("*", "/", "%", "||")):
                return left
            count = self._counted(count)
            left = self._call(self.advance().text, left, self._sign())

    def _counted(self, count: int) -> int:
        if count >= LONGEST:
            raise self.unexpected(
                f"there are more than {LONGEST} operators in a row", hint="compute parts in a subquery"
            )
        return count + 1

    def _sign(self) -> Expression:
        if not self.sees_any(("-", "+")):
            return self._postfix(self._primary())
        self.deeper()
        sign = self.advance()
        inner = self._sign()
        self.depth -= 1
        if sign.text == "+":
            return inner
        if isinstance(inner, Constant) and not isinstance(inner.value, (bool, str)) and inner.type.name in (
            "INT", "BIGINT", "DECIMAL", "DOUBLE",
        ):  # fmt: skip
            kind = inner.type
            if kind.name == "BIGINT" and inner.value == 2**31:
                kind = SqlType("INT", nullable=False)
            return replace(inner, value=-inner.value, type=kind, at=sign.start)
        return Call("-", (inner,), at=sign.start, end=self.last_end, written="-")

    # -- what is behind a value ------------------------------------------------

    def _postfix(self, value: Expression) -> Expression:
        while True:
            if self.take("["):
                index = self.expression()
                self.expect("]", "after the index")
                value = self._call("ITEM", value, index)
            elif self.sees(".") and not isinstance(value, (Constant, Star)):
                self.advance()
                name = self.ident("the name of a field", any_word=True)
                value = Field(value, name, at=value.at, end=self.last_end)
            elif self.sees(":", ":"):
                raise self.unexpected("expected an operator", hint="CAST(x AS TYPE) converts; there is no ::")
            elif self.sees("AT", "TIME", "ZONE"):
                raise self.unexpected(
                    "AT TIME ZONE is not in Flink SQL", hint="CONVERT_TZ, or SET 'table.local-time-zone'"
                )
            else:
                return value

    def _primary(self) -> Expression:
        token = self.token
        if token.kind == NUMBER:
            self.advance()
            after = self.token
            if after.kind == WORD and after.start == token.end:
                raise self.text.error(f'"{token.text}{after.text}" is no number', token.start, after.end)
            return literals.number(self.text, token.text, token.start, token.end)
        if token.kind == STRING:
            return self._string()
        if token.kind == BINARY:
            self.advance()
            try:
                value = bytes.fromhex(token.text)
            except ValueError:
                raise self.text.error("this is no text of hexadecimal digits", token.start, token.end) from None
            return Constant(value, SqlType("BYTES", nullable=False), at=token.start, end=token.end)
        if self.sees("("):
            return self._bracket()
        if self.sees("*"):
            self.advance()
            return Star(at=token.start, end=token.end)
        if token.kind == QUOTED:
            return self.call() if self.peek().upper == "(" else self._name()
        if token.kind == WORD:
            return self._word()
        if self.sees(".") and self.peek().kind == NUMBER and self.peek().start == token.end:
            self.advance()
            digits = self.advance()
            return literals.number(self.text, f"0.{digits.text}", token.start, digits.end)
        raise self._no_value()

    def _no_value(self) -> PlanError:
        token = self.token
        pair = token.text + self.peek().text
        if pair in _ELSEWHERE:
            told, wanted = _ELSEWHERE[pair]
            return self.unexpected(f"expected a value; {told}", hint=wanted)
        if token.text in (")", ",", ";") or token.kind == "end":
            return self.unexpected("expected a value")
        return self.unexpected("expected a value: a column, a literal, or a function")

    def _string(self) -> Expression:
        first = self.advance()
        written = first.text
        while self.token.kind == STRING and "\n" in self.text.sql[self.last_end : self.token.start]:
            written += self.advance().text
        kind = SqlType("CHAR", (max(1, len(written)),), nullable=False)
        return Constant(written, kind, at=first.start, end=self.last_end)

    def _bracket(self) -> Expression:
        start = self.advance().start
        if self.sees_any(_QUERIES):
            query = self.query()
            self.expect(")", "after the query")
            return Scalar(query, at=start, end=self.last_end)
        items = self.several(self.expression)
        self.expect(")", "after the expression")
        if len(items) == 1:
            return self._in_units(items[0], start)
        return Call("ROW", items, at=start, end=self.last_end, written="ROW")

    def _in_units(self, value: Expression, start: int) -> Expression:
        """`(a - b) DAY TO SECOND`: a difference of times, which has one type here whatever the units."""
        is_difference = isinstance(value, Call) and value.name == "-" and len(value.args) == 2
        if not is_difference or not self.sees_any(_DIFFERENCES):
            return value
        unit = self._unit()[0]
        if self.take("TO"):
            self._unit()
        return Call("DIFFERENCE", (value,), words=(unit,), at=start, end=self.last_end, written="-")

    def _word(self) -> Expression:
        token = self.token
        word, behind = token.upper, self.peek()
        if word in ("TRUE", "FALSE", "UNKNOWN", "NULL") and behind.upper != "(":
            self.advance()
            if word in ("NULL", "UNKNOWN"):
                kind = "NULL" if word == "NULL" else "BOOLEAN"
                return Constant(None, SqlType(kind), at=token.start, end=token.end)
            return Constant(word == "TRUE", SqlType("BOOLEAN", nullable=False), at=token.start, end=token.end)
        if word in ("DATE", "TIME", "TIMESTAMP") and behind.kind == STRING:
            self.advance()
            written = self.advance()
            return literals.temporal(self.text, word, written.text, token.start, written.end)
        if word == "INTERVAL":
            return self._interval()
        if word == "CASE":
            return self._case()
        if word == "EXISTS" and behind.upper == "(":
            self.advance()
            self.advance()
            query = self.query()
            self.expect(")", "after the query")
            return Exists(query, at=token.start, end=self.last_end)
        if word in ("ARRAY", "MAP") and behind.upper == "[":
            return self._constructor(word)
        if word in _NILADIC and behind.upper != "(":
            self.advance()
            return Call(word, (), at=token.start, end=token.end, written=token.text)
        if behind.upper == "(":
            return self.call()
        return self._name()

    def _name(self) -> Expression:
        parts = [self.ident("a column")]
        while self.sees("."):
            if self.peek().upper == "*":
                self.advance()
                self.advance()
                return Star(parts[-1], at=parts[0].at, end=self.last_end)
            self.advance()
            parts.append(self.ident("the name of a column or field", any_word=True))
        return Name(tuple(parts), at=parts[0].at, end=self.last_end)
