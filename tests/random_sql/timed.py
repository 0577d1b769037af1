"""Random queries over time: windows, OVER, Top-N."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.random_sql.reading import TABLE, TABLES, Query, Reading
from tests.random_sql.terms import (
    BIG,
    DEC,
    INT,
    STR,
    TS,
    Both,
    Col,
    Terms,
    joined,
    same,
)  # fmt: skip


class Timed(Reading):
    """Draws queries that go by event time or by an order."""

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
        left, _, _ = self.window("t0")
        self.chance.setstate(state)
        right, _, _ = self.window("t1")
        self.chance = keep
        kind = self.chance.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        condition = "l.window_start = r.window_start AND l.window_end = r.window_end AND l.k = r.k"
        text = same("l.id AS c0, r.id AS c1, l.window_start AS c2, r.window_end AS c3")
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
            ("", "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
             "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
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
