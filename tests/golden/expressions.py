"""A small reader of SQL expressions for the function cases: text straight to the function library.

The cases are held to the library here, without the parser and the binder of `penstock.sql`, so that a difference is the
library's own.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from penstock.core.dtypes import Boolean, Date, Datetime, DType, Duration, Null, String, Time
from penstock.core.schema import Schema
from penstock.expr.ast import Column
from penstock.expr.infer import Typed, infer
from penstock.sql.functions import Session, case, cast, constant, number, resolve
from penstock.sql.terms import MONTHS
from tests.golden.clauses import Clauses

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_]\w*|`[^`]+`)"
    r"|(?P<symbol><>|<=|>=|\|\||!=|=>|[-+*/%(),.\[\]<>=]))"
)
_UNITS = {"DAY": 86_400_000, "HOUR": 3_600_000, "MINUTE": 60_000, "SECOND": 1000}
_COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")


def tokens(text: str) -> list[tuple[str, str]]:
    """The words of a text with their kinds."""
    found, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        assert match is not None, f"{text[place:]!r} in {text!r}"
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        place = match.end()
    return found


class Reader(Clauses):
    """Reads one expression over a schema."""

    def __init__(self, text: str, schema: Schema, session: Session) -> None:
        self.words = tokens(text)
        self.place = 0
        self.schema = schema
        self.session = session

    def whole(self) -> Typed:
        """The expression, to its end."""
        found = self.expression()
        assert self.place == len(self.words), f"left over: {self.words[self.place :]}"
        return found

    # -- Words ------------------------------------------------------------------

    def peek(self, offset: int = 0) -> str:
        """The word at hand, in capitals."""
        at = self.place + offset
        return self.words[at][1].upper() if at < len(self.words) else ""

    def take(self, *words: str) -> bool:
        """Take these words if they follow."""
        if all(self.peek(i) == word for i, word in enumerate(words)):
            self.place += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        """Take these words."""
        assert self.take(*words), f"expected {words}, found {self.words[self.place : self.place + 3]}"

    def next(self) -> str:
        """Take any word."""
        self.place += 1
        return self.words[self.place - 1][1]

    def call(self, name: str, *args: Typed, **options: Any) -> Typed:
        """A function of the library."""
        return resolve(name, args, session=self.session, **options)

    def word(self) -> Typed:
        """A word of the syntax, as the library takes it."""
        return constant(self.next().upper(), String)

    # -- Operators --------------------------------------------------------------

    def expression(self) -> Typed:
        """OR and below."""
        left = self.conjunction()
        while self.take("OR"):
            left = self.call("OR", left, self.conjunction())
        return left

    def conjunction(self) -> Typed:
        """AND and below."""
        left = self.negation()
        while self.take("AND"):
            left = self.call("AND", left, self.negation())
        return left

    def negation(self) -> Typed:
        """NOT and below."""
        return self.call("NOT", self.negation()) if self.take("NOT") else self.predicate()

    def predicate(self) -> Typed:
        """Comparisons and what stands in their place."""
        left = self.sum()
        while True:
            if self.peek() in _COMPARISONS:
                left = self.call(self.next(), left, self.sum())
            elif self.take("IS"):
                left = self.state(left)
            elif self.peek() in ("LIKE", "IN", "BETWEEN", "SIMILAR") or self.peek() == "NOT":
                left = self.matching(left, "NOT " if self.take("NOT") else "")
            else:
                return left

    def state(self, left: Typed) -> Typed:
        """What follows IS."""
        no = "NOT " if self.take("NOT") else ""
        if self.take("DISTINCT", "FROM"):
            return self.call(f"IS {no}DISTINCT FROM", left, self.sum())
        kind = self.next().upper()
        if kind == "JSON":
            more = f" {self.next().upper()}" if self.peek() in ("VALUE", "OBJECT", "ARRAY", "SCALAR") else ""
            return self.call(f"IS {no}JSON{more}", left)
        return self.call(f"IS {no}{kind}", left)

    def matching(self, left: Typed, no: str) -> Typed:
        """LIKE, SIMILAR TO, IN, BETWEEN."""
        if self.take("LIKE"):
            pattern = self.sum()
            return self.call(f"{no}LIKE", left, pattern, *([self.sum()] if self.take("ESCAPE") else []))
        if self.take("SIMILAR", "TO"):
            return self.call(f"{no}SIMILAR TO", left, self.sum())
        if self.take("IN"):
            self.need("(")
            return self.call(f"{no}IN", left, *self.arguments(")"))
        self.need("BETWEEN")
        either = " SYMMETRIC" if self.take("SYMMETRIC") else ""
        low = self.sum()
        self.need("AND")
        return self.call(f"{no}BETWEEN{either}", left, low, self.sum())

    def sum(self) -> Typed:
        """Sums and below."""
        left = self.product()
        while self.peek() in ("+", "-", "||"):
            left = self.call(self.next(), left, self.product())
        return left

    def product(self) -> Typed:
        """Products and below."""
        left = self.unary()
        while self.peek() in ("*", "/", "%"):
            left = self.call(self.next(), left, self.unary())
        return left

    def unary(self) -> Typed:
        """Signs and below."""
        if self.take("-"):
            if self.words[self.place][0] == "number":
                return self.suffixed(number("-" + self.next()))
            return self.call("-", self.unary())
        return self.call("+", self.unary()) if self.take("+") else self.suffixed(self.primary())

    def suffixed(self, value: Typed) -> Typed:
        """Elements of arrays and maps."""
        while self.take("["):
            value = self.call("ITEM", value, self.expression())
            self.need("]")
        return value

    # -- Values -----------------------------------------------------------------

    def arguments(self, end: str) -> list[Typed]:
        """Expressions with commas between them, to the end."""
        found: list[Typed] = []
        while not self.take(end):
            if found:
                self.need(",")
            found.append(self.expression())
        return found

    def primary(self) -> Typed:
        """A constant, a column, a call, or something in brackets."""
        kind, word = self.words[self.place]
        if kind == "number":
            return number(self.next())
        if kind == "text":
            return constant(self.quoted(), String)
        if self.take("("):
            return self.bracket()
        special = getattr(self, f"read_{word.lower()}", None)
        if special is not None and (self.peek(1) in ("(", "[") or word.upper() in ("CASE", "INTERVAL") or self.dated()):
            found: Typed = special()
            return found
        self.place += 1
        if word.upper() in ("TRUE", "FALSE"):
            return constant(word.upper() == "TRUE", Boolean)
        if word.upper() == "NULL":
            return constant(None, Null)
        if self.take("("):
            return self.call(word, *self.arguments(")"))
        return infer(Column(word), self.schema)

    def dated(self) -> bool:
        """Whether a text follows, as behind DATE."""
        return self.place + 1 < len(self.words) and self.words[self.place + 1][0] == "text"

    def quoted(self) -> str:
        """The text of a constant."""
        return self.next()[1:-1].replace("''", "'")

    def bracket(self) -> Typed:
        """What is in brackets: an expression, a row, a difference of moments, an OVERLAPS."""
        first = self.arguments(")")
        if self.take("OVERLAPS"):
            self.need("(")
            return self.call("OVERLAPS", *first, *self.arguments(")"))
        if self.peek() in ("DAY", "HOUR", "MINUTE", "SECOND"):
            self.next()
            if self.take("TO"):
                self.next()
        return first[0] if len(first) == 1 else self.call("ROW", *first)

    def read_date(self) -> Typed:
        """DATE '...'."""
        self.next()
        return constant(dt.date.fromisoformat(self.quoted()), Date)

    def read_time(self) -> Typed:
        """TIME '...'."""
        self.next()
        return constant(dt.time.fromisoformat(self.quoted()), Time)

    def read_timestamp(self) -> Typed:
        """TIMESTAMP '...'."""
        self.next()
        return constant(dt.datetime.fromisoformat(self.quoted()), Datetime("ms"))

    def read_interval(self) -> Typed:
        """INTERVAL '...' DAY TO SECOND."""
        self.next()
        text, unit = self.quoted(), self.next().upper()
        last = self.next().upper() if self.take("TO") else unit
        if unit in ("YEAR", "MONTH"):
            years, _, months = text.partition("-") if last != unit else (text, "", "")
            count = int(years) * 12 + int(months or 0) if unit == "YEAR" else int(text)
            return constant((("$months", count),), MONTHS)
        parts = [float(part) for part in re.split("[ :]", text)]
        names = list(_UNITS)[list(_UNITS).index(unit) :]
        millis = sum(part * _UNITS[name] for part, name in zip(parts, names, strict=False))
        return constant(dt.timedelta(milliseconds=round(millis)), Duration("ms"))

    def read_case(self) -> Typed:
        """CASE."""
        self.next()
        subject = None if self.peek() == "WHEN" else self.expression()
        branches = []
        while self.take("WHEN"):
            condition = self.expression()
            condition = condition if subject is None else self.call("=", subject, condition)
            self.need("THEN")
            branches.append((condition, self.expression()))
        otherwise = self.expression() if self.take("ELSE") else None
        self.need("END")
        return case(branches, otherwise)

    def read_cast(self, attempt: bool = False) -> Typed:
        """CAST."""
        self.next()
        self.need("(")
        value = self.expression()
        self.need("AS")
        dtype, shape = self.type()
        self.need(")")
        return cast(value, dtype, session=self.session, attempt=attempt, **shape)

    def read_try_cast(self) -> Typed:
        """TRY_CAST."""
        return self.read_cast(attempt=True)

    def read_array(self) -> Typed:
        """ARRAY[...]."""
        self.next()
        self.need("[")
        return self.call("ARRAY", *self.arguments("]"))

    def read_map(self) -> Typed:
        """MAP[...]."""
        self.next()
        self.need("[")
        return self.call("MAP", *self.arguments("]"))

    def read_extract(self) -> Typed:
        """EXTRACT(unit FROM x)."""
        self.next()
        self.need("(")
        unit = self.word()
        self.need("FROM")
        return self.call("EXTRACT", unit, *self.arguments(")"))

    def read_position(self) -> Typed:
        """POSITION(a IN b)."""
        self.next()
        self.need("(")
        wanted = self.sum()
        self.need("IN")
        return self.call("POSITION", wanted, *self.arguments(")"))

    def read_trim(self) -> Typed:
        """TRIM([side] [letters FROM] x)."""
        self.next()
        self.need("(")
        side = self.word() if self.peek() in ("BOTH", "LEADING", "TRAILING") else constant("BOTH", String)
        first = self.expression()
        if self.take("FROM"):
            return self.call("TRIM", side, first, *self.arguments(")"))
        self.need(")")
        return self.call("TRIM", first)

    def read_substring(self) -> Typed:
        """SUBSTRING(x FROM a FOR b), or with commas."""
        return self.listed("SUBSTRING", "FROM", "FOR")

    def read_overlay(self) -> Typed:
        """OVERLAY(x PLACING y FROM a FOR b)."""
        return self.listed("OVERLAY", "PLACING", "FROM", "FOR")

    def listed(self, name: str, *words: str) -> Typed:
        """Arguments with words or commas between them."""
        self.next()
        self.need("(")
        found = [self.expression()]
        while not self.take(")"):
            assert self.next().upper() in (",", *words)
            found.append(self.expression())
        return self.call(name, *found)

    def read_floor(self) -> Typed:
        """FLOOR(x [TO unit])."""
        name = self.next()
        self.need("(")
        value = self.expression()
        unit = [self.word()] if self.take("TO") else []
        self.need(")")
        return self.call(name, value, *unit)

    read_ceil = read_ceiling = read_floor

    def read_timestampadd(self) -> Typed:
        """A unit first."""
        name = self.next()
        self.need("(")
        unit = self.word()
        self.need(",")
        return self.call(name, unit, *self.arguments(")"))

    read_timestampdiff = read_timestampadd


def read(text: str, schema: Schema, session: Session) -> Typed:
    """The typed term of an expression."""
    return Reader(text, schema, session).whole()


def read_type(text: str, session: Session) -> tuple[DType, bool]:
    """The type of the plan for Flink's, and whether it may be null."""
    reader = Reader(text, Schema.of({}), session)
    dtype, shape = reader.type()
    return dtype, not shape.get("required", text.endswith("NOT NULL"))
