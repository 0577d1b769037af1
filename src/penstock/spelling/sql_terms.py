"""Terms as Flink's SQL, also that inside of YAML: what the binder makes the same term of, tried before it is written.

Flink's own words come first. What they do not give exactly - Python's `/`, a constant whose type gives way - is written
as a function of the plan by its own name (see `penstock.sql.exact`).
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from penstock.core.dtypes import Datetime, DType, Float64, Int64, String, Time
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Apply, Call, Case, Cast, Column, Lag, Literal, Over, Term
from penstock.expr.functions import FUNCTIONS
from penstock.expr.user_aggregates import UserAggregation
from penstock.expr.user_functions import UserFunction
from penstock.plan.values import encode
from penstock.sql import aggregates, functions
from penstock.sql.bind_expression import Collected, Expressions
from penstock.sql.cursor import RESERVED
from penstock.sql.lexer import END
from penstock.sql.parse_statement import StatementParser
from penstock.sql.scope import Scope
from penstock.sql.terms import MONTHS, Session
from penstock.sql.text import Text
from penstock.sql.types import spelled as type_name

_INFIX = {
    "eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "AND", "or": "OR",
    "eq_missing": "IS NOT DISTINCT FROM", "ne_missing": "IS DISTINCT FROM", "sql.add": "+", "sql.subtract": "-",
    "sql.multiply": "*", "sql.divide": "/", "sql.mod": "%", "sql.concat": "||", "sql.similar": "SIMILAR TO",
}  # fmt: skip
_AROUND = {
    "is_null": "{0} IS NULL", "is_not_null": "{0} IS NOT NULL", "not": "NOT {0}", "sql.negate": "-{0}", "neg": "-{0}",
    "list.get": "{0}[{1}]", "map.get": "{0}[{1}]",
}  # fmt: skip
_FIRST = {
    "count": "COUNT(*)", "count_values": "COUNT({0})", "n_unique": "COUNT(DISTINCT {0})", "sql.sum": "SUM({0})",
    "sql.avg": "AVG({0})", "min": "MIN({0})", "max": "MAX({0})",
}  # fmt: skip
_WORDS = ("TRUE", "FALSE", "NULL", "UNKNOWN", "DATE", "TIME", "TIMESTAMP", "INTERVAL", "CASE", "EXISTS", "ARRAY", "MAP")


def quoted(name: str) -> str:
    """A name of a table or column, in backquotes if it needs them."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.upper() not in (*RESERVED, *_WORDS, *functions.NAMES)
    return name if plain and name.upper() not in aggregates.NAMES else "`" + name.replace("`", "``") + "`"


def text_of(value: str) -> str:
    """A constant text."""
    return "'" + value.replace("'", "''") + "'"


@cache
def _names() -> dict[str, list[str]]:
    """The names in SQL of functions of the plan."""
    found: dict[str, list[str]] = {}
    for name, entries in functions.ENTRIES.items():
        if re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            for one in entries:
                if one.function is not None:
                    found.setdefault(one.function, []).append(name)
    return found


class SqlTerms:
    """Writes terms over the columns of some rows, for a session."""

    def __init__(self, scope: Scope, schema: Any, session: Session, known: Mapping[Term, str] | None = None) -> None:
        self.scope, self.schema, self.session = scope, schema, session
        self.known = dict(known or {})
        self.functions: dict[str, UserFunction] = {}
        self.called: Callable[[UserFunction], str] | None = None

    # -- reading back ----------------------------------------------------------

    def read(self, text: str) -> Term | None:
        """The term that a text is; None if it is none."""
        try:
            parser = StatementParser(Text(text, "<spelling>"))
            collected = Collected(self.schema)
            syntax = parser.expression()
            if parser.token.kind != END:
                return None
            found = Expressions(
                parser.text, self.scope, self.session, collected=collected, udfs=self.functions, applies=True
            ).bind(syntax)
        except PlanError:
            return None
        known = dict(collected.terms)
        return found.term.rewrite(lambda one: known.get(one.name, one) if isinstance(one, Column) else one)

    def _first(self, term: Term, texts: Iterator[str]) -> str | None:
        return next((text for text in texts if self.read(text) == term), None)

    # -- writing ---------------------------------------------------------------

    def of(self, term: Term) -> str:
        """The text of a term.

        Raises:
            UnsupportedError: If it has none.
        """
        if term in self.known:
            return self.known[term]
        match term:
            case Column(name):
                return quoted(name) if self.read(quoted(name)) == term else "`" + name.replace("`", "``") + "`"
            case Literal():
                return self._literal(term)
            case Call():
                return self._first(term, self._call(term)) or self._exact(term)
            case Cast(inner, dtype, strict):
                said = dtype.to_json()
                said = said if isinstance(said, str) else json.dumps(said)
                return f"`ps.{'cast' if strict else 'try_cast'}`({self.of(inner)}, {text_of(said)})"
            case Case():
                return self._case(term)
            case Aggregation():
                return self._first(term, self._aggregation(term)) or self._exact_aggregation(term)
            case Apply(function, args) if self.called is not None:
                return f"{self.called(function)}({', '.join(map(self.of, args))})"
            case Apply():
                raise UnsupportedError(f"the function {term.function} of the program has no name in SQL")
            case Over() | Lag():
                raise UnsupportedError(f"{term} is a frame that SQL has no words for")
        raise UnsupportedError(f"{term} has no spelling")

    def top(self, term: Term) -> str:
        """The text of a term that stands by itself: without brackets around the whole.

        Raises:
            UnsupportedError: If it has none.
        """
        text = self.of(term)
        bare = text[1:-1]
        return bare if text[:1] == "(" and text[-1:] == ")" and self.read(bare) == term else text

    def _literal(self, term: Literal) -> str:
        value = term.value
        if term.flexible and type(value) is int and term.dtype == Int64:
            return f"`ps.lit`({value})"
        if term.flexible and type(value) is float and term.dtype == Float64 and value - value == 0:
            return f"`ps.lit`({value!r})"
        shown = self._first(term, iter(_constants(value, term.dtype)))
        return shown or f"`ps.value`({text_of(json.dumps(encode(term)))})"

    def _call(self, call: Call) -> Iterator[str]:
        name, options = call.function, dict(call.options)
        for args in self._arguments(call.args):
            if name in _INFIX and len(args) == 2:
                yield f"({args[0]} {_INFIX[name]} {args[1]})"
            elif name in _AROUND and len(args) <= 2:
                yield f"({_AROUND[name].format(*args, '')})"
            elif name == "sql.like":
                escape = options.get("escape")
                yield f"({args[0]} LIKE {args[1]}{f' ESCAPE {text_of(escape)}' if escape else ''})"
            elif name == "struct.field":
                yield f"{args[0]}.{quoted(str(options['name']))}"
            elif name == "struct":
                yield f"ROW({', '.join(args)})"
            elif name == "sql.cast":
                word = "TRY_CAST" if options.get("attempt") else "CAST"
                for kind in _types(options):
                    yield f"{word}({args[0]} AS {kind})"
            for known in _names().get(name, ()):
                yield f"{known}({', '.join(args)})"
                for unit in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND") if not args[1:] else ():
                    yield f"{known}({unit} FROM {args[0]})"

    def _arguments(self, args: Sequence[Term]) -> Iterator[list[str]]:
        """The arguments without the conversions that the binder makes by itself, then with some, then with all."""
        full = [self.of(arg) for arg in args]
        bare = [self.of(arg.term) if isinstance(arg, Cast) else text for arg, text in zip(args, full, strict=True)]
        if bare != full:
            yield bare
            if len(args) == 2:
                yield [bare[0], full[1]]
                yield [full[0], bare[1]]
        yield full

    def _exact(self, call: Call) -> str:
        defaults = FUNCTIONS[call.function].options
        return self._by_own_name(f"ps.{call.function}", call.args, call.options, defaults)

    def _by_own_name(self, name: str, args: Sequence[Term], options: Any, defaults: Mapping[str, Any]) -> str:
        given = {key: value for key, value in options if key not in defaults or value != defaults[key]}
        texts = [self.of(arg) for arg in args]
        if given:
            stored = {key: encode(value) for key, value in given.items()}
            texts.append(f"`ps.options`({text_of(json.dumps(stored))})")
        return f"`{name}`({', '.join(texts)})"

    def _case(self, case: Case) -> str:
        def said(drop: bool) -> str:
            def of(term: Term) -> str:
                return self.of(term.term) if drop and isinstance(term, Cast) else self.of(term)

            inside = " ".join(f"WHEN {self.of(c)} THEN {of(v)}" for c, v in case.branches)
            nothing = drop and isinstance(case.otherwise, Literal) and case.otherwise.value is None
            last = "" if nothing else f" ELSE {of(case.otherwise)}"
            return f"CASE {inside}{last} END"

        found = self._first(case, iter((said(drop=True), said(drop=False))))
        if found is not None:
            return found
        parts = [self.of(part) for part in case.children]
        return f"`ps.case`({', '.join(parts)})"

    def _aggregation(self, term: Aggregation) -> Iterator[str]:
        where = f" FILTER (WHERE {self.of(term.where)})" if term.where is not None else ""
        for args in self._arguments(term.args):
            inside = ", ".join(args)
            if term.aggregate in _FIRST and len(args) <= 1:
                yield _FIRST[term.aggregate].format(inside) + where
            for name in sorted(aggregates.TABLE):
                yield f"{name}({inside or '*'}){where}"
                yield f"{name}(DISTINCT {inside}){where}"

    def _exact_aggregation(self, term: Aggregation) -> str:
        if isinstance(term, UserAggregation):
            raise UnsupportedError("SQL calls no aggregates in Python yet")
        defaults = AGGREGATES[term.aggregate].options
        where = f" FILTER (WHERE {self.of(term.where)})" if term.where is not None else ""
        return self._by_own_name(f"ps.agg.{term.aggregate}", term.args, term.options, defaults) + where


def _types(options: Mapping[str, Any]) -> Iterator[str]:
    """What a type may be called in CAST."""
    dtype, length, digits = options["dtype"], options.get("length"), options.get("digits")
    name = type_name(dtype)
    if length is not None:
        yield f"{('CHAR' if options.get('fixed') else 'VARCHAR') if dtype == String else 'VARBINARY'}({length})"
        yield f"BINARY({length})"
    if isinstance(dtype, Datetime) and digits is not None:
        yield f"{'TIMESTAMP_LTZ' if dtype.zone else 'TIMESTAMP'}({digits})"
    if dtype == Time and digits is not None:
        yield f"TIME({digits})"
    yield name


def _constants(value: Any, dtype: DType) -> Iterator[str]:
    """What a constant may be written as."""
    match value:
        case None:
            yield "NULL"
            yield f"CAST(NULL AS {type_name(dtype)})"
        case bool():
            yield str(value).upper()
        case int() | decimal.Decimal():
            yield str(value)
        case float():
            yield f"{value:e}" if float(f"{value:e}") == value else repr(value) + ("" if "e" in repr(value) else "e0")
        case str():
            yield text_of(value)
        case bytes():
            yield f"X'{value.hex()}'"
        case dt.datetime():
            yield f"TIMESTAMP '{value.replace(tzinfo=None).isoformat(sep=' ')}'"
        case dt.date():
            yield f"DATE '{value.isoformat()}'"
        case dt.time():
            yield f"TIME '{value.isoformat()}'"
        case dt.timedelta():
            yield from (interval(value // dt.timedelta(microseconds=1)),)
    if dtype == MONTHS and value is not None:
        yield f"INTERVAL '{value[0][1]}' MONTH(4)"
    if dtype == String and value is not None:
        yield f"CAST({text_of(value)} AS STRING)"


def interval(us: int) -> str:
    """A length of time as an interval of SQL."""
    sign, us = ("-", -us) if us < 0 else ("", us)
    for unit, size in (("DAY", 86_400_000_000), ("HOUR", 3_600_000_000), ("MINUTE", 60_000_000)):
        if us and us % size == 0:
            count = us // size
            return f"INTERVAL '{sign}{count}' {unit}{f'({len(str(count))})' if count > 99 else ''}"
    seconds = decimal.Decimal(us) / 1_000_000
    digits = len(str(us // 1_000_000))
    return f"INTERVAL '{sign}{seconds.normalize():f}' SECOND{f'({digits})' if digits > 2 else ''}"
