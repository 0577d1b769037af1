"""What EXPLAIN, DESCRIBE and SHOW say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.plan.explain import as_text
from penstock.plan.node import UPDATING
from penstock.plan.pipeline import Pipeline
from penstock.sql import functions
from penstock.sql.scope import Related
from penstock.sql.statements import (
    Describe,
    Explain,
    Insert,
    QueryStatement,
    Show,
    Statement,
    StatementSet,
)
from penstock.sql.text import Text

if TYPE_CHECKING:
    from penstock.sql.script import Script


def tell(script: Script, statement: Statement, text: Text) -> str:
    """The answer of a statement that asks.

    Raises:
        PlanError: If it asks for what is not there.
    """
    match statement:
        case Describe(table):
            return described(script.lookup(table.name, text, table.at, table.end))
        case Explain(inner, details):
            return _explained(script, inner, details, text)
        case Show("COLUMNS" | "CREATE TABLE" | "CREATE VIEW", table) if table is not None:
            return described(script.lookup(table.name, text, table.at, table.end))
        case Show() if (names := _listed(script, statement.what)) is not None:
            return "\n".join(sorted(one for one in names if _like(one, statement)))
    raise text.unsupported("this is not offered here", statement.at, statement.end)


def _listed(script: Script, kind: str) -> list[str] | None:
    """The names of a kind of things; None if there is no such kind."""
    match kind:
        case "TABLES":
            return [*script.tables, *script.views]
        case "VIEWS":
            return list(script.views)
        case "FUNCTIONS":
            from penstock.sql.aggregates import NAMES as AGGREGATES

            own = [f"{name} ({one.module}.{one.qualname})" for name, one in script.udfs.items()]
            return [*own, *(one for one in (*functions.NAMES, *AGGREGATES) if one[:1].isalpha())]
        case "CONNECTORS":
            from penstock.sql.connectors import CONNECTORS

            return list(CONNECTORS)
        case "CATALOGS" | "CURRENT CATALOG":
            return ["default_catalog"]
        case "DATABASES" | "CURRENT DATABASE":
            return ["default_database"]
        case "MODULES":
            return ["core"]
        case "JARS":
            return []
    return None


def _like(name: str, show: Show) -> bool:
    """Whether a name fits the pattern of SHOW ... LIKE."""
    if show.like is None:
        return True
    pattern = re.escape(show.like).replace("%", ".*").replace("_", ".")
    return (re.fullmatch(pattern, name, re.IGNORECASE | re.DOTALL) is not None) != show.negated


def described(related: Related) -> str:
    """The columns of a table with their types, one per line."""
    shown = [one for one in related.columns if one.shown]
    width = max(len(one.name) for one in shown)
    lines = []
    for one in shown:
        time = " *ROWTIME*" if related.is_time(one) else ""
        null = "" if one.nullable else " NOT NULL"
        lines.append(f"{one.name:<{width}}  {functions.spelled(one.dtype)}{time}{null}")
    return "\n".join(lines)


def _explained(script: Script, statement: Statement, details: tuple[str, ...], text: Text) -> str:
    from penstock.plan.node import walk
    from penstock.sql.script import Script as Fresh

    own = Fresh(dict(script.tables), dict(script.views), script.options, udfs=script.udfs, folder=script.folder)
    own.execute(statement, text)
    if isinstance(statement, (Insert, StatementSet)):
        pipeline = Pipeline(own.name or "explained", *own.outputs())
        lines = [as_text(pipeline)]
        nodes = list(walk(*pipeline.outputs))
    elif isinstance(statement, QueryStatement):
        from penstock.plan.explain import facts_line

        node = own.queries[-1].node
        nodes = list(walk(node))
        lines = [f"{one.verb} {one.describe()}\n  | {facts_line(one)}" for one in reversed(nodes)]
    else:
        raise text.unsupported("EXPLAIN takes a query or an INSERT", statement.at, statement.end)
    if "CHANGELOG_MODE" in details:
        lines.append("changelog mode")
        lines += [f"  {one.verb}: {'I,UB,UA,D' if one.facts.mode == UPDATING else 'I'}" for one in nodes]
    return "\n".join(lines)
