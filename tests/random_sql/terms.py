"""Random expressions, each as Flink writes it and as DuckDB does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

INT, BIG, DEC, DBL, STR, BOOL, TS, DATE = "int", "big", "dec", "dbl", "str", "bool", "ts", "date"
APPROX = "approx"
"""A number that the two round differently: it is selected, and nothing is computed of it."""

KINDS = (INT, BIG, DEC, DBL, STR, BOOL, TS, DATE)
TYPES = {INT: "INT", BIG: "BIGINT", DEC: "DECIMAL(10, 2)", DBL: "DOUBLE", STR: "STRING", BOOL: "BOOLEAN",
         TS: "TIMESTAMP(3)", DATE: "DATE"}  # fmt: skip
DUCK = TYPES | {STR: "VARCHAR", TS: "TIMESTAMP_MS"}
NUMBERS = (INT, BIG, DEC, DBL)


@dataclass(frozen=True)
class Both:
    """A text in two dialects."""

    flink: str
    duck: str


@dataclass(frozen=True)
class Col:
    """A column that a query sees: its kind, how it is written, and whether no two rows share its value."""

    name: str
    kind: str
    table: str = ""
    unique: bool = False

    @property
    def text(self) -> Both:
        """How it is written."""
        whole = f"{self.table}.{self.name}" if self.table else self.name
        return Both(whole, whole)


def same(text: str) -> Both:
    """A text that is equal in both."""
    return Both(text, text)


def joined(pattern: str, *parts: Both, duck: str | None = None) -> Both:
    """A pattern with parts in the place of `{}`."""
    return Both(pattern.format(*(one.flink for one in parts)), (duck or pattern).format(*(one.duck for one in parts)))


class Terms:
    """Draws expressions over columns."""

    def __init__(self, chance: random.Random, columns: Sequence[Col]) -> None:
        self.chance = chance
        self.columns = list(columns)

    def of(self, kind: str, depth: int = 2) -> Both:
        """An expression of a kind."""
        if depth <= 0 or self.chance.random() < 0.25:
            return self.leaf(kind)
        if self.chance.random() < 0.25:
            return self.general(kind, depth)
        return self.chance.choice(self._made[kind])(self, depth - 1)

    def leaf(self, kind: str) -> Both:
        """A column, sometimes a constant."""
        fitting = [one for one in self.columns if one.kind == kind]
        if fitting and self.chance.random() < 0.85:
            return self.chance.choice(fitting).text
        if self.chance.random() < 0.06:
            return Both(f"CAST(NULL AS {TYPES[kind]})", f"CAST(NULL AS {DUCK[kind]})")
        return self.constant(kind)

    def constant(self, kind: str) -> Both:
        """A literal of a kind."""
        number = self.chance.randrange(-3, 9)
        match kind:
            case "int":
                return same(f"({number})" if number < 0 else str(number))
            case "big":
                return same(f"CAST({number} AS BIGINT)")
            case "dec":
                return same(f"CAST({number}.{self.chance.randrange(100):02} AS DECIMAL(10, 2))")
            case "dbl":
                return same(f"CAST({number}.{self.chance.choice(('0', '25', '5'))} AS DOUBLE)")
            case "str":
                return same(self.chance.choice(("'a'", "'b'", "'ab'", "''", "'B c'")))
            case "bool":
                return same(self.chance.choice(("TRUE", "FALSE")))
            case "ts":
                return same(f"TIMESTAMP '2024-03-01 {10 + self.chance.randrange(2)}:{self.chance.randrange(60):02}:00'")
            case _:
                return same(f"DATE '2024-0{self.chance.randrange(2, 4)}-01'")

    def general(self, kind: str, depth: int) -> Both:
        """CASE, COALESCE, NULLIF, IF, GREATEST: what is there for every type."""
        a, b = self.of(kind, depth - 1), self.of(kind, depth - 1)
        match self.chance.randrange(6):
            case 0:
                return joined("CASE WHEN {} THEN {} ELSE {} END", self.of(BOOL, depth - 1), a, b)
            case 1:
                return joined("CASE WHEN {} THEN {} END", self.of(BOOL, depth - 1), a)
            case 2:
                return joined("COALESCE({}, {})", a, b)
            case 3:
                return joined("NULLIF({}, {})", a, b)
            case 4 if kind != BOOL:
                name = self.chance.choice(("GREATEST", "LEAST"))
                # DuckDB leaves NULL out.
                least = f"CASE WHEN {{0}} IS NULL OR {{1}} IS NULL THEN NULL ELSE {name}({{0}}, {{1}}) END"
                return joined(f"{name}({{0}}, {{1}})", a, b, duck=least)
            case _:
                k = self.of(INT, 0)
                return joined("CASE {} WHEN 1 THEN {} WHEN 2 THEN {} END", k, a, b)

    def condition(self, depth: int = 2) -> Both:
        """A condition, mostly a comparison with a column."""
        return self.of(BOOL, depth)

    # -- kinds -----------------------------------------------------------------

    def _whole(self, kind: str, depth: int) -> Both:
        a, b = self.of(kind, depth), self.of(self.chance.choice((INT, kind)), depth)
        match self.chance.randrange(9):
            case 0:
                return joined("({} + {})", a, b)
            case 1:
                return joined("({} - {})", a, b)
            case 2:
                return joined(f"({{}} * {self.chance.randrange(1, 4)})", a)
            case 3:
                return joined("({} / NULLIF({}, 0))", a, b, duck="({} // NULLIF({}, 0))")
            case 4:
                return joined("MOD({}, NULLIF({}, 0))", a, b, duck="({} % NULLIF({}, 0))")
            case 5:
                return joined("ABS({})", a)
            case 6:
                return joined("(-{})", a)
            case 7:
                wide = self.chance.choice([one for one in (INT, BIG, DEC, DBL) if one != kind])
                number = self.of(wide, depth)
                cut = "CAST(TRUNC({}) AS " + TYPES[kind] + ")"
                return joined(f"CAST({{}} AS {TYPES[kind]})", number, duck=cut)
            case _:
                return joined("COALESCE({}, {})", a, b)

    def _int(self, depth: int) -> Both:
        text, ts = self.of(STR, depth), self.of(TS, depth)
        match self.chance.randrange(7):
            case 0:
                return joined("CHAR_LENGTH({})", text, duck="CAST(LENGTH({}) AS INT)")
            case 1:
                return joined("POSITION('b' IN {})", text, duck="CAST(POSITION('b' IN {}) AS INT)")
            case 2:
                unit = self.chance.choice(("MINUTE", "HOUR", "SECOND"))
                duck = f"CAST(DATE_SUB('{unit}', {{}}, {{}}) AS INT)"
                return joined(f"TIMESTAMPDIFF({unit}, {{}}, {{}})", ts, self.of(TS, depth), duck=duck)
            case _:
                return self._whole(INT, depth)

    def _big(self, depth: int) -> Both:
        if self.chance.random() < 0.25:
            unit = self.chance.choice(("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"))
            return joined(f"EXTRACT({unit} FROM {{}})", self.of(TS, depth))
        return self._whole(BIG, depth)

    def _dec(self, depth: int) -> Both:
        a, b = self.of(DEC, depth), self.of(DEC, depth)
        made = self.chance.choice(
            (
                "{} + {}",
                "{} - {}",
                "{} * CAST(1.5 AS DECIMAL(2, 1))",
                "ROUND({}, 1)",
                "ABS({})",
                "FLOOR({})",
                "CEIL({})",
                "{} * {}",
            )
        )
        text = joined(made, a, b)
        # What is computed has digits of its own: cut to the kind's.
        return joined("CAST({} AS DECIMAL(10, 2))", text) if self.chance.random() < 0.97 else joined("({})", text)

    def _dbl(self, depth: int) -> Both:
        made = self.chance.choice(("({} + {})", "({} - {})", "({} * 0.5e0)", "ABS({})", "FLOOR({})", "CEIL({})"))
        if self.chance.random() < 0.2:
            return joined("CAST({} AS DOUBLE)", self.of(self.chance.choice((INT, BIG)), depth))
        return joined(made, self.of(DBL, depth), self.of(DBL, depth))

    def _str(self, depth: int) -> Both:
        a, b = self.of(STR, depth), self.of(STR, depth)
        match self.chance.randrange(10):
            case 0:
                return joined("UPPER({})", a)
            case 1:
                return joined("LOWER({})", a)
            case 2:
                return joined("({} || {})", a, b)
            case 3:
                return joined("TRIM({})", a)
            case 4:
                return joined(f"SUBSTRING({{}}, {self.chance.randrange(1, 3)}, {self.chance.randrange(0, 3)})", a)
            case 5:
                return joined("REPLACE({}, 'a', 'xy')", a)
            case 6:
                return joined("REVERSE({})", a)
            case 7:
                return joined("CAST({} AS STRING)", self.of(self.chance.choice((INT, BIG, DATE)), depth))
            case 8:
                return joined("CAST({} AS STRING)", self.of(BOOL, depth), duck="UPPER(CAST({} AS VARCHAR))")
            case _:
                return joined("CONCAT_WS('-', {}, {})", a, b)

    def _bool(self, depth: int) -> Both:
        match self.chance.randrange(9):
            case 0:
                return joined("({} AND {})", self.of(BOOL, depth), self.of(BOOL, depth))
            case 1:
                return joined("({} OR {})", self.of(BOOL, depth), self.of(BOOL, depth))
            case 2:
                return joined("(NOT {})", self.of(BOOL, depth))
            case 3:
                test = self.chance.choice(("TRUE", "NOT TRUE", "FALSE", "NOT FALSE", "NULL", "NOT NULL"))
                return joined(f"({{}} IS {test})", self.of(BOOL, depth))
            case _:
                return self._comparison(depth)

    def _comparison(self, depth: int) -> Both:
        kind = self.chance.choice([one for one in KINDS if one != BOOL])
        a, b = self.of(kind, depth), self.of(kind, depth)
        match self.chance.randrange(8):
            case 0:
                word = self.chance.choice(("IS", "IS NOT"))
                return joined(f"({{}} {word} NULL)", a)
            case 1:
                word = self.chance.choice(("IS", "IS NOT"))
                return joined(f"({{}} {word} DISTINCT FROM {{}})", a, b)
            case 2:
                word = self.chance.choice(("BETWEEN", "NOT BETWEEN"))
                return joined(f"({{}} {word} {{}} AND {{}})", a, b, self.of(kind, depth))
            case 3:
                word = self.chance.choice(("IN", "NOT IN"))
                return joined(f"({{}} {word} ({{}}, {{}}))", a, self.constant(kind), self.constant(kind))
            case 4 if kind == STR:
                word = self.chance.choice(("LIKE", "NOT LIKE"))
                return joined(f"({{}} {word} '{self.chance.choice(('a%', '%b', '_', '%a%', 'B_c'))}')", a)
            case _:
                return joined(f"({{}} {self.chance.choice(('=', '<>', '<', '<=', '>', '>='))} {{}})", a, b)

    def _ts(self, depth: int) -> Both:
        a = self.of(TS, depth)
        match self.chance.randrange(4):
            case 0:
                unit = self.chance.choice(("DAY", "HOUR", "MINUTE"))
                duck = f"CAST(DATE_TRUNC('{unit}', {{}}) AS TIMESTAMP_MS)"
                return joined(f"FLOOR({{}} TO {unit})", a, duck=duck)
            case 1:
                return joined("CAST({} AS TIMESTAMP(3))", self.of(DATE, depth), duck="CAST({} AS TIMESTAMP_MS)")
            case _:
                sign, unit = self.chance.choice("+-"), self.chance.choice(("MINUTE", "HOUR", "SECOND", "DAY"))
                moved = f"({{}} {sign} INTERVAL '{self.chance.randrange(1, 60)}' {unit})"
                return joined(moved, a, duck=f"CAST({moved} AS TIMESTAMP_MS)")

    def _date(self, depth: int) -> Both:
        if self.chance.random() < 0.5:
            return joined("CAST({} AS DATE)", self.of(TS, depth))
        days = self.chance.randrange(1, 40)
        return joined(
            f"({{}} + INTERVAL '{days}' DAY)", self.of(DATE, depth), duck=f"CAST({{}} + INTERVAL '{days}' DAY AS DATE)"
        )

    _made: ClassVar[dict[str, list[Callable[[Terms, int], Both]]]] = {
        INT: [_int], BIG: [_big], DEC: [_dec], DBL: [_dbl], STR: [_str], BOOL: [_bool], TS: [_ts], DATE: [_date],
    }  # fmt: skip
