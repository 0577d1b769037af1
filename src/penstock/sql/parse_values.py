"""Values of several parts as they are written: ARRAY, MAP, CASE, INTERVAL."""

from __future__ import annotations

from penstock.sql import literals
from penstock.sql.lexer import NUMBER
from penstock.sql.parse_calls import CallParser
from penstock.sql.syntax import Call, CaseWhen, Expression


class ValueParser(CallParser):
    """Reads values that begin with a word."""

    def _constructor(self, word: str) -> Expression:
        start = self.advance().start
        self.advance()
        if self.take("]"):
            raise self.text.error(
                f"an empty {word} has no type", start, self.last_end, hint=f"CAST(NULL AS {word}<...>)"
            )
        items = self.several(self.expression)
        self.expect("]", f"after the values of {word}")
        if word == "MAP" and len(items) % 2:
            raise self.text.error(
                "a MAP takes keys and values in turn, found an odd number", start, self.last_end, hint="MAP['a', 1]"
            )
        return Call(word, items, at=start, end=self.last_end, written=word)

    def _case(self) -> Expression:
        start = self.advance().start
        operand = None if self.sees("WHEN") else self.expression()
        branches = []
        while self.take("WHEN"):
            condition = self.expression()
            self.expect("THEN", "after the condition of WHEN")
            branches.append((condition, self.expression()))
        if not branches:
            raise self.unexpected("expected WHEN after CASE", hint="CASE WHEN a > 1 THEN 'x' ELSE 'y' END")
        otherwise = self.expression() if self.take("ELSE") else None
        self.expect("END", "at the end of CASE")
        return CaseWhen(operand, tuple(branches), otherwise, at=start, end=self.last_end)

    def _interval(self) -> Expression:
        start = self.advance().start
        negative = self.take("-")
        if self.token.kind == NUMBER:
            written = self.token.text
            raise self.unexpected("an interval is a string and a unit", hint=f"INTERVAL '{written}' MINUTE")
        written = self.string("the length of an interval").text
        first, digits = self._unit()
        last = self._unit()[0] if self.take("TO") else None
        return literals.interval(
            self.text, written, first, last, digits=digits, negative=negative, at=start, end=self.last_end
        )

    def _unit(self) -> tuple[str, int | None]:
        token = self.token
        # Flink takes both numbers: MINUTE and MINUTES.
        unit = token.upper if token.upper in literals.UNITS else token.upper.removesuffix("S")
        if unit not in literals.UNITS:
            hint = f"a unit is one of {', '.join(literals.UNITS)}"
            raise self.unexpected("expected the unit of an interval", hint=hint)
        self.advance()
        digits = None
        if self.take("("):
            digits = self.number("the number of digits")
            if self.take(","):
                self.number("the number of digits of a fraction")
            self.expect(")", "after the digits")
        return unit, digits
