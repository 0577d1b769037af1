"""What Flink would not take of a text, or take otherwise: extensions, and what is said to Penstock only."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from penstock.core.where import Where
from penstock.sql.bind_expression import RANKS
from penstock.sql.connectors import CONNECTORS
from penstock.sql.exact import is_exact
from penstock.sql.options import SessionOptions
from penstock.sql.own_options import CONNECTOR, ON_SILENCE
from penstock.sql.parse_statement import parse
from penstock.sql.statements import CreateFunction, CreateTable, Insert, Option, SetOption, Statement
from penstock.sql.syntax import Call, Hint, Join, Select, Syntax
from penstock.sql.text import Text
from penstock.sql.ttl import STATE_TTL

REFUSES, OTHERWISE = "refuses", "otherwise"
_OWN_OPTIONS = {"filesystem": ("csv.header", "sink.mode")}
"""Options that we have for connectors of Flink's."""
_SETTING = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True)
class Departure:
    """Something that Flink does not take as it is.

    Attributes:
        kind: `refuses`, or `otherwise`: it is taken and means something else, or nothing.
        what: What it is, for people.
        instead: What to write for Flink; None if there is nothing.
        where: Where it stands.
    """

    kind: str
    what: str
    instead: str | None
    where: Where


def departures(text: Text) -> list[Departure]:
    """What of a text Flink would not take as it is, in the order of the text.

    The text is one that was bound: what cannot mean anything is no concern of this.

    Raises:
        PlanError: If it is no SQL.
    """
    found: list[tuple[int, Departure]] = []
    statements = parse(text)
    for statement in statements:
        for piece in _all(statement):
            for kind, what, instead, at, end in _of(piece):
                found.append((at, Departure(kind, what, instead, text.where(at, end))))
    found += _jobs(statements, text)
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def without_effect(text: Text) -> list[str]:
    """What SET says of options that have no effect here, or less than in Flink.

    Raises:
        PlanError: If it is no SQL, or an option has no such value.
    """
    options = SessionOptions()
    for statement in parse(text):
        if isinstance(statement, SetOption):
            options.set(statement, text)
    return list(dict.fromkeys(options.notes))


_Found = tuple[str, str, str | None, int, int]


def _all(piece: Any) -> Iterator[Syntax]:
    """A piece of syntax and all in it, queries too."""
    if isinstance(piece, Syntax):
        yield piece
        for one in dataclasses.fields(piece):
            yield from _all(getattr(piece, one.name))
    elif isinstance(piece, tuple):
        for item in piece:
            yield from _all(item)


def _of(piece: Syntax) -> Iterator[_Found]:
    match piece:
        case Call():
            yield from _call(piece)
        case CreateTable():
            yield from _table(piece)
        case CreateFunction():
            yield (
                OTHERWISE, f"{piece.name} is a function of Python: Flink takes those of PyFlink's @udf",
                f"a module for Flink with {piece.name} = udf(...)", piece.at, piece.end,
            )  # fmt: skip
        case Join(kind="semi" | "anti"):
            yield (
                REFUSES, f"{piece.kind.upper()} JOIN is no word of Flink's",
                f"WHERE a {'IN' if piece.kind == 'semi' else 'NOT IN'} (SELECT ...)", piece.at, piece.end,
            )  # fmt: skip
        case Select():
            yield from _hints(piece)
        case Option():
            if _SETTING.search(piece.value):
                yield (
                    OTHERWISE, f"{_SETTING.findall(piece.value)[0]} is filled in here, and taken as it stands there",
                    "the value itself", piece.value_at, piece.value_at + len(piece.value) + 2,
                )  # fmt: skip


def _call(call: Call) -> Iterator[_Found]:
    if is_exact(call):
        yield REFUSES, f"`{call.written}` is Penstock's own", "a function of Flink's", call.at, call.end
    elif call.name == "COUNT" and len(call.args) > 1:
        yield (
            REFUSES, "COUNT takes one column in Flink",
            "COUNT(DISTINCT ROW(a, b))" if call.distinct else "COUNT(*) FILTER (WHERE a IS NOT NULL)",
            call.at, call.end,
        )  # fmt: skip
    elif call.name == "SOURCE_WATERMARK":
        yield (
            REFUSES, "SOURCE_WATERMARK() is for sources that make watermarks: none of these connectors does",
            "WATERMARK FOR t AS t - INTERVAL '5' SECOND", call.at, call.end,
        )  # fmt: skip


def _table(table: CreateTable) -> Iterator[_Found]:
    given = {one.key: one for one in table.options}
    said = given.get(CONNECTOR)
    if said is not None and said.value not in CONNECTORS:
        yield (
            REFUSES, f"the connector '{said.value}' and its options are Penstock's",
            f"such as {', '.join(list(CONNECTORS)[:3])}", said.at, said.end,
        )  # fmt: skip
        return
    for key in (ON_SILENCE, *_OWN_OPTIONS.get(said.value if said else "", ())):
        if key in given:
            one = given[key]
            yield REFUSES, f"the option '{key}' is Penstock's", "leave it out", one.at, one.end


def _hints(select: Select) -> Iterator[_Found]:
    hints: tuple[Hint, ...] = select.hints
    if any(one.name == STATE_TTL for one in hints) and any(
        isinstance(one, Call) and one.name in RANKS for item in select.items for one in _all(item)
    ):
        yield (
            OTHERWISE, f"{STATE_TTL} of a rank has no effect in Flink", "SET 'table.exec.state.ttl'",
            select.at, select.at + len("SELECT"),
        )  # fmt: skip


def _jobs(statements: list[Statement], text: Text) -> Iterator[tuple[int, Departure]]:
    alone = [one for one in statements if isinstance(one, Insert)]
    if len(alone) > 1:
        second = alone[1]
        yield second.at, Departure(
            OTHERWISE, f"{len(alone)} INSERTs are one pipeline here, and a job each in Flink",
            "EXECUTE STATEMENT SET BEGIN ... END", text.where(second.at, second.table.end),
        )  # fmt: skip
