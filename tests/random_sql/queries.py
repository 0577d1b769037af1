"""Random queries of the dialect, each with the same meaning in DuckDB's."""

from __future__ import annotations

from dataclasses import replace

from tests.random_sql.reading import Query
from tests.random_sql.terms import (
    APPROX,
    BIG,
    BOOL,
    DATE,
    INT,
    KINDS,
    STR,
    Both,
    Terms,
    joined,
    same,
)  # fmt: skip
from tests.random_sql.timed import Timed


class Queries(Timed):
    """Draws queries."""

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
