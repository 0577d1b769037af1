"""Random queries of the dialect, each with the same meaning in DuckDB's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.random_sql.terms import (
    APPROX, BIG, BOOL, DATE, DBL, DEC, INT, KINDS, NUMBERS, STR, TS, Both, Col, Terms, joined, same,
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


class Queries:
    """Draws queries.

    Attributes:
        used: The forms that were drawn.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.used: list[str] = []
        self.names = 0

    def one(self, depth: int = 2) -> Query:
        """A query of any form."""
        forms = (
            self.plain, self.plain, self.grouped, self.grouped, self.sets, self.distinct, self.combined, self.windowed,
            self.windowed, self.over, self.top_n, self.limited, self.with_names, self.window_rows, self.window_top_n,
            self.window_join,
        )  # fmt: skip
        form = self.chance.choice(forms)
        self.used.append(form.__name__)
        return form(depth)

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

    # -- forms -----------------------------------------------------------------

    def selected(self, items: Sequence[tuple[Both, str]]) -> tuple[Both, tuple[Col, ...]]:
        """A SELECT list and its columns."""
        named = [(text, Col(f"c{i}", kind)) for i, (text, kind) in enumerate(items)]
        parts = [joined("{} AS " + col.name, text) for text, col in named]
        return joined(", ".join(["{}"] * len(parts)), *parts), tuple(col for _, col in named)

    def plain(self, depth: int) -> Query:
        """SELECT ... FROM ... WHERE."""
        source, columns = self.relation(depth)
        terms = Terms(self.chance, columns)
        kinds = [self.chance.choice(KINDS) for _ in range(self.chance.randrange(1, 5))]
        items = [(terms.of(kind), kind) for kind in kinds]
        if self.chance.random() < 0.08 and depth:
            self.used.append("scalar in select")
            table, inner = self.table()
            keys = [one for one in columns if one.kind == INT]
            if keys:
                query = "(SELECT SUM({}) FROM {} WHERE {} = {})"
                mine = self.chance.choice(keys)
                items.append((joined(query, inner[2].text, table, inner[1].text, mine.text), BIG))
        text, made = self.selected(items)
        return Query(joined("SELECT {} FROM {}{}", text, source, self.where(columns, depth)), made)

    def distinct(self, depth: int) -> Query:
        """SELECT DISTINCT."""
        query = self.plain(depth)
        head = "SELECT DISTINCT "
        return Query(Both(head + query.text.flink[7:], head + query.text.duck[7:]), query.columns)

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

    def grouped(self, depth: int) -> Query:
        """GROUP BY columns or expressions, or all rows; HAVING."""
        source, columns = self.relation(depth)
        terms = Terms(self.chance, columns)
        where = self.where(columns, depth)
        keys: list[tuple[Both, str]] = [(one.text, one.kind) for one in self.keys(columns)]
        if self.chance.random() < 0.25:
            kind = self.chance.choice((INT, STR, BOOL))
            keys.append((joined("COALESCE({}, {})", terms.of(kind, 1), terms.constant(kind)), kind))
        if self.chance.random() < 0.15:
            keys = []
        items = [*keys, *self.aggregates(columns)]
        self.chance.shuffle(items)
        text, made = self.selected(items)
        group = joined(" GROUP BY " + ", ".join(["{}"] * len(keys)), *(one for one, _ in keys)) if keys else same("")
        # Of no rows there is no row in a stream.
        having = same("") if keys else Both("", " HAVING COUNT(*) > 0")
        if keys and self.chance.random() < 0.3:
            having = joined(f" HAVING COUNT({{}}) >= {self.chance.randrange(3)}", terms.leaf(INT))
        return Query(joined("SELECT {} FROM {}{}{}{}", text, source, where, group, having), made)

    def sets(self, depth: int) -> Query:
        """GROUPING SETS, ROLLUP, CUBE."""
        source, columns = self.relation(depth - 1)
        where = self.where(columns, depth)
        keys = self.keys(columns, 3)
        if not keys:
            return self.plain(depth)
        names = [one.text.flink for one in keys]
        listed = ", ".join(names)
        some = [f"({', '.join(self.chance.sample(names, self.chance.randrange(0, len(names) + 1)))})" for _ in "ab"]
        some = list(dict.fromkeys(some)) + [f"({listed})"] * (f"({listed})" not in some)
        group = self.chance.choice((f"ROLLUP ({listed})", f"CUBE ({listed})", f"GROUPING SETS ({', '.join(some)})"))
        items: list[tuple[Both, str]] = [(one.text, one.kind) for one in keys]
        items += self.aggregates(columns)
        if self.chance.random() < 0.5:
            items.append((same(f"GROUPING({names[0]})"), BIG))
        text, made = self.selected(items)
        having = Both("", " HAVING COUNT(*) > 0")  # of no rows there is no row in a stream
        return Query(joined(f"SELECT {{}} FROM {{}}{{}} GROUP BY {group}{{}}", text, source, where, having), made)

    def combined(self, depth: int) -> Query:
        """UNION, INTERSECT, EXCEPT."""
        kinds = [self.chance.choice((INT, STR, BOOL, BIG, DATE)) for _ in range(self.chance.randrange(1, 3))]
        sides = []
        for _ in range(2):
            source, columns = self.relation(depth - 1)
            terms = Terms(self.chance, columns)
            text, made = self.selected([(terms.of(kind, 1), kind) for kind in kinds])
            sides.append(joined("SELECT {} FROM {}{}", text, source, self.where(columns, 0)))
        word = self.chance.choice(("UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"))
        self.used.append(word.lower())
        return Query(joined(f"{{}} {word} {{}}", *sides), made)

    def with_names(self, depth: int) -> Query:
        """WITH a AS (...), used once or twice."""
        query, name = self.one(depth - 1), self.named()
        columns = tuple(one for one in query.columns if one.kind != APPROX)
        aliases = [self.named(), self.named()]
        mine = tuple(replace(one, table=aliases[0]) for one in columns)
        keys = [one for one in mine if one.kind in (INT, BIG, STR, DATE)]
        terms = Terms(self.chance, mine)
        text, made = self.selected([(terms.of(one.kind, 1), one.kind) for one in mine] or [(same("1"), INT)])
        source = f"{name} AS {aliases[0]}"
        if keys and self.chance.random() < 0.4:
            key = self.chance.choice(keys).name
            source += f" JOIN {name} AS {aliases[1]} ON {aliases[0]}.{key} = {aliases[1]}.{key}"
        whole = joined(f"WITH {name} AS ({{}}) SELECT {{}} FROM {source}", query.text, text)
        return Query(whole, made)

    # -- time ------------------------------------------------------------------

    def window(self, table: str | None = None, form: str | None = None) -> tuple[Both, tuple[Col, ...], str]:
        """The rows of windows: a table function, and what it means."""
        table = table or self.chance.choice(TABLES)
        alias = self.named()
        step = self.chance.choice((5, 10, 20))
        many = self.chance.randrange(1, 4)
        kind = form or self.chance.choice(("TUMBLE", "HOP", "CUMULATE"))
        ms = step * 60_000
        floor = f"epoch_ms(ts) // {ms}"
        if kind == "TUMBLE":
            many, shift = 1, self.chance.choice((0, 0, 2))
            offset = f", INTERVAL '{shift}' MINUTE" if shift else ""
            lengths = f"INTERVAL '{step}' MINUTE{offset}"
            start = f"((epoch_ms(ts) - {shift * 60_000}) // {ms}) * {ms} + {shift * 60_000}"
            end = f"{start} + {ms}"
        elif kind == "HOP":
            lengths = f"INTERVAL '{step}' MINUTE, INTERVAL '{step * many}' MINUTE"
            start = f"({floor} - i) * {ms}"
            end = f"({floor} - i + {many}) * {ms}"
        else:
            lengths = f"INTERVAL '{step}' MINUTE, INTERVAL '{step * many}' MINUTE"
            start = f"epoch_ms(ts) // {ms * many} * {ms * many}"
            end = f"{start} + (i + 1) * {ms}"
        flink = f"TABLE({kind}(TABLE {table}, DESCRIPTOR(ts), {lengths})) AS {alias}"
        # A cumulating window has the rows before its end.
        inside = f" WHERE {end} > epoch_ms(ts)" if kind == "CUMULATE" else ""
        duck = (
            f"(SELECT *, CAST(make_timestamp(({start}) * 1000) AS TIMESTAMP_MS) AS window_start, "
            f"CAST(make_timestamp(({end}) * 1000) AS TIMESTAMP_MS) AS window_end "
            f"FROM {table}, (SELECT unnest(range({many})) AS i){inside}) AS {alias}"
        )
        self.used.append(kind.lower())
        columns = tuple(replace(one, table=alias, unique=False) for one in TABLE)
        return Both(flink, duck), columns, alias

    def windowed(self, depth: int) -> Query:
        """GROUP BY window_start, window_end, and keys."""
        source, columns, alias = self.window()
        bounds = [(same(f"{alias}.window_start"), TS), (same(f"{alias}.window_end"), TS)]
        keys = [(one.text, one.kind) for one in self.keys(columns)] if self.chance.random() < 0.7 else []
        where = joined(" WHERE {}", Terms(self.chance, columns).condition()) if self.chance.random() < 0.4 else same("")
        text, made = self.selected([*bounds, *keys, *self.aggregates(columns)])
        group = joined(", ".join(["{}"] * (2 + len(keys))), *(one for one, _ in [*bounds, *keys]))
        having = same(" HAVING COUNT(*) > 1" if self.chance.random() < 0.2 else "")
        return Query(joined("SELECT {} FROM {}{} GROUP BY {}{}", text, source, where, group, having), made)

    def window_rows(self, depth: int) -> Query:
        """The rows of windows by themselves."""
        source, columns, alias = self.window()
        terms = Terms(self.chance, columns)
        items = [(terms.of(kind, 1), kind) for kind in (INT, STR)]
        text, made = self.selected([*items, (same(f"{alias}.window_start"), TS), (same(f"{alias}.window_end"), TS)])
        return Query(joined("SELECT {} FROM {}", text, source), made)

    def window_top_n(self, depth: int) -> Query:
        """The first rows of each window."""
        source, columns, alias = self.window()
        number, sign = self.chance.randrange(1, 4), self.chance.choice(("DESC", "ASC"))
        key = self.chance.choice([one for one in columns if one.kind in (INT, BIG, DEC, STR)])
        part = f"{alias}.window_start, {alias}.window_end" + (f", {alias}.k" if self.chance.random() < 0.5 else "")
        nulls = "NULLS LAST" if sign == "DESC" else "NULLS FIRST"
        rank = Both(
            f"ROW_NUMBER() OVER (PARTITION BY {part} ORDER BY {key.text.flink} {sign}, {alias}.id)",
            f"ROW_NUMBER() OVER (PARTITION BY {part} ORDER BY {key.text.duck} {sign} {nulls}, {alias}.id)",
        )
        text, made = self.selected(
            [
                (same(f"{alias}.id"), INT),
                (key.text, key.kind),
                (same(f"{alias}.window_start"), TS),
                (same(f"{alias}.window_end"), TS),
            ]
        )
        names = ", ".join(one.name for one in made)
        whole = joined(
            f"SELECT {names} FROM (SELECT {{}}, {{}} AS rn FROM {{}}) WHERE rn <= {number}", text, rank, source
        )
        return Query(whole, made)

    def window_join(self, depth: int) -> Query:
        """Two tables in the same windows."""
        chance = random.Random(self.chance.randrange(2**30))
        keep, self.chance = self.chance, random.Random(chance.randrange(2**30))
        state = self.chance.getstate()
        left, mine, a = self.window("t0")
        self.chance.setstate(state)
        right, others, b = self.window("t1")
        self.chance = keep
        kind = self.chance.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        condition = f"l.window_start = r.window_start AND l.window_end = r.window_end AND l.k = r.k"
        text = same(f"l.id AS c0, r.id AS c1, l.window_start AS c2, r.window_end AS c3")
        made = (Col("c0", INT), Col("c1", INT), Col("c2", TS), Col("c3", TS))
        whole = joined(
            f"SELECT {{}} FROM (SELECT * FROM {{}}) AS l {kind} (SELECT * FROM {{}}) AS r ON {condition}",
            text,
            left,
            right,
        )
        return Query(whole, made)

    def over(self, depth: int) -> Query:
        """Aggregates over the rows before."""
        source, columns = self.table()
        (alias,) = {one.table for one in columns}
        frame = self.chance.choice(
            ("", "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
             f"ROWS BETWEEN {self.chance.randrange(1, 4)} PRECEDING AND CURRENT ROW",
             f"RANGE BETWEEN INTERVAL '{self.chance.randrange(1, 40)}' MINUTE PRECEDING AND CURRENT ROW")
        )  # fmt: skip
        part = self.chance.choice((f"PARTITION BY {alias}.k ", f"PARTITION BY {alias}.g ", ""))
        window = f" OVER ({part}ORDER BY {alias}.ts {frame})"
        found: list[tuple[Both, str]] = [(same(f"{alias}.id"), INT)]
        for text, kind in self.aggregates(columns, ordered=True):
            inner = text
            cast = text.flink.startswith("CAST(SUM")
            if cast or text.duck.startswith("CAST(TRUNC"):
                # The window goes behind the aggregate, inside of the cast.
                inner = Both(*(_inside(one, window) for one in (text.flink, text.duck)))
            else:
                inner = joined("{}" + window, text)
            found.append((inner, kind))
        where = joined(" WHERE {}", Terms(self.chance, columns).condition()) if self.chance.random() < 0.3 else same("")
        text, made = self.selected(found)
        return Query(joined("SELECT {} FROM {}{}", text, source, where), made)

    def top_n(self, depth: int) -> Query:
        """ROW_NUMBER() and a filter on it, or QUALIFY."""
        source, columns = self.table()
        (alias,) = {one.table for one in columns}
        where = self.where(columns, depth)
        first, number = self.chance.choice(((1, 1), (1, 2), (1, 3), (2, 3)))
        sign = self.chance.choice(("DESC", "ASC"))
        key = self.chance.choice([one for one in columns if one.kind in (INT, BIG, DEC, STR, TS)])
        nulls = "NULLS LAST" if sign == "DESC" else "NULLS FIRST"
        part = self.chance.choice((f"PARTITION BY {alias}.k ", f"PARTITION BY {alias}.g, {alias}.f ", ""))
        last = "" if key.name == "ts" else f", {alias}.id"
        rank = Both(
            f"ROW_NUMBER() OVER ({part}ORDER BY {key.text.flink} {sign}{last})",
            f"ROW_NUMBER() OVER ({part}ORDER BY {key.text.duck} {sign} {nulls}{last})",
        )
        text, made = self.selected([(same(f"{alias}.id"), INT), (key.text, key.kind), (same(f"{alias}.g"), STR)])
        bound = f"rn BETWEEN {first} AND {number}" if first > 1 else f"rn <= {number}"
        if self.chance.random() < 0.3:
            self.used.append("qualify")
            return Query(joined(f"SELECT {{}} FROM {{}}{{}} QUALIFY {{}} <= {number}", text, source, where, rank), made)
        shown = ", ".join(one.name for one in made)
        if self.chance.random() < 0.3:
            shown, made = f"{shown}, rn", (*made, Col("rn", BIG))
        return Query(
            joined(
                f"SELECT {shown} FROM (SELECT {{}}, {{}} AS rn FROM {{}}{{}}) WHERE {bound}", text, rank, source, where
            ),
            made,
        )

    def limited(self, depth: int) -> Query:
        """ORDER BY ... LIMIT."""
        source, columns = self.table()
        (alias,) = {one.table for one in columns}
        where = self.where(columns, depth)
        key = self.chance.choice([one for one in columns if one.kind in (INT, BIG, DEC, STR)])
        sign = self.chance.choice(("DESC", "ASC"))
        nulls = "NULLS LAST" if sign == "DESC" else "NULLS FIRST"
        if self.chance.random() < 0.3:
            nulls = self.chance.choice(("NULLS LAST", "NULLS FIRST"))
            said = f" {nulls}"
        else:
            said = ""
        text, made = self.selected([(same(f"{alias}.id"), INT), (key.text, key.kind), (same(f"{alias}.g"), STR)])
        limit = f"LIMIT {self.chance.randrange(1, 6)}" + (" OFFSET 1" if self.chance.random() < 0.2 else "")
        whole = Both(
            f"SELECT {text.flink} FROM {source.flink}{where.flink} ORDER BY c1 {sign}{said}, c0 {limit}",
            f"SELECT {text.duck} FROM {source.duck}{where.duck} ORDER BY c1 {sign} {nulls}, c0 {limit}",
        )
        return Query(whole, made)


def _inside(text: str, window: str) -> str:
    """`CAST(SUM(x) AS BIGINT)` with a window behind the aggregate."""
    for head, tail in (("CAST(TRUNC(", ") AS BIGINT)"), ("CAST(", " AS BIGINT)")):
        if text.startswith(head) and text.endswith(tail):
            return head + text[len(head) : -len(tail)] + window + tail
    return text + window
