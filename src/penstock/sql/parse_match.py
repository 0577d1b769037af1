"""MATCH_RECOGNIZE as it is written: its clauses in Flink's order, and the pattern with its quantifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.sql.lexer import END, NUMBER, STRING
from penstock.sql.syntax import (
    Alias,
    Definition,
    Expression,
    Interval,
    MatchRecognize,
    Measure,
    OrderItem,
    Quantified,
    Relation,
    Skip,
)

if TYPE_CHECKING:
    from penstock.sql.parse_from import FromParser

_ORDER = (
    "PARTITION", "ORDER", "MEASURES", "ONE", "ALL", "AFTER", "PATTERN", "WITHIN", "SUBSET", "DEFINE",
)  # fmt: skip
_NOT_IN_PATTERNS = {
    "|": ("alternatives in a pattern are not offered, as in Flink", "one variable with OR in its DEFINE"),
    "||": ("alternatives in a pattern are not offered, as in Flink", "one variable with OR in its DEFINE"),
    "(": ("groups in a pattern are not offered, as in Flink", "quantifiers belong to variables: (A B+ C)"),
    "PERMUTE": ("PERMUTE is not offered, as in Flink", "the order that is wanted"),
    "^": ("anchors are not offered, as in Flink", None),
    "$": ("anchors are not offered, as in Flink", None),
}
_HOW = "such as (A B+ C)"


@dataclass
class _Clauses:
    partition: tuple[Expression, ...] = ()
    order: tuple[OrderItem, ...] = ()
    measures: tuple[Measure, ...] = ()
    skip: Skip | None = None
    pattern: tuple[Quantified, ...] = ()
    pattern_at: tuple[int, int] = (0, 0)
    within: Interval | None = None
    define: tuple[Definition, ...] = field(default_factory=tuple)


class MatchParser:
    """Reads what is in the brackets of MATCH_RECOGNIZE."""

    def __init__(self, parser: FromParser) -> None:
        self.of = parser
        self.found = _Clauses()

    def read(self, below: Relation) -> MatchRecognize:
        """The whole; the next token is MATCH_RECOGNIZE.

        Raises:
            PlanError: If a clause is missing, at another place than Flink's, or none of Flink's.
        """
        of = self.of
        word = of.advance()
        of.expect("(", "after MATCH_RECOGNIZE")
        last = -1
        while not of.sees(")"):
            token = of.token
            if token.upper not in _ORDER:
                hint = (
                    f"the clauses are PARTITION BY, ORDER BY, {', '.join(_ORDER[2:4])} ROW PER MATCH, AFTER MATCH, ..."
                )
                raise of.unexpected('expected a clause of MATCH_RECOGNIZE, or ")"', hint=hint + " PATTERN, DEFINE")
            place = _ORDER.index(token.upper)
            if place <= last:
                raise of.text.error(
                    f"{token.upper} stands {'twice' if place == last else f'behind {_ORDER[last]}'} in MATCH_RECOGNIZE",
                    token.start, token.end,
                    hint="PARTITION BY, ORDER BY, MEASURES, ONE ROW PER MATCH, AFTER MATCH, PATTERN, WITHIN, DEFINE",
                )  # fmt: skip
            last = place
            self._clause(token.upper)
        closing = of.token
        for missing, there in (("PATTERN", self.found.pattern), ("DEFINE", self.found.define)):
            if not there:
                raise of.text.error(
                    f"MATCH_RECOGNIZE has no {missing}", closing.start, closing.end,
                    hint="PATTERN (A B+ C) DEFINE A AS A.price > 10" if missing == "PATTERN" else "DEFINE A AS x > 1",
                )  # fmt: skip
        of.advance()
        alias: Alias | None = of.alias_of()
        found = self.found
        return MatchRecognize(
            below, found.partition, found.order, found.measures, found.skip, found.pattern, found.within, found.define,
            alias, pattern_at=found.pattern_at, at=word.start, end=word.end,
        )  # fmt: skip

    def _clause(self, word: str) -> None:
        of, found = self.of, self.found
        start = of.advance().start
        if word == "PARTITION":
            of.expect("BY", "after PARTITION")
            found.partition = of.several(of.expression)
        elif word == "ORDER":
            found.order = of.order()
        elif word == "MEASURES":
            found.measures = of.several(self._measure)
        elif word == "ONE":
            for expected in ("ROW", "PER", "MATCH"):
                of.expect(expected, "in ONE ROW PER MATCH")
        elif word == "ALL":
            raise of.unsupported("ALL ROWS PER MATCH is not offered, as in Flink", start, hint="ONE ROW PER MATCH")
        elif word == "AFTER":
            found.skip = self._skip(start)
        elif word == "PATTERN":
            found.pattern = self._pattern(start)
        elif word == "WITHIN":
            found.within = self._within()
        elif word == "SUBSET":
            raise of.unsupported("SUBSET is not offered, as in Flink", start, hint="name the variables one by one")
        else:
            found.define = of.several(self._definition)

    def _measure(self) -> Measure:
        of = self.of
        start = of.token.start
        if of.sees_any(("FINAL", "RUNNING")) and of.peek().upper not in ("(", ".", "AS"):
            raise of.unexpected("FINAL and RUNNING are not in Flink SQL", hint="measures are those of the whole match")
        value = of.expression()
        of.expect("AS", "after a measure", hint="every measure has a name: LAST(A.price) AS price")
        return Measure(of.ident("the name of the measure"), value, at=start, end=of.last_end)

    def _definition(self) -> Definition:
        of = self.of
        name = of.ident("a pattern variable")
        of.expect("AS", f"after {name.name}", hint=f"DEFINE {name.name} AS {name.name}.price > 10")
        return Definition(name, of.expression(), at=name.at, end=of.last_end)

    def _skip(self, start: int) -> Skip:
        of = self.of
        of.expect("MATCH", "after AFTER", hint="AFTER MATCH SKIP PAST LAST ROW")
        of.expect("SKIP", "after AFTER MATCH", hint="AFTER MATCH SKIP PAST LAST ROW")
        if of.take("PAST"):
            of.expect("LAST", "after SKIP PAST", hint="AFTER MATCH SKIP PAST LAST ROW")
            of.expect("ROW", "after SKIP PAST LAST")
            return Skip("past last row", None, at=start, end=of.last_end)
        of.expect("TO", "after SKIP", hint="SKIP PAST LAST ROW, SKIP TO NEXT ROW, SKIP TO LAST A, SKIP TO FIRST A")
        if of.take("NEXT"):
            of.expect("ROW", "after SKIP TO NEXT")
            return Skip("to next row", None, at=start, end=of.last_end)
        word = of.take_any(("FIRST", "LAST")) or "LAST"
        return Skip(f"to {word.lower()}", of.ident("a pattern variable"), at=start, end=of.last_end)

    def _within(self) -> Interval:
        of = self.of
        at = of.token.start
        value = of.expression()
        if not isinstance(value, Interval):
            raise of.text.error("WITHIN takes an interval", at, of.last_end, hint="WITHIN INTERVAL '1' HOUR")
        if value.months or value.us <= 0 or value.us % 1000:
            raise of.text.error(
                "WITHIN takes a span of milliseconds, more than none", at, of.last_end, hint="WITHIN INTERVAL '30' DAY"
            )
        return value

    # -- the pattern -----------------------------------------------------------

    def _pattern(self, start: int) -> tuple[Quantified, ...]:
        of = self.of
        of.expect("(", "after PATTERN", hint=f"PATTERN {_HOW[8:]}")
        found: list[Quantified] = []
        while not of.sees(")"):
            token = of.token
            if token.upper in _NOT_IN_PATTERNS or of.sees("{", "-"):
                exclusion = "exclusions {- -} are not offered, as in Flink", "leave it out of MEASURES"
                message, hint = _NOT_IN_PATTERNS.get(token.upper, exclusion)
                raise of.text.unsupported(message, token.start, token.end, hint=hint)
            if token.kind in (END, STRING, NUMBER) or of.sees_any((",", *_ORDER)):
                raise of.unexpected('expected a pattern variable, or ")"', hint=_HOW)
            found.append(self._quantified())
        of.advance()
        if not found:
            raise of.text.error("the pattern is empty", start, of.last_end, hint=_HOW)
        self.found.pattern_at = (start, of.last_end)
        return tuple(found)

    def _quantified(self) -> Quantified:
        of = self.of
        name = of.ident("a pattern variable")
        least, most = 1, 1
        sign = of.take_any(("*", "+", "?"))
        counted = sign is None and of.sees("{") and not of.sees("{", "-")
        greatest: int | None = most
        if sign is not None:
            least, greatest = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif counted:
            least, greatest = self._counts(of.advance().start)
        reluctant = (sign is not None or counted) and of.take("?")
        made = Quantified(name, least, greatest, bool(reluctant), at=name.at, end=of.last_end)
        if reluctant and sign == "?":
            raise of.text.unsupported(
                "a reluctant A?? is not offered, as in Flink", made.at, made.end, hint=f"{name.name}?, {name.name}*?"
            )
        return made

    def _counts(self, start: int) -> tuple[int, int | None]:
        """`{n}`, `{n,}`, `{n,m}`, `{,m}`; the brace is taken."""
        of = self.of
        least = of.number("how many rows") if of.token.kind == NUMBER else None
        most = least
        if of.take(","):
            most = of.number("how many rows at most") if of.token.kind == NUMBER else None
        elif least is None:
            raise of.unexpected("expected a number of rows", hint="A{2}, A{2,}, A{2,5}, A{,5}")
        if least is None and most is None:
            raise of.text.error("a quantifier needs a number", start, of.last_end, hint="A{2}, A{2,}, A{2,5}, A{,5}")
        of.expect("}", "at the end of a quantifier", hint="A{2,5}")
        if most is not None and (most < (least or 0) or most == 0):
            raise of.text.error(
                f"a quantifier goes from few to many, found {least or 0} to {most}", start, of.last_end, hint="A{2,5}"
            )
        return least or 0, most
