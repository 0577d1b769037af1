"""What random queries read and select: tables, joins, conditions, aggregates."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.random_sql.terms import (
    APPROX,
    BIG,
    BOOL,
    DATE,
    DBL,
    DEC,
    INT,
    KINDS,
    NUMBERS,
    STR,
    TS,
    Both,
    Col,
    Terms,
    joined,
    same,
)  # fmt: skip

TABLE = (
    Col("id", INT, unique=True), Col("k", INT), Col("n", BIG), Col("p", DEC), Col("x", DBL), Col("g", STR),
    Col("f", BOOL), Col("ts", TS, unique=True), Col("day0", DATE),
)  # fmt: skip
TABLES = ("t0", "t1", "t2")


@dataclass(frozen=True)
class Query:
    """A query: its text, its columns, and whether its rows only come and have the event time `ts`."""

    text: Both
    columns: tuple[Col, ...]
    timed: bool = False


class Reading(ABC):
    """Draws the parts of queries.

    Attributes:
        used: The forms that were drawn.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.used: list[str] = []
        self.names = 0

    @abstractmethod
    def one(self, depth: int = 2) -> Query:
        """A query of any form."""

    def named(self) -> str:
        """A name that is not taken."""
        self.names += 1
        return f"q{self.names}"

    # -- what is read ----------------------------------------------------------

    def table(self) -> tuple[Both, tuple[Col, ...]]:
        """A table under an alias."""
        alias = self.named()
        columns = tuple(replace(one, table=alias) for one in TABLE)
        return same(f"{self.chance.choice(TABLES)} AS {alias}"), columns

    def relation(self, depth: int) -> tuple[Both, tuple[Col, ...]]:
        """A table, a query in brackets, or a join."""
        drawn = self.chance.random()
        if depth <= 0 or drawn < 0.4:
            return self.table()
        if drawn < 0.65:
            query, alias = self.one(depth - 1), self.named()
            self.used.append("derived")
            columns = tuple(replace(one, table=alias) for one in query.columns if one.kind != APPROX)
            return joined(f"({{}}) AS {alias}", query.text), columns
        return self.join(depth)

    def join(self, depth: int) -> tuple[Both, tuple[Col, ...]]:
        """Two relations by an equal key, perhaps another condition."""
        left, mine = self.relation(depth - 1)
        right, others = self.relation(depth - 1)
        pairs = [(a, b) for a in mine for b in others if a.kind == b.kind and a.kind in (INT, BIG, STR, DATE, DEC)]
        if not pairs or self.chance.random() < 0.06:
            self.used.append("cross join")
            right = joined("({})", right) if " JOIN " in right.flink and not right.flink.startswith("(") else right
            return joined("{} CROSS JOIN {}", left, right), (*mine, *others)
        kind = self.chance.choice(("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        self.used.append(kind.lower())
        likely = [pair for pair in pairs if pair[0].name in ("k", "id", "g") and pair[1].name in ("k", "id", "g")]
        a, b = self.chance.choice(likely or pairs)
        sign = self.chance.choice(("=", "=", "=", "IS NOT DISTINCT FROM"))
        condition = joined(f"{{}} {sign} {{}}", a.text, b.text)
        drawn = self.chance.random()
        times = [one for one in mine if one.name == "ts"], [one for one in others if one.name == "ts"]
        if drawn < 0.25 and sign == "=" and all(times):
            self.used.append("interval join")
            low, high = self.chance.randrange(1, 30), self.chance.randrange(1, 30)
            bound = f"{{}} BETWEEN {{}} - INTERVAL '{low}' MINUTE AND {{}} + INTERVAL '{high}' MINUTE"
            at = self.chance.choice(times[0]).text
            condition = joined(f"{{}} AND {bound}", condition, self.chance.choice(times[1]).text, at, at)
        elif drawn < 0.5:
            more = Terms(self.chance, (*mine, *others)).condition(1)
            condition = joined("{} AND {}", condition, more)
        both = tuple(replace(one, unique=False) for one in (*mine, *others))
        right = joined("({})", right) if " JOIN " in right.flink and not right.flink.startswith("(") else right
        return joined(f"{{}} {kind} {{}} ON {{}}", left, right, condition), both

    def where(self, columns: Sequence[Col], depth: int) -> Both:
        """A WHERE, or nothing; sometimes with a query in it."""
        drawn = self.chance.random()
        if drawn < 0.35:
            return same("")
        terms = Terms(self.chance, columns)
        if drawn < 0.75 or depth <= 0:
            return joined(" WHERE {}", terms.condition())
        inside = self.query_condition(columns)
        if self.chance.random() < 0.4:
            return joined(" WHERE {} AND {}", inside, terms.condition(1))
        return joined(" WHERE {}", inside)

    def query_condition(self, columns: Sequence[Col]) -> Both:
        """IN, EXISTS or a comparison with a query."""
        outer = [one for one in columns if one.kind in (INT, BIG, STR)]
        table, inner = self.table()
        terms = Terms(self.chance, inner)
        if not outer:
            return Terms(self.chance, columns).condition()
        mine = self.chance.choice(outer)
        same_kind = self.chance.choice([one for one in inner if one.kind == mine.kind])
        filtered = joined(" WHERE {}", terms.condition(1)) if self.chance.random() < 0.6 else same("")
        also = joined(" AND {}", terms.condition(1)) if self.chance.random() < 0.4 else same("")
        match self.chance.randrange(4):
            case 0:
                word = self.chance.choice(("IN", "NOT IN"))
                self.used.append(word.lower())
                return joined(f"{{}} {word} (SELECT {{}} FROM {{}}{{}})", mine.text, same_kind.text, table, filtered)
            case 1:
                word = self.chance.choice(("EXISTS", "NOT EXISTS"))
                self.used.append(word.lower())
                query = "(SELECT 1 FROM {} WHERE {} = {}{})"
                return joined(word + " " + query, table, same_kind.text, mine.text, also)
            case 2:
                self.used.append("scalar")
                total = self.chance.choice(("MAX", "MIN"))  # of no rows COUNT is NULL in a stream
                return joined(
                    f"{{}} <= (SELECT {total}({{}}) FROM {{}}{{}})",
                    self.number(columns),
                    self.number(inner),
                    table,
                    filtered,
                )
            case _:
                self.used.append("correlated scalar")
                total = self.chance.choice(("MAX", "MIN", "COUNT", "SUM"))
                query = f"(SELECT {total}({{}}) FROM {{}} WHERE {{}} = {{}}{{}})"
                return joined(
                    f"{{}} {self.chance.choice(('<', '>=', '='))} {query}", self.number(columns), self.number(inner),
                    table, same_kind.text, mine.text, also,
                )  # fmt: skip

    def number(self, columns: Sequence[Col]) -> Both:
        """A numeric column, or a constant."""
        fitting = [one for one in columns if one.kind in NUMBERS]
        return self.chance.choice(fitting).text if fitting else same("1")

    def selected(self, items: Sequence[tuple[Both, str]]) -> tuple[Both, tuple[Col, ...]]:
        """A SELECT list and its columns."""
        named = [(text, Col(f"c{i}", kind)) for i, (text, kind) in enumerate(items)]
        parts = [joined("{} AS " + col.name, text) for text, col in named]
        return joined(", ".join(["{}"] * len(parts)), *parts), tuple(col for _, col in named)

    def aggregates(self, columns: Sequence[Col], *, ordered: bool = False) -> list[tuple[Both, str]]:
        """Some aggregates."""
        terms = Terms(self.chance, columns)
        found: list[tuple[Both, str]] = []
        for _ in range(self.chance.randrange(1, 4)):
            kind = self.chance.choice(KINDS)
            number = self.chance.choice((INT, BIG, DEC, DBL))
            when = same("")
            if not ordered and self.chance.random() < 0.2:
                when = joined(" FILTER (WHERE {})", terms.condition(1))
            match self.chance.randrange(8):
                case 0:
                    found.append((joined("COUNT(*){}", when), BIG))
                case 1:
                    found.append((joined("COUNT({}){}", terms.of(kind, 1), when), BIG))
                case 2 if not ordered:
                    found.append((joined("COUNT(DISTINCT {}){}", terms.of(kind, 1), when), BIG))
                case 3 if number in (INT, BIG):
                    # SUM keeps the type of integers here, and may wrap: the numbers are small.
                    text = joined("SUM({}){}", terms.of(number, 1), when)
                    found.append((joined("CAST({} AS BIGINT)", text), BIG))
                case 3:
                    found.append((joined("SUM({}){}", terms.leaf(number), when), number if number == DBL else APPROX))
                case 4 if number in (INT, BIG):
                    text = joined("AVG({}){}", terms.of(number, 1), when)
                    found.append((joined("{}", text, duck="CAST(TRUNC({}) AS BIGINT)"), BIG if number == BIG else INT))
                case 4:
                    found.append((joined("AVG({}){}", terms.leaf(number), when), APPROX))
                case 5 if not ordered:
                    name = self.chance.choice(("STDDEV_POP", "VAR_POP", "STDDEV_SAMP", "VAR_SAMP"))
                    # Flink's have the type of what goes in.
                    found.append((joined(f"{name}({{}}){{}}", terms.leaf(DBL), when), APPROX))
                case _:
                    while kind in (BOOL,):
                        kind = self.chance.choice(KINDS)
                    name = self.chance.choice(("MIN", "MAX"))
                    found.append((joined(f"{name}({{}}){{}}", terms.of(kind, 1), when), kind))
        return found

    def keys(self, columns: Sequence[Col], most: int = 2) -> list[Col]:
        """Columns to group by."""
        fitting = [one for one in columns if one.kind in (INT, STR, BOOL, BIG, DATE)]
        return self.chance.sample(fitting, min(len(fitting), self.chance.randrange(1, most + 1)))
